/**
 * Frames painted on canvases. In a hidden tab these stand still.
 */

import { stopTrack } from "../base/natives.js";
import { Shaper } from "./shaper.js";

/** @import { OnFrame, Shape, Surface } from "./surface.js" */

/** @implements {Surface} */
export class CanvasSurface {
  outlivesItsSource = true;
  /** @type {Map<MediaStreamTrack, {pen: CanvasRenderingContext2D, shaper: Shaper}>} */
  #outlets = new Map();
  /** Whose frames are shown now. @type {HTMLVideoElement | null} */
  #video = null;

  get seesFrames() {
    return !document.hidden;
  }

  /** @param {Window} place @param {() => Shape} shape */
  newTrack(place, shape) {
    const canvas = place.document.createElement("canvas");
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    const outlet = { pen, shaper: new Shaper(shape) };
    const [track] = canvas.captureStream().getVideoTracks();
    this.#outlets.set(track, outlet);
    if (this.#video) this.#paint(outlet, this.#video);
    return track;
  }

  /** @param {MediaStreamTrack} track */
  end(track) {
    this.#outlets.delete(track);
    stopTrack.call(track);
  }

  /** @param {MediaStreamTrack} track @param {OnFrame} onFrame */
  feed(track, onFrame) {
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
    let isOpen = true;
    const paint = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ metadata) => {
      if (!isOpen) return;
      video.requestVideoFrameCallback(paint);
      if (!onFrame(metadata.rtpTimestamp)) return;
      this.#video = video;
      for (const outlet of this.#outlets.values()) this.#paint(outlet, video);
    };
    video.requestVideoFrameCallback(paint);
    video.play().catch(() => {});
    return () => {
      isOpen = false;
      if (this.#video === video) this.#video = null;
      video.srcObject = null;
    };
  }

  repeat() {
    for (const { pen } of this.#outlets.values()) pen.drawImage(pen.canvas, 0, 0);
  }

  cover() {
    this.#video = null;
    for (const { pen } of this.#outlets.values()) pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
  }

  close() {
    for (const track of this.#outlets.keys()) stopTrack.call(track);
    this.#outlets.clear();
  }

  /** @param {{pen: CanvasRenderingContext2D, shaper: Shaper}} outlet @param {HTMLVideoElement} video */
  #paint({ pen, shaper }, video) {
    const { videoWidth, videoHeight } = video;
    if (!videoWidth || !shaper.takes(performance.now())) return;
    const { width, height, crop } = shaper.fit(videoWidth, videoHeight);
    // Even the same size would clear the canvas.
    if (pen.canvas.width !== width) pen.canvas.width = width;
    if (pen.canvas.height !== height) pen.canvas.height = height;
    pen.drawImage(video, ...crop, 0, 0, width, height);
  }
}
