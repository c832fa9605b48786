/**
 * p2pcamera.js as an ES module, for bundlers and `import`:
 *
 *     import { p2pcamera } from "https://server/p2pcamera.mjs";
 *     p2pcamera.filter = "ink";
 *
 * The import replaces `getUserMedia`, once, however often it is imported. Behind a bundler the page names the
 * server: `p2pcamera.server = "https://server/"`. Outside a secure context there is no camera, and
 * `p2pcamera` is undefined; so it is where a server renders the page.
 */

import "./main.js";

import { mark } from "./base/embedder.js";

/** @type {import("./api.js").P2PCamera | undefined} */
export const p2pcamera = typeof window === "undefined" ? undefined : Reflect.get(window, mark);

// A script tag's server takes precedence. A bundle may have no address of its own.
// Bundlers take `new URL` of an address and `import.meta.url` for a file that they are to bundle.
const { url: ownAddress = "" } = import.meta;
if (p2pcamera && !p2pcamera.server && /^https?:/.test(ownAddress)) {
  p2pcamera.server = ownAddress.replace(/[?#].*$/, "").replace(/[^/]*$/, "");
}

export default p2pcamera;
