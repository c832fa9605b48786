/**
 * The page that shows a published picture: `/watch/NAME`, for people and for the browser source of OBS.
 *
 * | `#token=`  | what the server expects of viewers; it goes from the address at once |
 * | `?sound=on`| begins with sound, as the browser source of OBS allows                |
 * | `?background=transparent` | where there is no picture; without it black             |
 * | `?lang=`   | `en` or `ja`; without it, the browser's                               |
 */

import { keepToken, takeToken } from "../demo/kept_token.js";
import { Language, phrase } from "../shared/language.js";
import english from "./text/en.js";
import japanese from "./text/ja.js";
import { asksForToken, refusalOf } from "./refusals.js";
import { Whep } from "./whep.js";

/** @import { Phrase } from "../shared/language.js" */
/** @import { WatchFault } from "./whep.js" */

const MEASURED_EVERY_MS = 1_000;
const DICTIONARIES = { en: english, ja: japanese };

/** @template {Element} Type @param {string} id @param {new () => Type} type @returns {Type} */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`no element ${id}`);
  return found;
}

class WatchPage {
  #picture = element("picture", HTMLVideoElement);
  #message = element("message", HTMLParagraphElement);
  #form = element("token-form", HTMLFormElement);
  #token = element("token", HTMLInputElement);
  #sound = element("sound", HTMLButtonElement);
  #volume = element("volume", HTMLInputElement);
  #delay = element("delay", HTMLSpanElement);
  #wanted = new URLSearchParams(location.search);
  /** @type {Language<keyof typeof DICTIONARIES>} */
  #language = new Language(DICTIONARIES, /** @type {keyof typeof DICTIONARIES} */ ("en"));
  /** @type {Whep | null} */
  #whep = null;

  run() {
    const asked = [this.#wanted.get("lang"), ...navigator.languages].map((one) => one?.slice(0, 2));
    this.#language.use(asked.find((one) => one === "en" || one === "ja") === "ja" ? "ja" : "en");
    this.#language.translate(document);
    document.body.dataset.background = this.#wanted.get("background") ?? "black";
    this.#picture.muted = this.#wanted.get("sound") !== "on";
    this.#sound.addEventListener("click", () => this.#mute(!this.#picture.muted));
    this.#volume.addEventListener("input", () => {
      this.#picture.volume = this.#volume.valueAsNumber;
    });
    const full = element("full", HTMLButtonElement);
    full.hidden = !document.fullscreenEnabled;
    full.addEventListener("click", () =>
      document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen(),
    );
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      keepToken(this.#token.value);
      this.#watch(this.#token.value);
    });
    addEventListener("pagehide", () => this.#whep?.stop());
    setInterval(() => this.#measure(), MEASURED_EVERY_MS);
    this.#watch(takeToken());
  }

  /** @param {string} token */
  #watch(token) {
    this.#whep?.stop();
    this.#form.hidden = true;
    this.#say(phrase("watch.connecting"));
    const name = location.pathname.split("/").pop() ?? "";
    const whep = new Whep(new URL(`../whep/${name}`, location.href), token);
    this.#whep = whep;
    whep.addEventListener("track", (event) => this.#show(/** @type {CustomEvent} */ (event).detail));
    whep.addEventListener("connected", () => this.#say(null));
    whep.addEventListener("lost", () => this.#say(phrase("watch.lost")));
    whep.addEventListener("fault", (event) => this.#refused(/** @type {CustomEvent} */ (event).detail));
    whep.run();
  }

  /** @param {MediaStream} stream */
  #show(stream) {
    if (this.#picture.srcObject !== stream) this.#picture.srcObject = stream;
    // The section is there in any case; the first packet says that somebody sends sound.
    for (const track of stream.getAudioTracks()) {
      track.onunmute = () => this.#offerSound();
      if (!track.muted) this.#offerSound();
    }
    this.#picture.play().catch(() => {
      // A browser that plays no sound before a click: the picture comes without it.
      this.#mute(true);
      this.#picture.play().catch(() => {});
    });
  }

  #offerSound() {
    this.#sound.hidden = this.#volume.hidden = false;
    this.#mute(this.#picture.muted);
  }

  /** @param {boolean} isMuted */
  #mute(isMuted) {
    this.#picture.muted = isMuted;
    this.#sound.setAttribute("aria-pressed", `${!isMuted}`);
    this.#language.write(this.#sound, phrase(isMuted ? "watch.unmute" : "watch.mute"));
    document.body.dataset.state = isMuted && !this.#sound.hidden ? "muted" : "playing";
  }

  /** @param {WatchFault} fault */
  #refused(fault) {
    this.#form.hidden = !asksForToken(fault);
    this.#say(refusalOf(fault));
  }

  /** @param {Phrase | null} said null: nothing is wrong */
  #say(said) {
    this.#language.write(this.#message, said ?? "");
  }

  /** What the way from the server takes: half a round trip, and the time in the buffer. */
  async #measure() {
    const connection = this.#whep?.connection;
    if (connection?.connectionState !== "connected") {
      this.#delay.textContent = "";
      return;
    }
    let roundTrip_s = 0;
    let buffer_s = 0;
    for (const one of (await connection.getStats()).values()) {
      if (one.type === "candidate-pair" && one.nominated) roundTrip_s = one.currentRoundTripTime ?? 0;
      if (one.type === "inbound-rtp" && one.kind === "video" && one.jitterBufferEmittedCount > 0) {
        buffer_s = one.jitterBufferDelay / one.jitterBufferEmittedCount;
      }
    }
    const ms = Math.round(1000 * (roundTrip_s / 2 + buffer_s));
    this.#language.write(this.#delay, phrase("watch.delay", { ms: `${ms}` }));
  }
}

new WatchPage().run();
