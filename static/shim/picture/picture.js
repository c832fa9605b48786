/**
 * What the page sees: filtered frames of the newest connection, or the raw camera where the session says so.
 */

import { pause } from "../base/pause.js";
import { newSurface } from "./surface.js";

/** @import { Shape } from "./surface.js" */

/** How often the last frame is shown again in an outage. */
const REPEAT_MS = 1_000;
/** How long a private filter's first frame is waited for; the server has sent it before it answered. */
const NEW_FRAME_TIMEOUT_MS = 2_000;
/** The page's own element has drawn what it holds within this time. */
const ON_SCREEN_MS = 100;
/** Where frames carry no timestamp: what was sent before the answer has been shown by then. */
const FLUSH_MS = 500;

export class Picture {
  #surface = newSurface();
  #endFiltered = () => {};
  /** Ends the feed of the connection before, which shows until the newest one has a frame. */
  #endOlder = () => {};
  /** @type {(() => void) | null} */
  #endRaw = null;
  #filteredAt_ms = performance.now();
  #repeatedAt_ms = 0;
  /** Whether the last frame shown is the camera's. */
  #isRaw = false;
  /** Frames older than `first` are not shown. @type {{first: number, opened: () => void} | null} */
  #gate = null;
  /** Whether nothing is shown, since a choice that hides the camera could not be kept. */
  #isHeld = false;
  /** Whether frames carry their RTP timestamps. */
  #tellsTimestamps = false;

  #onShown;

  /** @param {(rtpTimestamp: number | undefined) => void} [onShown] is told of each filtered frame */
  constructor(onShown = () => {}) {
    this.#onShown = onShown;
  }

  get outlivesItsConnection() {
    return this.#surface.outlivesItsSource;
  }
  get seesFrames() {
    return this.#surface.seesFrames;
  }
  get showsRaw() {
    return this.#endRaw !== null;
  }
  get isRaw() {
    return this.#isRaw;
  }

  /** @param {Window} place @param {() => Shape} shape */
  newTrack(place, shape) {
    return this.#surface.newTrack(place, shape);
  }

  /** @param {MediaStreamTrack} track */
  endTrack(track) {
    this.#surface.end(track);
  }

  /**
   * @param {number} now_ms
   * @returns {number} for how long no filtered frame has come, as far as the surface sees frames
   */
  silence_ms(now_ms) {
    return now_ms - this.#filteredAt_ms;
  }

  /**
   * Shows a new connection's frames. Those of the connection before show until the first of them comes.
   * @param {MediaStreamTrack} filtered of a new connection
   * @param {() => void} [onFirst] called with its first frame
   */
  show(filtered, onFirst = () => {}) {
    this.#endOlder();
    this.#endOlder = this.#endFiltered;
    // A new connection numbers its frames anew, and all of them show what it was opened for.
    if (this.#gate) this.#endOlder();
    this.#openGate();
    let isFirst = true;
    this.#endFiltered = this.#surface.feed(filtered, (rtpTimestamp) => {
      if (isFirst) {
        isFirst = false;
        this.#endOlder();
        onFirst();
      }
      this.#filteredAt_ms = performance.now();
      this.#tellsTimestamps = rtpTimestamp !== undefined;
      if (this.#isHeld) {
        this.#repeatSometimes(this.#filteredAt_ms);
        return false;
      }
      if (this.#gate && rtpTimestamp !== undefined) {
        if (isBefore(rtpTimestamp, this.#gate.first)) return false;
        this.#openGate();
      }
      this.#isRaw = false;
      this.hideRaw();
      this.#onShown(rtpTimestamp);
      return true;
    });
  }

  /**
   * Returns when the page sees no frame of the connection any more that is older than a certain one.
   * @param {number | null} first RTP timestamp of that frame, null where it is unknown
   */
  async showFrom(first) {
    this.#endOlder();
    if (first === null || !this.#tellsTimestamps) return pause(FLUSH_MS);
    this.#openGate();
    let isOpen = false;
    const opened = new Promise((resolve) => {
      const open = () => {
        isOpen = true;
        resolve(undefined);
      };
      this.#gate = { first, opened: open };
    });
    await Promise.race([opened, pause(NEW_FRAME_TIMEOUT_MS)]);
    if (!isOpen) this.#surface.cover();
    return pause(ON_SCREEN_MS);
  }

  /** Hides what is shown until the next frame comes. */
  cover() {
    this.hideRaw();
    this.#isRaw = false;
    this.#surface.cover();
  }

  /** Covers the picture, whatever comes, until `release`. */
  hold() {
    this.#isHeld = true;
    this.cover();
  }

  release() {
    this.#isHeld = false;
  }

  #openGate() {
    this.#gate?.opened();
    this.#gate = null;
  }

  /** @param {MediaStreamTrack} camera */
  showRaw(camera) {
    this.#endRaw ??= this.#surface.feed(camera, () => {
      if (this.#isHeld) return false;
      this.#isRaw = true;
      return true;
    });
  }

  hideRaw() {
    this.#endRaw?.();
    this.#endRaw = null;
  }

  /** Shows the last frame again, for those who join a call in an outage. @param {number} now_ms */
  repeat(now_ms) {
    if (!this.#isRaw && now_ms - this.#filteredAt_ms >= REPEAT_MS) this.#repeatSometimes(now_ms);
  }

  /** @param {number} now_ms */
  #repeatSometimes(now_ms) {
    if (now_ms - this.#repeatedAt_ms < REPEAT_MS) return;
    this.#repeatedAt_ms = now_ms;
    this.#surface.repeat();
  }

  close() {
    this.#endOlder();
    this.#endFiltered();
    this.#openGate();
    this.hideRaw();
    this.#surface.close();
  }
}

/** @param {number} timestamp @param {number} other both modulo 2^32 @returns {boolean} */
function isBefore(timestamp, other) {
  return ((timestamp - other) | 0) < 0;
}
