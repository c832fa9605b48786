/**
 * One track of the page's that frames are written into.
 */

import { cloneTrack, stopTrack } from "../base/natives.js";
import { Shaper } from "./shaper.js";

/** @import { Shape } from "./surface.js" */

export class GeneratorOutlet {
  #generator;
  #writer;
  #shaper;
  /** Draws frames of another size. @type {OffscreenCanvasRenderingContext2D | null} */
  #pen = null;

  /** @param {Window} place @param {() => Shape} shape */
  constructor(place, shape) {
    const { track, writable } = newGenerator(place);
    this.#generator = track;
    this.#writer = writable.getWriter();
    this.#shaper = new Shaper(shape);
    // The generator has methods of its own; a clone is a plain track.
    this.track = cloneTrack.call(track);
  }

  /** @param {any} frame a VideoFrame, left open @param {number} at_us */
  async write(frame, at_us) {
    if (!this.#shaper.takes(at_us / 1000)) return;
    const stamped = this.#fitted(frame, at_us);
    // Fails where the outlet has been closed.
    await this.#writer.write(stamped).catch(() => {});
    stamped.close();
  }

  close() {
    stopTrack.call(this.track);
    this.#writer.close().catch(() => {});
    stopTrack.call(this.#generator);
  }

  /** @param {any} frame @param {number} timestamp */
  #fitted(frame, timestamp) {
    const { VideoFrame } = /** @type {any} */ (window);
    const { displayWidth, displayHeight } = frame;
    const { width, height, crop } = this.#shaper.fit(displayWidth, displayHeight);
    // The usual case, without a copy of the pixels.
    if (width === displayWidth && height === displayHeight) return new VideoFrame(frame, { timestamp });
    if (this.#pen?.canvas.width !== width || this.#pen.canvas.height !== height) {
      this.#pen = new OffscreenCanvas(width, height).getContext("2d", { alpha: false });
    }
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (this.#pen);
    pen.drawImage(frame, ...crop, 0, 0, width, height);
    return new VideoFrame(pen.canvas, { timestamp, alpha: "discard" });
  }
}

/** @param {any} place @returns {{track: MediaStreamTrack, writable: WritableStream}} */
function newGenerator({ MediaStreamTrackGenerator: Generator, VideoTrackGenerator }) {
  if (!Generator) return new VideoTrackGenerator();
  const track = new Generator({ kind: "video" });
  return { track, writable: track.writable };
}
