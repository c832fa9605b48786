/**
 * Photographs of a filtered camera: frames of the page's own track, in the sizes that the camera itself offers.
 *
 * The browser makes an `ImageCapture` for any track, but asks a device for what it does not find in the track.
 */

import { faces } from "../base/faces.js";
import { grabFrame, ImageCapture, photographedTrackOf } from "../base/natives.js";
import { TrackFace } from "../camera/track_face.js";

/** @import { Replacements } from "./replacements.js" */

/** As cameras of Chromium do. */
const TYPE = "image/jpeg";
const QUALITY = 0.95;

class Photos {
  #face;
  #capture;

  /** @param {TrackFace} face of the page's track @param {ImageCapture} capture the page's, of that track */
  constructor(face, capture) {
    this.#face = face;
    this.#capture = capture;
  }

  getPhotoCapabilities() {
    return this.#ofCamera().getPhotoCapabilities();
  }
  getPhotoSettings() {
    return this.#ofCamera().getPhotoSettings();
  }

  /** @param {PhotoSettings} [settings] @returns {Promise<Blob>} */
  async takePhoto(settings = {}) {
    await this.#check(settings);
    const frame = await grabFrame.call(this.#capture);
    const { width, height } = sizeOf(frame, settings);
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d", { alpha: false })?.drawImage(frame, 0, 0, width, height);
    frame.close();
    return canvas.convertToBlob({ type: TYPE, quality: QUALITY });
  }

  /** Refuses what the camera would refuse. @param {PhotoSettings} settings @throws {DOMException} */
  async #check(settings) {
    const { imageWidth, imageHeight, redEyeReduction } = settings;
    if (![imageWidth, imageHeight, redEyeReduction].some((value) => value !== undefined)) return;
    const told = await this.getPhotoCapabilities();
    const { DOMException } = this.#face.place.window;
    for (const name of /** @type {const} */ (["imageWidth", "imageHeight"])) {
      const { min = 1, max = Infinity } = told[name] ?? {};
      const value = settings[name] ?? min;
      if (!(value >= min && value <= max)) {
        throw new DOMException(`${name} is out of range`, "NotSupportedError");
      }
    }
    if (redEyeReduction && told.redEyeReduction !== "controllable") {
      throw new DOMException("redEyeReduction is not controllable", "NotSupportedError");
    }
  }

  #ofCamera() {
    return new ImageCapture(this.#face.camera);
  }
}

/** @param {Replacements} replacements @param {typeof globalThis} window whose photographs show what the track shows */
export function replacePhotos(replacements, window) {
  const { prototype } = window.ImageCapture ?? {};
  if (!prototype) return;
  for (const name of /** @type {const} */ (["takePhoto", "getPhotoCapabilities", "getPhotoSettings"])) {
    replacements.replace(prototype, name, (native) => ({
      /** @this {ImageCapture} @param {any[]} given */
      [name](...given) {
        const track = photographedTrackOf?.call(this);
        const face = track && faces.get(track);
        const isFiltered = face instanceof TrackFace && face.camera !== track && track.readyState === "live";
        return isFiltered ? new Photos(face, this)[name](...given) : native.apply(this, given);
      },
    }));
  }
}

/**
 * @param {{width: number, height: number}} frame
 * @param {PhotoSettings} settings of which one side keeps the proportions
 */
export function sizeOf(frame, { imageWidth, imageHeight }) {
  const width = imageWidth ?? (imageHeight ? (imageHeight * frame.width) / frame.height : frame.width);
  const height = imageHeight ?? (imageWidth ? (imageWidth * frame.height) / frame.width : frame.height);
  return { width: Math.max(1, Math.round(width)), height: Math.max(1, Math.round(height)) };
}
