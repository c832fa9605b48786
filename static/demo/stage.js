/**
 * Both pictures, or drawings in their place, and the buttons for pictures.
 */

import { drawWhole } from "./examples.js";
import { Split } from "./split.js";
import { Takes } from "./takes.js";
import { sizeOf } from "./view.js";

const POSTER_WIDTH = 960;
const POSTER_HEIGHT = 720;
const MIRRORED = "mirrored";

export class Stage {
  #view;
  #language;
  #split;
  #takes;
  #name = "";

  /**
   * @param {ReturnType<typeof import('./view.js').pageElements>} view
   * @param {import('./language.js').PageLanguage} language
   * @param {(said: import('../shared/language.js').Phrase) => void} whisper tells screen readers of a change
   */
  constructor(view, language, whisper) {
    this.#view = view;
    this.#language = language;
    this.#split = new Split(view.split, view.divider, language);
    this.#takes = new Takes(view.takes, view.takesList, language);
    this.#takes.addEventListener("recording", () => this.#showRecording());
    this.#takes.addEventListener("say", (event) => {
      whisper(/** @type {CustomEvent} */ (event).detail.phrase);
    });
    const { snapshot, record, mirror, fullscreen, original, filtered, split } = view;
    snapshot.addEventListener("click", () => this.#takes.snapshot(filtered, this.#name));
    record.addEventListener("click", () => this.#toggleRecording());
    mirror.addEventListener("click", () => this.#setMirror(split.dataset.mirrored !== "true"));
    fullscreen.hidden = !document.fullscreenEnabled;
    fullscreen.addEventListener("click", () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else split.requestFullscreen();
    });
    for (const video of [original, filtered]) video.addEventListener("resize", () => this.#showSizes());
    this.#setMirror(localStorage.getItem(MIRRORED) !== "false");
  }

  /** @param {readonly string[]} names of the chosen filters @param {import('../shared/language.js').Phrase} title */
  showChoice(names, title) {
    this.#name = names.join("-");
    const name = this.#name;
    const { originalPoster, filteredPoster, filteredTitle } = this.#view;
    for (const poster of [originalPoster, filteredPoster]) {
      Object.assign(poster, { width: POSTER_WIDTH, height: POSTER_HEIGHT });
    }
    // Of several filters, what the first does: nobody has a picture of every order.
    const isShown = () => this.#name === name;
    drawWhole(originalPoster, names[0] ?? "", "before", isShown);
    drawWhole(filteredPoster, names[0] ?? "", "after", isShown);
    this.#language.write(filteredTitle, title);
  }

  /** The server's still card has words, so it is never mirrored. @param {boolean} isCard */
  showCard(isCard) {
    this.#view.split.dataset.card = String(isCard);
  }

  /** @param {MediaStreamTrack | null} camera @param {MediaStream | null} given to the page */
  showPictures(camera, given) {
    const { original, filtered, snapshot, record } = this.#view;
    setTrack(original, camera);
    setTrack(filtered, given?.getVideoTracks()[0] ?? null);
    snapshot.disabled = record.disabled = given === null;
    if (given === null) this.#takes.stopRecording();
    this.#showSizes();
  }

  /** The picture of a camera that looks away from the user is never mirrored. @param {boolean} isOfTheUser */
  showFacing(isOfTheUser) {
    this.#view.split.dataset.facing = isOfTheUser ? "user" : "environment";
  }

  /** @param {boolean} isMirrored */
  #setMirror(isMirrored) {
    localStorage.setItem(MIRRORED, String(isMirrored));
    this.#view.split.dataset.mirrored = String(isMirrored);
    this.#view.mirror.setAttribute("aria-pressed", String(isMirrored));
  }

  #toggleRecording() {
    if (this.#takes.isRecording) return this.#takes.stopRecording();
    const { record, filtered } = this.#view;
    const stream = /** @type {MediaStream} */ (filtered.srcObject);
    record.disabled = true;
    this.#takes.record(stream.getVideoTracks()[0], this.#name).finally(() => {
      record.disabled = filtered.srcObject === null;
    });
  }

  #showRecording() {
    const { record, recording, recordingTime } = this.#view;
    record.setAttribute("aria-pressed", String(this.#takes.isRecording));
    recording.hidden = !this.#takes.isRecording;
    recordingTime.textContent = this.#takes.recordedTime;
  }

  #showSizes() {
    const { original, filtered, originalSize, filteredSize, split } = this.#view;
    originalSize.textContent = sizeOf(original);
    filteredSize.textContent = sizeOf(filtered);
    split.dataset.shows = filtered.srcObject ? "camera" : original.srcObject ? "original" : "drawing";
    this.#split.setShape(original.videoWidth || 4, original.videoHeight || 3);
  }
}

/** @param {HTMLVideoElement} video @param {MediaStreamTrack | null} track */
function setTrack(video, track) {
  const [shown = null] = /** @type {MediaStream | null} */ (video.srcObject)?.getVideoTracks() ?? [];
  if (shown !== track) video.srcObject = track && new MediaStream([track]);
}
