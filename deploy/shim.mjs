/**
 * Bundles static/shim into what pages load: `node deploy/shim.mjs`, or `make shim`.
 *
 *     static/p2pcamera.js        one classic script, readable, with its comments
 *     static/p2pcamera.mjs       the same as an ES module
 *     static/p2pcamera.min.js    the classic script minified, and p2pcamera.min.js.map beside it
 *     static/p2pcamera.d.ts      types of `window.p2pcamera`
 *     static/p2pcamera.d.mts     types of the module
 *
 * `node deploy/shim.mjs --check` writes nothing and fails where a file in static/ differs. Both fail where the
 * rooms of static/shim import each other against their order.
 */

import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { faultsOfRooms } from "./shim_rooms.mjs";

const STATIC = new URL("../static/", import.meta.url);
const GENERATED = "// Made from static/shim by `make shim`. Change it there.\n";
const LICENSE = "/*! p2pcamera, Apache-2.0, readable as p2pcamera.js */\n";
const MODULE_TYPES = `${GENERATED}
import type { P2PCamera } from "./p2pcamera.js";

export type * from "./p2pcamera.js";

/** Undefined outside a secure context, where there is no camera. */
export declare const p2pcamera: P2PCamera | undefined;
export default p2pcamera;
`;

/**
 * esbuild keeps comments that it takes for legal ones, and no others. So that a reader of the bundle has all
 * of them, each comment that begins a line is a legal one on the way through.
 */
const keepComments = {
  name: "keep-comments",
  /** @param {import("esbuild").PluginBuild} bundling */
  setup(bundling) {
    bundling.onLoad({ filter: /\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      return { contents: text.replace(/^( *)\/\*\*(?= |$)/gm, "$1/*!").replace(/^( *)\/\/ /gm, "$1//! ") };
    });
  },
};

/**
 * @param {string} text of a bundle
 * @returns {string} with comments as they were written, but for those that name types alone
 */
function withOwnComments(text) {
  return text
    .replace(/^( *)\/\*!/gm, "$1/**")
    .replace(/^( *)\/\/! /gm, "$1// ")
    .replace(/^ *\/\*\* @import [^\n]*\*\/\n/gm, "")
    .replace(/^ *\/\*\*\n(?: *\* @import [^\n]*\n)+ *\*\/\n/gm, "");
}

/**
 * @param {string} entry @param {string} output
 * @param {import("esbuild").BuildOptions} options
 * @returns {Promise<Map<string, string>>} text by name of file
 */
async function bundled(entry, output, options) {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL(`shim/${entry}`, STATIC))],
    outfile: fileURLToPath(new URL(output, STATIC)),
    absWorkingDir: fileURLToPath(STATIC),
    bundle: true,
    write: false,
    metafile: true,
    target: "es2022",
    charset: "utf8",
    tsconfigRaw: { compilerOptions: { alwaysStrict: true } },
    ...options,
  });
  const faults = faultsOfRooms(metafile.inputs);
  if (faults.length > 0) throw new Error(faults.join("\n"));
  return new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
}

/**
 * @param {string} entry
 * @param {string} output
 * @param {"iife" | "esm"} format
 * @returns {Promise<[string, string]>}
 */
async function readable(entry, output, format) {
  const options = { format, legalComments: /** @type {const} */ ("inline"), plugins: [keepComments] };
  const files = await bundled(entry, output, options);
  const text = withOwnComments(files.get(output) ?? "");
  // What the script is for comes first, not where its last module begins.
  const source = await readFile(new URL(`shim/${entry}`, STATIC), "utf8");
  const [about] = source.match(/^\/\*\*.*?\*\/\n/s) ?? [""];
  const [ownPlace] = text.match(new RegExp(`(?<=// shim/${entry}\n) *\\/\\*\\*.*?\\*\\/\n`, "s")) ?? [""];
  if (!about || !ownPlace) throw new Error(`${entry} does not begin with a comment on what it is for`);
  return [output, `${GENERATED}${about}${text.replace(ownPlace, "")}`];
}

/** @returns {Promise<Map<string, string>>} text of every file that is made, by its name in static/ */
async function made() {
  const minified = await bundled("main.js", "p2pcamera.min.js", {
    format: "iife",
    minify: true,
    legalComments: "none",
    sourcemap: "linked",
    // The service has the sources beside the map.
    sourcesContent: false,
    banner: { js: LICENSE.trim() },
  });
  return new Map([
    await readable("main.js", "p2pcamera.js", "iife"),
    await readable("module.js", "p2pcamera.mjs", "esm"),
    ...minified,
    ["p2pcamera.d.ts", GENERATED + (await readFile(new URL("shim/api.d.ts", STATIC), "utf8"))],
    ["p2pcamera.d.mts", MODULE_TYPES],
  ]);
}

const isCheck = process.argv.includes("--check");
const different = [];
for (const [name, text] of await made()) {
  const url = new URL(name, STATIC);
  if ((await readFile(url, "utf8").catch(() => null)) === text) continue;
  different.push(`static/${name}`);
  if (!isCheck) await writeFile(url, text);
}
if (isCheck && different.length > 0) {
  console.error(`not what static/shim makes: ${different.join(", ")}; run make shim and commit the result`);
  process.exitCode = 1;
} else {
  console.log(
    different.length > 0
      ? `written: ${different.join(", ")}`
      : "static/p2pcamera.* is what static/shim makes",
  );
}
