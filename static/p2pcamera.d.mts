// Made from static/shim by `make shim`. Change it there.

import type { P2PCamera } from "./p2pcamera.js";

export type * from "./p2pcamera.js";

/** Undefined outside a secure context, where there is no camera. */
export declare const p2pcamera: P2PCamera | undefined;
export default p2pcamera;
