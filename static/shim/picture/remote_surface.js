/**
 * The connection's own track, which ends with it.
 */

import { cloneTrack, stopTrack } from "../base/natives.js";

/** @import { Surface } from "./surface.js" */

/** @implements {Surface} */
export class RemoteSurface {
  outlivesItsSource = false;
  seesFrames = false;
  /** @type {MediaStreamTrack | null} */
  #track = null;

  /** After the first `feed`. */
  newTrack() {
    return cloneTrack.call(/** @type {MediaStreamTrack} */ (this.#track));
  }

  /** @param {MediaStreamTrack} track */
  end(track) {
    stopTrack.call(track);
  }

  /** @param {MediaStreamTrack} track */
  feed(track) {
    this.#track ??= track;
    return () => {};
  }

  repeat() {}
  cover() {}
  close() {}
}
