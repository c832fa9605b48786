/**
 * The only part of the extension that knows the server's address and the token.
 *
 * Chrome ends it after half a minute without work, so it can read again all that it keeps in memory.
 */
import { askServer, Relay } from "./relay.js";
import { SessionTable } from "./session_table.js";
import { followSettings, readSettings, readToken } from "./settings.js";
import { isOnIn, registerSites, siteOf } from "./sites.js";

/** @typedef {import("./relay.js").Frame} Frame */

const SHOWN_IN_PAGES = ["server", "filter", "params", "outage", "sites", "off"];

const relay = new Relay(new SessionTable());
let registering = Promise.resolve();

chrome.storage.local.setAccessLevel({ accessLevel: "TRUSTED_CONTEXTS" });

chrome.runtime.onMessage.addListener((message, sender, reply) => {
  const frame = frameOf(sender);
  const answer = frame ? answerPage(message, frame) : answerExtension(message, sender);
  answer.then(reply, () => reply({ fault: "refused" }));
  return true;
});

chrome.tabs.onRemoved.addListener((tab) => {
  relay.end((owner) => owner.tab === tab);
});

chrome.runtime.onInstalled.addListener(({ reason }) => {
  registerInTurn();
  if (reason === "install") chrome.runtime.openOptionsPage();
});
chrome.runtime.onStartup.addListener(registerInTurn);
chrome.permissions.onAdded.addListener(registerInTurn);
chrome.permissions.onRemoved.addListener(registerInTurn);

followSettings((names) => {
  if (names.includes("sites")) registerInTurn();
  if (names.some((name) => SHOWN_IN_PAGES.includes(name))) tellPages();
});

/**
 * @param {any} message
 * @param {Frame} frame
 * @returns {Promise<object>}
 */
async function answerPage(message, frame) {
  if (message?.type === "settings") return settingsFor(frame);
  if (message?.type === "gone") {
    await relay.end((owner) => owner.document === frame.document);
    return {};
  }
  return relay.call(message, frame);
}

/** @param {any} message @param {chrome.runtime.MessageSender} sender @returns {Promise<object>} */
async function answerExtension(message, sender) {
  const isOwn = sender.id === chrome.runtime.id && sender.url?.startsWith(chrome.runtime.getURL(""));
  if (isOwn && message?.type === "filters") return askServer({ method: "GET", path: "filters" });
  if (isOwn && message?.type === "token") return { hasToken: (await readToken()) !== "" };
  return { fault: "refused" };
}

/** @param {Frame} frame @returns {Promise<object>} without the server's address */
async function settingsFor({ site }) {
  const settings = await readSettings();
  const { filter, params, outage } = settings;
  return { isOn: isOnIn(settings, site), filter, params: params[filter ?? ""] ?? {}, outage };
}

/**
 * @param {chrome.runtime.MessageSender} sender
 * @returns {Frame | null} null where it is no frame of a web page
 */
function frameOf({ id, tab, documentId, origin }) {
  if (id !== chrome.runtime.id || tab?.id === undefined || documentId === undefined) return null;
  if (origin === self.origin) return null;
  return { tab: tab.id, document: documentId, site: siteOf(origin) };
}

async function tellPages() {
  for (const { id } of await chrome.tabs.query({})) {
    // Most tabs have no script of ours.
    if (id !== undefined) chrome.tabs.sendMessage(id, { type: "changed" }).catch(() => {});
  }
}

function registerInTurn() {
  registering = registering.then(registerSites).catch((error) => console.error(error));
}
