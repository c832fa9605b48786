// @ts-check
// Firefox on a leash: takes a line of JSON on standard input, {"page": name, "goto": url} or {"page": name,
// "evaluate": expression}, and answers each by a line, {"value": ...} or {"error": text}, within LIMIT_MS. A page
// is made when it is first named. Ends with its input.
//
//     node tests/e2e/firefox.mjs FOLDER_OF_PUPPETEER_CORE FIREFOX

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const LIMIT_MS = 30_000;

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
/** @type {Map<string, import("puppeteer-core").Page>} */
const pages = new Map();

/** @param {{page: string, goto?: string, evaluate?: string}} wanted */
async function answer({ page: name, goto, evaluate = "" }) {
  const page = pages.get(name) ?? (await browser.newPage());
  pages.set(name, page);
  // A page that is hidden paints nothing.
  await page.bringToFront();
  if (goto) return void (await page.goto(goto));
  return page.evaluate(evaluate);
}

/** @param {Promise<unknown>} work */
const inTime = (work) => {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS / 1000} s`)), LIMIT_MS).unref();
  });
  return Promise.race([work, late]);
};

/** @param {object} reply */
const say = (reply) => process.stdout.write(`${JSON.stringify(reply)}\n`);

try {
  say({ value: await browser.version() });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say({ value: (await inTime(answer(JSON.parse(line)))) ?? null });
    } catch (error) {
      say({ error: String(error) });
    }
  }
} finally {
  await browser.close();
}
