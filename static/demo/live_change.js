/**
 * Changes while a slider moves: one at a time, at most ten a second, and the newest wins.
 */

const LEAST_PAUSE_MS = 100;

/** @template Value */
export class LiveChange {
  #send;
  /** @type {{value: Value} | null} */
  #wanted = null;
  #isSending = false;
  #timer = 0;
  #mayAt_ms = 0;
  #isClosed = false;

  /** @param {(value: Value) => Promise<void>} send never rejects */
  constructor(send) {
    this.#send = send;
  }

  /** @param {Value} value */
  want(value) {
    this.#wanted = { value };
    this.#next();
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #next() {
    if (this.#isClosed || this.#isSending || this.#timer || this.#wanted === null) return;
    const pause_ms = this.#mayAt_ms - performance.now();
    if (pause_ms > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = 0;
        this.#next();
      }, pause_ms);
      return;
    }
    const { value } = this.#wanted;
    this.#wanted = null;
    this.#isSending = true;
    this.#mayAt_ms = performance.now() + LEAST_PAUSE_MS;
    this.#send(value).finally(() => {
      this.#isSending = false;
      this.#next();
    });
  }
}
