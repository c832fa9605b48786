/**
 * What a video element shows: frames a second, freezes, and the wait for the screen.
 */

const KEPT = 30;
const FREEZE_AT_LEAST_MS = 150;

/** @typedef {{fps: number | null, freezes: number, display_ms: number | null}} Shown null: cannot be seen */

/**
 * A freeze is as in W3C's webrtc-stats: a pause longer than max(3 mean pauses, mean pause + 150 ms). Unlike a
 * connection's own count, this one continues with the next connection of the track.
 */
export class Frames {
  #video;
  #isClosed = false;
  #freezes = 0;
  /** @type {number[]} */
  #pauses_ms = [];
  /** @type {number[]} until the screen's next refresh, as the browser foretells it */
  #waits_ms = [];
  #last_ms = 0;
  #count = 0;
  #countedSince_ms = performance.now();

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.#video = video;
    if ("requestVideoFrameCallback" in video) this.#next();
  }

  /** @returns {Shown} since the last call; `freezes` since the beginning */
  take() {
    const now_ms = performance.now();
    const seconds = (now_ms - this.#countedSince_ms) / 1000;
    const canSee = this.#last_ms > 0 && !document.hidden;
    const taken = {
      fps: canSee && seconds > 0 ? this.#count / seconds : null,
      freezes: this.#freezes,
      display_ms: mean(this.#waits_ms),
    };
    this.#count = 0;
    this.#countedSince_ms = now_ms;
    this.#waits_ms = [];
    return taken;
  }

  close() {
    this.#isClosed = true;
  }

  #next() {
    this.#video.requestVideoFrameCallback((_, metadata) => {
      if (this.#isClosed) return;
      this.#note(metadata.presentationTime, metadata.expectedDisplayTime);
      this.#next();
    });
  }

  /** @param {number} presented_ms @param {number} displayed_ms */
  #note(presented_ms, displayed_ms) {
    const pause_ms = presented_ms - this.#last_ms;
    const usual_ms = mean(this.#pauses_ms);
    if (this.#last_ms > 0 && !document.hidden) {
      if (usual_ms !== null && pause_ms > Math.max(3 * usual_ms, usual_ms + FREEZE_AT_LEAST_MS)) {
        this.#freezes += 1;
      }
      this.#pauses_ms = [...this.#pauses_ms, pause_ms].slice(-KEPT);
    }
    // A hidden tab presents no frames, and that is not a freeze.
    this.#last_ms = document.hidden ? 0 : presented_ms;
    this.#waits_ms.push(Math.max(0, displayed_ms - presented_ms));
    this.#count += 1;
  }
}

/** @param {number[]} values @returns {number | null} */
function mean(values) {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
