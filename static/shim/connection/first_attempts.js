/**
 * The first attempts to connect a session: again where the server asks for that, as long as the time limit lasts.
 */

import { pauseAskedFor } from "./reconnect_policy.js";

/** @import { Fault } from "../base/fault.js" */

const CONNECT_TIMEOUT_MS = 10_000;
/** With less time left, another attempt is of no use. */
const SHORTEST_ATTEMPT_MS = 1_000;

export class FirstAttempts {
  #waits;
  #isEnded = false;
  #endPause = () => {};

  /** @param {(fault: Fault) => void} waits is told why another attempt has to wait */
  constructor(waits) {
    this.#waits = waits;
  }

  /** @param {(left_ms: number) => Promise<void>} attempt @throws {Fault} of the last one */
  async connect(attempt) {
    const startedAt_ms = performance.now();
    let left_ms = CONNECT_TIMEOUT_MS;
    while (true) {
      try {
        return await attempt(left_ms);
      } catch (error) {
        const fault = /** @type {Fault} */ (error);
        const pause_ms = pauseAskedFor(fault);
        left_ms = Math.round(startedAt_ms + CONNECT_TIMEOUT_MS - performance.now() - (pause_ms ?? 0));
        if (this.#isEnded || pause_ms === null || left_ms < SHORTEST_ATTEMPT_MS) throw error;
        this.#waits(fault);
        await this.#pauseOrEnd(pause_ms);
        if (this.#isEnded) throw error;
      }
    }
  }

  /** Makes no other attempt. */
  end() {
    this.#isEnded = true;
    this.#endPause();
  }

  /** @param {number} pause_ms @returns {Promise<void>} */
  #pauseOrEnd(pause_ms) {
    return new Promise((resolve) => {
      this.#endPause = resolve;
      setTimeout(resolve, pause_ms);
    });
  }
}
