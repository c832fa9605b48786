// @ts-check
// Firefox on a leash: takes a line of JSON on standard input, {"goto": url} or {"evaluate": expression}, and
// answers each by a line, {"value": ...} or {"error": text}. Ends with its input.
//
//     node tests/e2e/firefox.mjs FOLDER_OF_PUPPETEER_CORE FIREFOX

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, executablePath] = process.argv.slice(2);
const found = createRequire(`${folder}/`).resolve("puppeteer-core");
const { default: puppeteer } = await import(pathToFileURL(found).href);

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: true,
  extraPrefsFirefox: {
    "media.navigator.streams.fake": true,
    "media.navigator.permission.disabled": true,
    "media.autoplay.default": 0,
    // Peers that may ask no name service.
    "media.peerconnection.ice.obfuscate_host_addresses": false,
    "network.proxy.type": 0,
  },
});
const page = await browser.newPage();

/** @param {{goto?: string, evaluate?: string}} wanted */
async function answer({ goto, evaluate = "" }) {
  if (goto) return void (await page.goto(goto));
  return page.evaluate(evaluate);
}

/** @param {object} reply */
const say = (reply) => process.stdout.write(`${JSON.stringify(reply)}\n`);

try {
  say({ value: await browser.version() });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say({ value: (await answer(JSON.parse(line))) ?? null });
    } catch (error) {
      say({ error: String(error) });
    }
  }
} finally {
  await browser.close();
}
