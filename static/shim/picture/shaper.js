/**
 * Makes the frames that come the frames of one track: in its size, and no more of them than it takes.
 */

import { fit } from "./sizes.js";

/**
 * @import { Fit } from "./sizes.js"
 * @import { Shape } from "./surface.js"
 */

export class Shaper {
  #shape;
  #dueAt_ms = 0;

  /** @param {() => Shape} shape */
  constructor(shape) {
    this.#shape = shape;
  }

  /** @param {number} now_ms @returns {boolean} whether a frame is passed on */
  takes(now_ms) {
    const { frameRate } = this.#shape();
    if (!frameRate) return true;
    if (now_ms < this.#dueAt_ms) return false;
    const interval_ms = 1000 / frameRate;
    // A frame may come half an interval early, and a late one does not bring the next forward.
    this.#dueAt_ms = Math.max(this.#dueAt_ms + interval_ms, now_ms + interval_ms / 2);
    return true;
  }

  /** @param {number} width of a frame @param {number} height of it @returns {Fit} */
  fit(width, height) {
    return fit(width, height, this.#shape());
  }
}
