// @ts-check
/**
 * p2pcamera.js as an ES module, for bundlers and `import`:
 *
 *     import { p2pcamera } from "https://server/p2pcamera.mjs";
 *     p2pcamera.filter = "ink";
 *
 * Importing it replaces `getUserMedia`, once, however often it is imported. Behind a bundler this file and
 * p2pcamera.js lie in one folder, and the page says which server: `p2pcamera.server = "https://server/"`.
 * Undefined where there is no camera to be had: outside a secure context.
 */

import "./p2pcamera.js";

/** @type {P2PCamera} */
export const p2pcamera = Reflect.get(window, "p2pcamera");

// A script tag's server goes first. A bundle may have no address of its own, and the page tells it anyhow.
if (p2pcamera && !p2pcamera.server && import.meta.url) p2pcamera.server = new URL(".", import.meta.url).href;

export default p2pcamera;
