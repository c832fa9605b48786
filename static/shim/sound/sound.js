/**
 * The sound of one call, as late as its picture.
 */

import { pause } from "../base/pause.js";
import { delayAt, pathTo } from "./delay_path.js";
import { DelayedMicrophone, FADE_S } from "./delayed_microphone.js";
import { LatencyMeter } from "./latency_meter.js";

/**
 * @import { CameraSession } from "../session/camera_session.js"
 * @import { DelayPath } from "./delay_path.js"
 */

const MEASURE_MS = 1_000;
/** Of the first measurement, where the picture has been there for a while. */
const MEASURE_FIRST_MS = 300;
/** What the browser's audio processing takes by itself, until that has been heard. */
const USUAL_WAY_S = 0.02;
/** It is listened to at every such step. */
const LISTEN_EACH = 5;
/** A difference that is listened to once more before it is believed. */
const NEWS_S = 0.01;

/** Closes its audio context with the last of its tracks. */
export class Sound {
  #session;
  #context;
  #meter;
  /** @type {Set<DelayedMicrophone>} */
  #delayed = new Set();
  /** By the context's clock. @type {DelayPath} */
  #path = { from_s: 0, to_s: 0, at_s: 0, until_s: 0 };
  /** What the sound takes besides the delay. */
  #way_s = USUAL_WAY_S;
  #stepCount = 0;
  #timer = 0;
  #onClose;

  /** @param {CameraSession} session @param {AudioContext} context that runs @param {() => void} onClose */
  constructor(session, context, onClose) {
    this.#session = session;
    this.#context = context;
    this.#onClose = onClose;
    this.#meter = new LatencyMeter(session);
    // The machine may have slept, or a telephone call may have interrupted.
    context.addEventListener("statechange", () => {
      if (context.state !== "running" && context.state !== "closed") context.resume().catch(() => {});
    });
  }

  /** Finds the delay before the first microphone is added, so that it need not leap. */
  async measure() {
    await this.#take();
    await pause(MEASURE_FIRST_MS);
    await this.#take();
    this.#delayBy((this.#session.latency_ms ?? 0) / 1000);
  }

  /** @param {MediaStreamTrack} microphone @returns {MediaStreamTrack} the page's track, in its place */
  add(microphone) {
    const delayed = new DelayedMicrophone(this.#context, microphone, {
      clone: (copy) => this.add(copy),
      stopped: () => {
        this.#delayed.delete(delayed);
        if (this.#delayed.size === 0) this.#close();
      },
    });
    if (this.#delayed.size === 0) this.#follow();
    this.#delayed.add(delayed);
    delayed.follow(this.#path);
    return delayed.track;
  }

  #close() {
    clearTimeout(this.#timer);
    this.#session.audioDelay_ms = null;
    this.#context.close().catch(() => {});
    this.#onClose();
  }

  /** Ends the page's tracks, as if their microphones were unplugged. */
  end() {
    for (const delayed of this.#delayed) delayed.end();
  }

  async #take() {
    const session = this.#session;
    if (session.state !== "live") return;
    session.latency_ms = (await this.#meter.take().catch(() => null)) ?? session.latency_ms;
  }

  #follow() {
    this.#timer = window.setTimeout(async () => {
      const session = this.#session;
      if (session.state === "live") {
        await this.#take();
        await this.#listen();
      }
      if (this.#delayed.size === 0) return;
      // Without a picture there are no lips to match.
      this.#delayBy(session.isOpen ? (session.latency_ms ?? 0) / 1000 : 0);
      if (session.isOpen) this.#follow();
    }, MEASURE_MS);
  }

  /**
   * Measures from time to time what the sound takes by itself: that grows whenever the machine stands still.
   */
  async #listen() {
    const [delayed] = this.#delayed;
    if (!delayed || this.#context.currentTime < this.#path.until_s + 3 * FADE_S) return;
    if (this.#stepCount % LISTEN_EACH === 0) {
      const delay_s = this.#path.to_s;
      const late_ms = await delayed.lateness_ms(1000 * (delay_s + this.#way_s)).catch(() => null);
      if (late_ms === null) return;
      const heard_s = Math.max(late_ms / 1000 - delay_s, 0);
      const isNews = Math.abs(heard_s - this.#way_s) > NEWS_S;
      this.#way_s = heard_s;
      if (isNews) return;
    }
    this.#stepCount += 1;
  }

  /** @param {number} latency_s */
  #delayBy(latency_s) {
    const now_s = this.#context.currentTime;
    const path = pathTo(this.#path, now_s, latency_s - this.#way_s);
    this.#session.audioDelay_ms = 1000 * (delayAt(path, now_s) + this.#way_s);
    if (path === this.#path) return;
    this.#path = path;
    for (const delayed of this.#delayed) delayed.follow(path);
  }
}
