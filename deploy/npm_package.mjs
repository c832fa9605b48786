/**
 * Puts the npm package together in build/npm, or in a folder that is named: `node deploy/npm_package.mjs [FOLDER]`.
 *
 * It has what `make shim` made (static/p2pcamera.*), and packages/p2pcamera. Its version is the project's.
 * `make package` calls this, and makes the archive.
 */

import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = new URL("../", import.meta.url);
const TARGET = process.argv[2] ? pathToFileURL(`${resolve(process.argv[2])}/`) : new URL("build/npm/", ROOT);
const FROM_STATIC = [
  "p2pcamera.mjs",
  "p2pcamera.d.mts",
  "p2pcamera.d.ts",
  "p2pcamera.js",
  "p2pcamera.min.js",
  "p2pcamera.min.js.map",
];
const OWN = ["README.md", "react.mjs", "react.d.mts"];

await rm(TARGET, { recursive: true, force: true });
await mkdir(TARGET, { recursive: true });
for (const name of FROM_STATIC) await copyFile(new URL(`static/${name}`, ROOT), new URL(name, TARGET));
for (const name of OWN) await copyFile(new URL(`packages/p2pcamera/${name}`, ROOT), new URL(name, TARGET));
await copyFile(new URL("LICENSE", ROOT), new URL("LICENSE", TARGET));

const project = await readFile(new URL("pyproject.toml", ROOT), "utf8");
const [, version] = project.match(/^version = "(.*)"$/m) ?? [];
if (!version) throw new Error("pyproject.toml has no version");
const about = JSON.parse(await readFile(new URL("packages/p2pcamera/package.json", ROOT), "utf8"));
await writeFile(new URL("package.json", TARGET), `${JSON.stringify({ ...about, version }, null, 2)}\n`);
console.log(`${fileURLToPath(TARGET)} has p2pcamera ${version}`);
