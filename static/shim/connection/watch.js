/**
 * Looks for frames and messages that stay away.
 */

import { isLost, RAW_AFTER_MS, stepFor } from "./watch_policy.js";

/**
 * @import { Fault } from "../base/fault.js"
 * @import { Picture } from "../picture/picture.js"
 * @import { Connection } from "./link.js"
 * @import { SignalingCalls } from "./signaling.js"
 */

const LOOK_MS = 200;

/**
 * The session that is watched. `lose` gives up a connection.
 * @typedef {object} Watched
 * @property {() => boolean} isReconnecting
 * @property {() => 'closed' | 'open'} outage
 * @property {() => MediaStreamTrack} camera
 * @property {() => Connection | null} link
 * @property {(link: Connection) => void} lose
 */

export class Watch {
  #picture;
  #signaling;
  #watched;
  #timer = 0;
  #lookedAt_ms = 0;
  #isChecking = false;
  #isStopped = false;

  /** @param {Picture} picture @param {SignalingCalls} signaling @param {Watched} watched */
  constructor(picture, signaling, watched) {
    this.#picture = picture;
    this.#signaling = signaling;
    this.#watched = watched;
  }

  start() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      const wasHeldUp = performance.now() - this.#lookedAt_ms > 2 * LOOK_MS;
      // What came while the page stood still, or slept, is not read yet.
      if (wasHeldUp) setTimeout(() => this.look(), 0);
      else this.look();
    }, LOOK_MS);
  }

  stop() {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  look() {
    if (this.#isStopped) return;
    const now_ms = performance.now();
    this.#lookedAt_ms = now_ms;
    const picture = this.#picture;
    const frameSilence_ms = picture.silence_ms(now_ms);
    const isMissed = picture.seesFrames && frameSilence_ms > RAW_AFTER_MS;
    if (isMissed && this.#watched.outage() === "open") picture.showRaw(this.#watched.camera());
    if (this.#watched.isReconnecting()) {
      picture.repeat(now_ms);
    } else {
      const step = stepFor(frameSilence_ms, this.#silence_ms());
      if (step === "check") this.#check();
      else if (step === "ping") this.#watched.link()?.control?.askForWord();
    }
    this.start();
  }

  /** @returns {number} for how long neither a frame nor a message has come */
  #silence_ms() {
    const now_ms = performance.now();
    const sinceMessage_ms = now_ms - (this.#watched.link()?.heardAt_ms ?? now_ms);
    return Math.min(this.#picture.silence_ms(now_ms), sinceMessage_ms);
  }

  /** Asks the server for a session that has fallen silent. */
  async #check() {
    const link = this.#watched.link();
    if (this.#isChecking || !link?.id) return;
    this.#isChecking = true;
    /** @type {Fault | null} */
    const fault = await this.#signaling.check(link.id).then(
      () => null,
      (error) => error,
    );
    this.#isChecking = false;
    if (!this.#isStopped && isLost(fault, this.#silence_ms())) this.#watched.lose(link);
  }
}
