/**
 * A browser extension that runs the shim in two worlds of a page.
 *
 * It leaves an object in each world right before the shim runs there. In the world that no page reaches, the
 * shim makes the connections: it hands over the class of links, and uses the extension's `fetch`. In the
 * page's world, the object stands in for links and signaling, so the page can see nothing of either.
 * `window.p2pcamera` is not made there.
 *
 * @typedef {object} Embedder
 * @property {typeof window.fetch} [fetch]
 * @property {(parts: {Link: typeof Link, Signaling: typeof Signaling}) => void} [connect]
 * @property {Settings} settings
 * @property {() => Promise<boolean>} isOn whether the user wants the page's cameras filtered now
 * @property {(settings: Settings) => SignalingCalls} newSignaling
 * @property {(settings: Settings, on: LinkEvents) => Connection} newLink
 * @property {(page: P2PCamera, fault: typeof Fault) => void} begin
 */

/**
 * @import { P2PCamera } from "../api.js"
 * @import { Connection, Link, LinkEvents } from "../connection/link.js"
 * @import { Signaling, SignalingCalls } from "../connection/signaling.js"
 * @import { Settings } from "../settings/settings.js"
 * @import { Fault } from "./fault.js"
 */

/** Taken at once, so that no script of the page sees it. @type {Embedder | null} */
export const embedder = takeEmbedder();

/**
 * The key that marks a window as ours. No element, variable or frame of a page is called so by chance. Its value is
 * `window.p2pcamera`, or `true` with an extension.
 */
export const mark = Symbol.for(embedder ? "p2pcamera.embedded" : "p2pcamera.installed");

/** @returns {Embedder | null} */
function takeEmbedder() {
  const key = Symbol.for("p2pcamera.embedder");
  const left = Reflect.get(globalThis, key);
  Reflect.deleteProperty(globalThis, key);
  return left ?? null;
}
