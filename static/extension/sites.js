/**
 * The sites where cameras are filtered: those of the manifest, and those that the user added and the browser
 * permits.
 *
 * A site is an origin, such as `https://meet.google.com`.
 */
import { readSettings } from "./settings.js";

/** @typedef {import("./settings.js").Settings} Settings */

/** @param {string | undefined} url @returns {string | null} null for what is no web page */
export function siteOf(url) {
  if (!url || !URL.canParse(url)) return null;
  const { protocol, origin } = new URL(url);
  return protocol === "https:" || protocol === "http:" ? origin : null;
}

/** @param {string} site @returns {string} the match pattern of all its pages */
export function patternOf(site) {
  return `${site}/*`;
}

/** @returns {string[]} the sites of the manifest */
export function givenSites() {
  const [{ matches = [] }] = chrome.runtime.getManifest().content_scripts ?? [{}];
  return matches.map((pattern) => pattern.replace(/\/\*$/, ""));
}

/** @param {Settings} settings @param {string} site @returns {boolean} */
export function isOnAt({ server, off, sites }, site) {
  return server !== "" && !off.includes(site) && [...givenSites(), ...sites].includes(site);
}

/**
 * @param {Settings} settings
 * @param {string | null} site of a frame that has our scripts; null where its origin is its own, as in a sandbox
 * @returns {boolean}
 */
export function isOnIn(settings, site) {
  return site === null ? settings.server !== "" : isOnAt(settings, site);
}

/** @param {string} site @returns {Promise<boolean>} whether the browser lets our scripts run there */
export async function isAllowed(site) {
  return givenSites().includes(site) || chrome.permissions.contains({ origins: [patternOf(site)] });
}

/**
 * Lets scripts run in the pages of the user's sites. To be called after every change of sites or permissions.
 */
export async function registerSites() {
  const { sites } = await readSettings();
  const allowed = await Promise.all(sites.map(isAllowed));
  const matches = sites.filter((_, place) => allowed[place]).map(patternOf);
  const registered = await chrome.scripting.getRegisteredContentScripts();
  if (matches.length === 0) {
    if (registered.length > 0) await chrome.scripting.unregisterContentScripts();
    return;
  }
  const scripts = scriptsFor(matches);
  if (registered.length === scripts.length) await chrome.scripting.updateContentScripts(scripts);
  else await chrome.scripting.registerContentScripts(scripts);
}

/** @param {string[]} matches @returns {chrome.scripting.RegisteredContentScript[]} as in the manifest */
function scriptsFor(matches) {
  return /** @type {any[]} */ (chrome.runtime.getManifest().content_scripts).map(({ js, world }) => ({
    // They run in this order: the page's world comes first.
    id: world === "MAIN" ? "1-page-world" : "2-own-world",
    matches,
    js,
    world,
    runAt: "document_start",
    allFrames: true,
    matchOriginAsFallback: true,
  }));
}
