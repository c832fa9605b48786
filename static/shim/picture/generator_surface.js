/**
 * Frames as they come, written into generators.
 */

import { GeneratorOutlet } from "./generator_outlet.js";

/** @import { OnFrame, Shape, Surface } from "./surface.js" */

/** @implements {Surface} */
export class GeneratorSurface {
  outlivesItsSource = true;
  seesFrames = true;
  /** @type {Map<MediaStreamTrack, GeneratorOutlet>} */
  #outlets = new Map();
  #lastAt_us = 0;
  /** The last frame, a VideoFrame. @type {any} */
  #last = null;

  /** @param {Window} place @param {() => Shape} shape */
  newTrack(place, shape) {
    const outlet = new GeneratorOutlet(place, shape);
    this.#outlets.set(outlet.track, outlet);
    // In an outage no other frame may come for long.
    if (this.#last) outlet.write(this.#last, this.#lastAt_us);
    return outlet.track;
  }

  /** @param {MediaStreamTrack} track */
  end(track) {
    this.#outlets.get(track)?.close();
    this.#outlets.delete(track);
  }

  /** @param {MediaStreamTrack} track @param {OnFrame} onFrame */
  feed(track, onFrame) {
    // A buffer of one frame gives the newest to a page that was busy.
    const processor = new /** @type {any} */ (window).MediaStreamTrackProcessor({ track, maxBufferSize: 1 });
    const reader = processor.readable.getReader();
    let isOpen = true;
    const pass = async () => {
      /** @type {number | null} */
      let offset_us = null;
      for (;;) {
        const { done, value: frame } = await reader.read();
        if (done) return;
        if (!isOpen) return frame.close();
        if (!onFrame(frame.metadata?.().rtpTimestamp)) {
          frame.close();
          continue;
        }
        // Every track has a clock of its own, and an encoder drops frames whose time runs backwards.
        offset_us ??= performance.now() * 1000 - frame.timestamp;
        await this.#write(frame, frame.timestamp + offset_us);
      }
    };
    pass().catch(() => {});
    return () => {
      isOpen = false;
      reader.cancel().catch(() => {});
    };
  }

  repeat() {
    if (this.#last) this.#write(this.#last, performance.now() * 1000);
  }

  cover() {
    if (!this.#last) return;
    const { displayWidth, displayHeight } = this.#last;
    const canvas = new OffscreenCanvas(displayWidth, displayHeight);
    canvas.getContext("2d", { alpha: false });
    const { VideoFrame } = /** @type {any} */ (window);
    this.#write(new VideoFrame(canvas, { timestamp: 0, alpha: "discard" }), performance.now() * 1000);
  }

  close() {
    for (const outlet of this.#outlets.values()) outlet.close();
    this.#outlets.clear();
    this.#last?.close();
    this.#last = null;
  }

  /** @param {any} frame a VideoFrame, kept until the next @param {number} at_us */
  async #write(frame, at_us) {
    this.#lastAt_us = Math.max(Math.round(at_us), this.#lastAt_us + 1);
    if (this.#last !== frame) this.#last?.close();
    this.#last = frame;
    await Promise.all([...this.#outlets.values()].map((outlet) => outlet.write(frame, this.#lastAt_us)));
  }
}
