/**
 * When the next attempt to connect is made, and when none is of use.
 */

import { jittered } from "../../shared/retry.js";

/** @import { Fault } from "../base/fault.js" */

/**
 * The pause between attempts is this part of the outage so far, so it makes the outage longer by no more than
 * that.
 */
const PAUSE_PART = 1 / 20;
const SHORTEST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/**
 * A service that has just started does not know all workers yet: they make themselves known within a second.
 */
const SERVICE_START_MS = 5_000;

/**
 * `canWake`: whether news of the network may shorten the pause.
 * @typedef {{pause_ms: number, canWake: boolean}} Retry
 */

export class ReconnectPolicy {
  #lostAt_ms;
  /** When the server was last away: no answer came. */
  #awayAt_ms;
  #random;

  /** @param {number} lostAt_ms when the connection was lost @param {() => number} [random] from 0 to 1 */
  constructor(lostAt_ms, random = Math.random) {
    this.#lostAt_ms = lostAt_ms;
    this.#awayAt_ms = lostAt_ms;
    this.#random = random;
  }

  /**
   * @param {Pick<Fault, 'status' | 'code' | 'retryAfterS'>} fault of the last attempt
   * @param {number} now_ms when it failed, by the clock of `lostAt_ms`
   * @returns {Retry | null} null where the server refuses for a reason that does not pass
   */
  after(fault, now_ms) {
    if (!fault.status) this.#awayAt_ms = now_ms;
    const isStarting = now_ms - this.#awayAt_ms < SERVICE_START_MS;
    if (isFinal(fault) && !(isStarting && fault.code === "unknown_filter")) return null;
    const mustWait = fault.retryAfterS !== null && !(isStarting && fault.code === "no_worker");
    const asked_ms = mustWait ? 1000 * (fault.retryAfterS ?? 0) : 0;
    const growing_ms = Math.min((now_ms - this.#lostAt_ms) * PAUSE_PART, LONGEST_PAUSE_MS);
    const least_ms = Math.max(asked_ms, growing_ms, SHORTEST_PAUSE_MS);
    return { pause_ms: jittered(least_ms, this.#random), canWake: !mustWait };
  }
}

/**
 * @param {Pick<Fault, 'retryAfterS'>} fault @param {() => number} [random] from 0 to 1
 * @returns {number | null} the pause that the server asks for, in milliseconds; null where it asks for none
 */
export function pauseAskedFor({ retryAfterS }, random = Math.random) {
  if (retryAfterS === null || !(retryAfterS >= 0)) return null;
  return jittered(Math.max(1000 * retryAfterS, SHORTEST_PAUSE_MS), random);
}

/**
 * @param {Pick<Fault, 'status' | 'code'>} fault
 * @returns {boolean} whether another attempt would be of no use
 */
function isFinal({ status, code }) {
  return [401, 403, 422].includes(status) || code === "unknown_filter" || code === "bad_settings";
}
