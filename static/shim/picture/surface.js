/**
 * Where the frames of one track after another enter the page's tracks.
 */

import { CanvasSurface } from "./canvas_surface.js";
import { GeneratorSurface } from "./generator_surface.js";
import { RemoteSurface } from "./remote_surface.js";

/**
 * What the frames of one track are made to be. `frameRate` is null where all that come are wanted.
 * @typedef {{width?: number, height?: number, frameRate: number | null}} Shape
 *
 * Whether a frame is passed on. Its RTP timestamp is undefined where it has none, or the browser does not
 * tell it.
 * @typedef {(rtpTimestamp: number | undefined) => boolean} OnFrame
 */

/**
 * `newTrack` makes a track once there was something to show, of a class of `place`; `end` ends it. `feed`
 * begins to pass on the frames of a track and returns what ends that; it asks `onFrame` before each frame.
 * `repeat` passes on the last frame again, `cover` a black one.
 * @typedef {object} Surface
 * @property {boolean} outlivesItsSource
 * @property {boolean} seesFrames false where frames may come without a call of `onFrame`
 * @property {(place: Window, shape: () => Shape) => MediaStreamTrack} newTrack
 * @property {(track: MediaStreamTrack) => void} end
 * @property {(track: MediaStreamTrack, onFrame: OnFrame) => () => void} feed
 * @property {() => void} repeat
 * @property {() => void} cover
 * @property {() => void} close
 */

/** @returns {Surface} the best that this browser has */
export function newSurface() {
  if (canGenerate()) return new GeneratorSurface();
  const canPaint =
    "captureStream" in HTMLCanvasElement.prototype &&
    "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  return canPaint ? new CanvasSurface() : new RemoteSurface();
}

/**
 * A `VideoTrackGenerator` that only workers have does not help: a strict content-security policy lets a page
 * have no worker of ours.
 */
function canGenerate() {
  const hasGenerator = "MediaStreamTrackGenerator" in window || "VideoTrackGenerator" in window;
  return "MediaStreamTrackProcessor" in window && hasGenerator;
}
