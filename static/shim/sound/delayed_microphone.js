/**
 * A delayed track of the page's in place of a microphone's track, which stands behind it as its face.
 */

import { faces } from "../base/faces.js";
import {
  applyTrackConstraints,
  cloneTrack,
  DelayNode,
  GainNode,
  getTrackCapabilities,
  getTrackConstraints,
  getTrackSettings,
  MediaStreamAudioDestinationNode,
  MediaStreamAudioSourceNode,
  stopTrack,
} from "../base/natives.js";
import { pause } from "../base/pause.js";
import { LONGEST_AUDIO_DELAY_S } from "./delay_path.js";
import { lateness_ms, LISTEN_AROUND_MS, LISTEN_MS, loudness } from "./loudness.js";

/** @import { DelayPath } from "./delay_path.js" */

/** Length of the fade that hides a leap of the delay. */
export const FADE_S = 0.02;

export class DelayedMicrophone {
  #microphone;
  #context;
  #on;
  #source;
  #delay;
  #gain;
  #hasEnded = false;

  /**
   * @param {AudioContext} context
   * @param {MediaStreamTrack} microphone
   * @param {{clone: (microphone: MediaStreamTrack) => MediaStreamTrack, stopped: () => void}} on `clone` gives the page's
   *   track for a copy of the microphone's
   */
  constructor(context, microphone, on) {
    this.#context = context;
    this.#microphone = microphone;
    this.#on = on;
    const { channelCount = 1 } = getTrackSettings.call(microphone);
    this.#source = new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([microphone]) });
    this.#delay = new DelayNode(context, { maxDelayTime: LONGEST_AUDIO_DELAY_S });
    this.#gain = new GainNode(context);
    const destination = new MediaStreamAudioDestinationNode(context, { channelCount });
    this.#source.connect(this.#delay).connect(this.#gain).connect(destination);
    /** The page's. */
    this.track = destination.stream.getAudioTracks()[0];
    faces.set(this.track, this);
    for (const type of ["mute", "unmute"]) {
      microphone.addEventListener(type, () => this.track.dispatchEvent(new Event(type)));
    }
    microphone.addEventListener("ended", () => this.end());
  }

  /** Ends the track because the microphone is gone. The page hears of it. */
  end() {
    if (this.#hasEnded) return;
    this.stop();
    this.track.dispatchEvent(new Event("ended"));
  }

  /** @param {DelayPath} path by the context's clock */
  follow({ from_s, to_s, at_s, until_s }) {
    const { delayTime } = this.#delay;
    delayTime.cancelScheduledValues(0);
    if (until_s > at_s) {
      delayTime.setValueAtTime(from_s, at_s);
      delayTime.linearRampToValueAtTime(to_s, until_s);
      return;
    }
    const { gain } = this.#gain;
    const now_s = this.#context.currentTime;
    gain.cancelScheduledValues(0);
    gain.setValueAtTime(1, now_s);
    gain.linearRampToValueAtTime(0, now_s + FADE_S);
    delayTime.setValueAtTime(to_s, now_s + 1.5 * FADE_S);
    gain.setValueAtTime(0, now_s + 2 * FADE_S);
    gain.linearRampToValueAtTime(1, now_s + 3 * FADE_S);
  }

  /**
   * Compares what the microphone and this track sound like for a moment.
   * @param {number} expected_ms
   * @returns {Promise<number | null>} how much later this track is; null in silence, or where the browser cannot tell
   */
  async lateness_ms(expected_ms) {
    if (!("MediaStreamTrackProcessor" in window)) return null;
    const duration_ms = LISTEN_MS + Math.max(expected_ms, 0) + LISTEN_AROUND_MS;
    const listening = [this.#microphone, this.track].map((track) => loudness(track, duration_ms));
    // A microphone that is muted sends nothing at all.
    const heard = await Promise.race([Promise.all(listening), pause(3 * duration_ms)]);
    if (!heard) return null;
    const [said, late] = heard;
    return lateness_ms(said, late, expected_ms);
  }

  // What the page calls

  get label() {
    return this.#microphone.label;
  }
  get muted() {
    return this.#microphone.muted;
  }
  get stats() {
    return /** @type {any} */ (this.#microphone).stats;
  }
  getSettings() {
    return getTrackSettings.call(this.#microphone);
  }
  getCapabilities() {
    return getTrackCapabilities.call(this.#microphone);
  }
  getConstraints() {
    return getTrackConstraints.call(this.#microphone);
  }
  /** @param {MediaTrackConstraints} [constraints] */
  applyConstraints(constraints) {
    return applyTrackConstraints.call(this.#microphone, constraints);
  }
  /**
   * Switches the microphone too: what is said while it is off must not be heard later.
   * @param {boolean} isEnabled
   */
  enable(isEnabled) {
    this.#microphone.enabled = isEnabled;
  }
  clone() {
    if (this.#hasEnded) return cloneTrack.call(this.track);
    const copy = this.#on.clone(cloneTrack.call(this.#microphone));
    copy.contentHint = this.track.contentHint;
    copy.enabled = this.track.enabled;
    return copy;
  }
  stop() {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    stopTrack.call(this.track);
    stopTrack.call(this.#microphone);
    for (const node of [this.#source, this.#delay, this.#gain]) node.disconnect();
    this.#on.stopped();
  }
}
