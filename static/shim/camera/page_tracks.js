/**
 * The page's tracks of one camera, and which of the camera's tracks behind them is sent.
 */

import { Fault } from "../base/fault.js";
import { cloneTrack, getTrackSettings } from "../base/natives.js";
import { pixels } from "../picture/sizes.js";
import { TrackFace } from "./track_face.js";

/**
 * @import { Place } from "../page/place.js"
 * @import { Picture } from "../picture/picture.js"
 * @import { Shape } from "../picture/surface.js"
 */

export class PageTracks {
  #camera;
  #on;
  /** @type {Picture | null} */
  #picture = null;
  /** Until each is stopped. @type {Set<TrackFace>} */
  #faces = new Set();

  /**
   * @param {MediaStreamTrack} camera that is sent at first
   * @param {{changed: () => void, allStopped: () => void}} on `changed`: another camera's track is sent, or one changed
   */
  constructor(camera, on) {
    this.#camera = camera;
    this.#on = on;
  }

  /** The camera's track that is sent. */
  get camera() {
    return this.#camera;
  }
  get isEmpty() {
    return this.#faces.size === 0;
  }

  /** @param {Picture} picture that the tracks show */
  begin(picture) {
    this.#picture = picture;
  }

  /**
   * @param {MediaStreamTrack} camera
   * @param {Place} place
   * @returns {TrackFace}
   * @throws {Fault} after `end`
   */
  giveOut(camera, place) {
    if (this.#picture === null) throw new Fault("closed", "the session has ended");
    const track = this.#picture.newTrack(place.window, () => this.#shapeFor(camera));
    const face = new TrackFace(track, camera, place, {
      changed: () => this.#chooseCamera(),
      stopped: () => this.#takeBack(face),
      clone: () => this.giveOut(cloneTrack.call(camera), place),
    });
    this.#faces.add(face);
    this.#chooseCamera();
    return face;
  }

  /** @param {Place} place that goes away with its tracks */
  leave(place) {
    for (const face of this.#faces) if (face.place === place) face.stop();
  }

  /** Ends all tracks, as if the camera were unplugged. */
  end() {
    this.#picture = null;
    for (const face of this.#faces) face.end();
  }

  /** @param {MediaStreamTrack} camera @returns {Shape} */
  #shapeFor(camera) {
    const { width, height, frameRate = 0 } = getTrackSettings.call(camera);
    const { frameRate: sentRate = 0 } = getTrackSettings.call(this.#camera);
    const isSlower = camera !== this.#camera && frameRate < sentRate;
    return { width, height, frameRate: isSlower ? frameRate : null };
  }

  /** @param {TrackFace} face */
  #takeBack(face) {
    const picture = this.#picture;
    if (!this.#faces.delete(face) || picture === null) return;
    picture.endTrack(face.track);
    if (this.#faces.size === 0) return this.#on.allStopped();
    this.#chooseCamera();
    // The camera was opened as large as its largest track, and need not stay so.
    if (this.#faces.size === 1) for (const last of this.#faces) last.reapply();
  }

  /** Of several tracks of the camera, the one with the largest picture is sent. */
  #chooseCamera() {
    const cameras = [...this.#faces].map((face) => face.camera);
    const most = Math.max(...cameras.map(pixelsOf));
    if (!cameras.includes(this.#camera) || pixelsOf(this.#camera) < most) {
      const largest = cameras.find((camera) => pixelsOf(camera) === most);
      if (!largest) return;
      this.#camera = largest;
      if (this.#picture?.showsRaw) {
        this.#picture.hideRaw();
        this.#picture.showRaw(largest);
      }
    }
    this.#on.changed();
  }
}

/** @param {MediaStreamTrack} camera @returns {number} */
function pixelsOf(camera) {
  return pixels(getTrackSettings.call(camera), !camera.muted && camera.readyState !== "ended");
}
