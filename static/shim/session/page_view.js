/**
 * What the page sees of a session: one picture, and the tracks that show it.
 */

import { stopTrack } from "../base/natives.js";
import { PageTracks } from "../camera/page_tracks.js";
import { Picture } from "../picture/picture.js";

/**
 * @import { Place } from "../page/place.js"
 * @import { RawGuard } from "./raw_guard.js"
 */

export class PageView {
  #guard;
  #tracks;
  /** @type {Picture | null} */
  #picture = null;

  /**
   * @param {MediaStreamTrack} camera that is sent at first
   * @param {RawGuard} guard of the picture
   * @param {{changed: () => void, allStopped: () => void}} on as of `PageTracks`
   */
  constructor(camera, guard, on) {
    this.#guard = guard;
    this.#tracks = new PageTracks(camera, on);
  }

  /** The camera's track that is sent. */
  get camera() {
    return this.#tracks.camera;
  }
  /** Whether there is a picture. */
  get isOpen() {
    return this.#picture !== null;
  }
  /** Whether no track shows it. */
  get isEmpty() {
    return this.#tracks.isEmpty;
  }

  /** @param {(rtpTimestamp: number | undefined) => void} noteFrame is told of each filtered frame */
  begin(noteFrame) {
    this.#picture = new Picture(noteFrame);
    this.#guard.guard(this.#picture);
    this.#tracks.begin(this.#picture);
    return this.#picture;
  }

  /** @param {MediaStreamTrack} camera @param {Place} place @throws {import("../base/fault.js").Fault} after `end` */
  giveOut(camera, place) {
    return this.#tracks.giveOut(camera, place).track;
  }

  /** Shows the camera as it is. */
  showRaw() {
    this.#picture?.showRaw(this.camera);
  }

  /** @param {Place} place that goes away with its tracks */
  leave(place) {
    this.#tracks.leave(place);
  }

  /** @param {boolean} keepsCamera whether the camera stays open, for the page */
  end(keepsCamera) {
    if (keepsCamera) this.camera.contentHint = "";
    else stopTrack.call(this.camera);
    const picture = this.#picture;
    this.#picture = null;
    this.#guard.guard(null);
    this.#tracks.end();
    // Last, since a track that is stopped already is not told again.
    picture?.close();
  }
}
