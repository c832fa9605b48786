/**
 * Why a filter cannot run here, or not well, in words for whoever chooses it.
 */

import { phrase } from "./language.js";

/**
 * What `GET /filters` says of a filter beside its name.
 * @typedef {{state?: string, reason?: string, reason_code?: string, reason_detail?: string, remedy?: string,
 *   size_bytes?: number, has_weights?: boolean}} Told
 * @typedef {{code: string, text: string, detail: string, remedy: string}} Trouble as faults and statistics have it
 */

/** @param {Told} told @returns {boolean} whether no worker can run it, as things are */
export function hasFailed({ state }) {
  return state === "failed";
}

/** @param {Told} told @returns {boolean} whether it would run, and keep up with a camera */
export function runsWell({ state, reason_code }) {
  return state !== "failed" && reason_code !== "needs_gpu";
}

/** @param {Told} told @returns {Trouble | null} what is in its way, if anything is */
export function troubleOf({ reason = "", reason_code = "", reason_detail = "", remedy = "" }) {
  return reason_code ? { code: reason_code, text: reason, detail: reason_detail, remedy } : null;
}

/** @param {Trouble} trouble @param {number} [size_bytes] of what is downloaded */
export function troubleWords({ code, text, detail, remedy }, size_bytes = 0) {
  // The words for a download without a size differ.
  const key = code === "needs_weights" && size_bytes > 0 ? "needs_weights.size" : code;
  return phrase(`trouble.${key}`, { detail, remedy, size: sizeWords(size_bytes) }, text);
}

/** @param {number} size_bytes @returns {string} */
export function sizeWords(size_bytes) {
  return size_bytes < 1e9 ? `${Math.ceil(size_bytes / 1e6)} MB` : `${(size_bytes / 1e9).toFixed(1)} GB`;
}
