/**
 * How a track of the page's behaves: like the camera's own track behind it.
 */

import { faces } from "../base/faces.js";
import {
  applyTrackConstraints,
  cloneTrack,
  getTrackCapabilities,
  getTrackConstraints,
  getTrackSettings,
  isMutedOf,
  labelOf,
  statsOf,
  stopTrack,
} from "../base/natives.js";
import { exactIds } from "./device_ids.js";
import { deviceIds, filteredLabel } from "./devices.js";

/** @import { Place } from "../page/place.js" */

/**
 * One track of the page's. Each has a camera's track to itself, so that the browser itself checks, keeps and
 * undoes the constraints of each.
 */
export class TrackFace {
  #owner;
  #track;
  #camera;
  #place;
  #changeCount = 0;
  #hasEnded = false;

  /**
   * @param {MediaStreamTrack} track
   * @param {MediaStreamTrack} camera
   * @param {Place} place where it was asked for
   * @param {{changed: () => void, stopped: () => void, clone: () => TrackFace}} owner
   */
  constructor(track, camera, place, owner) {
    this.#track = track;
    this.#camera = camera;
    this.#place = place;
    this.#owner = owner;
    faces.set(track, this);
    if (track === camera) return;
    for (const type of ["mute", "unmute", "configurationchange"]) {
      camera.addEventListener(type, () => {
        track.dispatchEvent(new Event(type));
        owner.changed();
      });
    }
    camera.addEventListener("ended", () => this.end());
  }

  get track() {
    return this.#track;
  }
  get camera() {
    return this.#camera;
  }
  get place() {
    return this.#place;
  }

  /** Ends the track because the camera is gone. The page hears of it, unlike after its own `stop`. */
  end() {
    if (this.#hasEnded) return;
    this.stop();
    this.#track.dispatchEvent(new Event("ended"));
  }

  /** Lets the browser open the camera again for what this track asks for, and no more. */
  reapply() {
    if (this.#changeCount > 0) return;
    applyTrackConstraints.call(this.#camera, getTrackConstraints.call(this.#camera)).catch(() => {});
  }

  // What the page calls

  get label() {
    return filteredLabel(labelOf?.call(this.#camera));
  }
  get muted() {
    return isMutedOf?.call(this.#camera);
  }
  get stats() {
    return statsOf?.call(this.#camera);
  }
  getSettings() {
    return deviceIds.withOther(getTrackSettings.call(this.#camera));
  }
  getCapabilities() {
    return deviceIds.withOther(getTrackCapabilities.call(this.#camera));
  }
  getConstraints() {
    const { deviceId } = getTrackSettings.call(this.#camera);
    return deviceIds.narrowed(getTrackConstraints.call(this.#camera), deviceId);
  }
  /** @param {MediaTrackConstraints} [constraints] */
  async applyConstraints(constraints) {
    const ids = exactIds(constraints ?? {});
    const { deviceId = "" } = this.getSettings();
    // No camera has this id, so the browser refuses it in its own words.
    const refused = { deviceId: { exact: "" } };
    const isOther = ids.length > 0 && !ids.includes(deviceId);
    const wanted = isOther ? refused : constraints && deviceIds.candidates(constraints)[0];
    this.#changeCount += 1;
    try {
      await applyTrackConstraints.call(this.#camera, wanted);
    } finally {
      this.#changeCount -= 1;
    }
    if (!this.#hasEnded) this.#owner.changed();
  }
  clone() {
    if (this.#hasEnded) return endedFace(cloneTrack.call(this.#track), this.#camera, this.#place).track;
    const { track } = this.#owner.clone();
    track.contentHint = this.#track.contentHint;
    track.enabled = this.#track.enabled;
    return track;
  }
  stop() {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    stopTrack.call(this.#track);
    stopTrack.call(this.#camera);
    this.#owner.stopped();
  }
}

/**
 * @param {MediaStreamTrack} track
 * @param {MediaStreamTrack} camera
 * @param {Place} place
 * @returns {TrackFace}
 */
function endedFace(track, camera, place) {
  const owner = { changed() {}, stopped() {}, clone: () => face };
  /** @type {TrackFace} */
  const face = new TrackFace(track, cloneTrack.call(camera), place, owner);
  face.stop();
  return face;
}

/** The page's tracks that are the camera's own. @type {Set<TrackFace>} */
export const rawFaces = new Set();

/**
 * Lets the raw camera stand in for the filtered one, as it may under `open`.
 * @param {MediaStreamTrack} camera @param {Place} place @returns {TrackFace}
 */
export function rawFace(camera, place) {
  const clone = () => rawFace(cloneTrack.call(camera), place);
  const stopped = () => rawFaces.delete(face);
  /** @type {TrackFace} */
  const face = new TrackFace(camera, camera, place, { changed() {}, stopped, clone });
  rawFaces.add(face);
  return face;
}
