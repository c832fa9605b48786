/**
 * What the user has chosen.
 *
 * It is in the extension's storage, which no page and no content script may read. Only the service worker
 * reads the token.
 */

/**
 * `params` are kept for each filter. `sites` are origins that the user added to those of the manifest.
 * Cameras are not filtered on those in `off`.
 * @typedef {{
 *   server: string, filter: string | null, params: Record<string, object>, outage: 'closed' | 'open',
 *   sites: string[], off: string[],
 * }} Settings
 */

/** @type {Readonly<Settings>} */
const DEFAULTS = { server: "", filter: null, params: {}, outage: "closed", sites: [], off: [] };

/** Where `make run` serves: what the options page offers until the user has saved an address. */
export const USUAL_SERVER = "http://localhost:7860";

/** @returns {Promise<Settings>} */
export async function readSettings() {
  return /** @type {Promise<Settings>} */ (chrome.storage.local.get(DEFAULTS));
}

/** @param {Partial<Settings>} changed */
export async function saveSettings(changed) {
  await chrome.storage.local.set(changed);
}

/** @returns {Promise<string>} empty where there is none */
export async function readToken() {
  const { token } = await chrome.storage.local.get({ token: "" });
  return /** @type {string} */ (token);
}

/** @param {string} token empty: none */
export async function saveToken(token) {
  await chrome.storage.local.set({ token });
}

/** @param {(names: string[]) => void} note takes the names of what has changed */
export function followSettings(note) {
  chrome.storage.onChanged.addListener((changes, area) => {
    if (area === "local") note(Object.keys(changes));
  });
}

/**
 * @param {string} text as a user writes an address
 * @returns {string | null} a URL that ends with a slash; null where it is none
 */
export function serverFromText(text) {
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(withScheme)) return null;
  const { protocol, host, pathname, username } = new URL(withScheme);
  if (!["http:", "https:"].includes(protocol) || username) return null;
  return `${protocol}//${host}${pathname.replace(/\/*$/, "/")}`;
}
