/**
 * One outage: attempts to connect until one succeeds.
 */

import { ReconnectPolicy } from "./reconnect_policy.js";

/**
 * @import { Fault } from "../base/fault.js"
 * @import { Retry } from "./reconnect_policy.js"
 */

/**
 * `connect` makes one attempt. `failed` takes the fault of each. `takeBack` gives up what was chosen in the
 * outage and was refused; it returns false where there was no such choice, and then `refused` ends the
 * session.
 * @typedef {object} Attempts
 * @property {() => boolean} areWanted
 * @property {() => Promise<void>} connect
 * @property {(fault: Fault) => void} failed
 * @property {(fault: Fault) => boolean} takeBack
 * @property {(fault: Fault) => void} refused
 */

export class Reconnection {
  #attempts;
  /** Ends the pause, where there is one that may be shortened. */
  #wake = () => {};
  /** Whether there was a reason to try again at once while an attempt was under way. */
  #isWoken = false;

  /** @param {Attempts} attempts */
  constructor(attempts) {
    this.#attempts = attempts;
  }

  async run() {
    const policy = new ReconnectPolicy(performance.now());
    while (this.#attempts.areWanted()) {
      this.#isWoken = false;
      try {
        return await this.#attempts.connect();
      } catch (error) {
        if (!this.#attempts.areWanted()) return;
        const fault = /** @type {Fault} */ (error);
        this.#attempts.failed(fault);
        const retry = policy.after(fault, performance.now());
        if (retry !== null) await this.#pause(retry);
        else if (!this.#attempts.takeBack(fault)) return this.#attempts.refused(fault);
      }
    }
  }

  /** Tries again at once, or lets `run` see that no attempt is wanted any more. */
  wake() {
    this.#isWoken = true;
    this.#wake();
  }

  /** @param {Retry} retry @returns {Promise<void>} */
  #pause({ pause_ms, canWake }) {
    if (canWake && this.#isWoken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pause_ms);
      this.#wake = () => {
        if (!canWake && this.#attempts.areWanted()) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
