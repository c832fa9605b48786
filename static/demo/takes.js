/**
 * Snapshots and recordings of the filtered picture. They stay in the page until they are saved, shared or
 * removed.
 */

import { phrase } from "../shared/language.js";

/** @typedef {import('../shared/language.js').Phrase} Phrase */

const TYPES = ["video/mp4;codecs=avc1", "video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];
const TYPES_WITH_SOUND = [
  "video/mp4;codecs=avc1,mp4a.40.2",
  "video/mp4;codecs=avc1,opus",
  "video/webm;codecs=vp9,opus",
  "video/webm;codecs=vp8,opus",
  "video/webm",
];
const CHUNK_MS = 1_000;
const BITS_PER_S = 4_000_000;

/** Events: `recording` when it begins, ends, and each second; `say` with `phrase`. */
export class Takes extends EventTarget {
  #panel;
  #list;
  #language;
  /** @type {MediaRecorder | null} */
  #recorder = null;
  #beganAt_ms = 0;
  #timer = 0;

  /**
   * @param {HTMLElement} panel
   * @param {HTMLElement} list
   * @param {import('./language.js').PageLanguage} language
   */
  constructor(panel, list, language) {
    super();
    this.#panel = panel;
    this.#list = list;
    this.#language = language;
  }

  get isRecording() {
    return this.#recorder !== null;
  }

  /** @returns {string} minutes and seconds since the recording began */
  get recordedTime() {
    return timeOf(performance.now() - this.#beganAt_ms);
  }

  /** @param {HTMLVideoElement} video @param {string} name of what it shows */
  async snapshot(video, name) {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!(blob instanceof Blob)) return;
    const title = phrase("takes.snapshot", { size: `${canvas.width} × ${canvas.height}` });
    this.#add(fileOf(blob, name, "png"), title, document.createElement("img"));
    this.#say(phrase("takes.taken"));
  }

  /**
   * Records with the microphone's sound, for which the browser may ask the user; without it where it says no.
   * @param {MediaStreamTrack} track that the page was given @param {string} name of what it shows
   */
  async record(track, name) {
    if (this.#recorder) return;
    /** @type {MediaStreamTrack[]} */
    const sound = await navigator.mediaDevices.getUserMedia({ audio: true }).then(
      (stream) => stream.getAudioTracks(),
      () => [],
    );
    const stop = () => {
      for (const one of sound) one.stop();
    };
    // The camera may have been stopped while the browser asked.
    if (track.readyState === "ended") return stop();
    const types = sound.length > 0 ? TYPES_WITH_SOUND : TYPES;
    const mimeType = types.find((type) => MediaRecorder.isTypeSupported(type));
    try {
      const stream = new MediaStream([track, ...sound]);
      const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: BITS_PER_S });
      recorder.addEventListener("stop", stop);
      this.#begin(recorder, name, sound.length > 0);
    } catch (error) {
      stop();
      this.#say(phrase("takes.failed", { reason: /** @type {Error} */ (error).message }));
    }
  }

  /** To be called before the track ends, too. */
  stopRecording() {
    if (this.#recorder?.state === "recording") this.#recorder.stop();
  }

  /** @param {MediaRecorder} recorder @param {string} name @param {boolean} hasSound */
  #begin(recorder, name, hasSound) {
    /** @type {Blob[]} */
    const chunks = [];
    recorder.addEventListener("dataavailable", ({ data }) => chunks.push(data));
    // The track may have ended already.
    recorder.addEventListener("stop", () => {
      const time = this.recordedTime;
      this.#recorder = null;
      clearInterval(this.#timer);
      this.dispatchEvent(new Event("recording"));
      const type = recorder.mimeType || "video/webm";
      const blob = new Blob(chunks, { type });
      const key = hasSound ? "takes.recording" : "takes.recording-silent";
      const title = phrase(key, { time, size: sizeOf(blob.size) });
      const video = document.createElement("video");
      Object.assign(video, { controls: true, playsInline: true, muted: !hasSound });
      this.#add(fileOf(blob, name, type.startsWith("video/mp4") ? "mp4" : "webm"), title, video);
      this.#say(phrase("takes.recorded"));
    });
    recorder.start(CHUNK_MS);
    this.#recorder = recorder;
    this.#beganAt_ms = performance.now();
    this.#timer = setInterval(() => this.dispatchEvent(new Event("recording")), 1000);
    this.dispatchEvent(new Event("recording"));
    this.#say(phrase(hasSound ? "takes.recording-begun" : "takes.recording-begun-silent"));
  }

  /** @param {File} file @param {Phrase} title @param {HTMLImageElement | HTMLVideoElement} picture */
  #add(file, title, picture) {
    const url = URL.createObjectURL(file);
    picture.src = url;
    if (picture instanceof HTMLImageElement) picture.alt = this.#language.say(title);
    else this.#language.label(picture, title);
    const caption = document.createElement("p");
    this.#language.write(caption, title);
    const save = document.createElement("a");
    Object.assign(save, { href: url, download: file.name, className: "button" });
    save.textContent = "⤓";
    this.#language.label(save, phrase("takes.save", { name: file.name }));
    const buttons = document.createElement("div");
    buttons.append(save);
    if (navigator.canShare?.({ files: [file] })) {
      const send = newButton("↗");
      this.#language.label(send, phrase("takes.send", { name: file.name }));
      // The user may cancel the share.
      send.addEventListener("click", () => navigator.share({ files: [file] }).catch(() => {}));
      buttons.append(send);
    }
    const remove = newButton("✕");
    this.#language.label(remove, phrase("takes.remove", { name: file.name }));
    buttons.append(remove);
    const item = document.createElement("li");
    item.append(picture, caption, buttons);
    remove.addEventListener("click", () => {
      URL.revokeObjectURL(url);
      item.remove();
      this.#panel.hidden = this.#list.childElementCount === 0;
    });
    this.#list.prepend(item);
    this.#panel.hidden = false;
  }

  /** @param {Phrase} said */
  #say(said) {
    this.dispatchEvent(new CustomEvent("say", { detail: { phrase: said } }));
  }
}

/** @param {string} sign */
function newButton(sign) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = sign;
  return button;
}

/** @param {Blob} blob @param {string} name @param {string} ending */
function fileOf(blob, name, ending) {
  const at = new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-");
  return new File([blob], `p2pcamera-${name || "camera"}-${at}.${ending}`, { type: blob.type });
}

/** @param {number} duration_ms */
function timeOf(duration_ms) {
  const seconds = Math.floor(duration_ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {number} bytes */
function sizeOf(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
