/**
 * Why a filter cannot run here, or not well, in words for whoever chooses it.
 */

import { phrase } from "./language.js";

/**
 * What `GET /filters` says of a filter beside its name.
 * @typedef {{state?: string, reason?: string, reason_code?: string, reason_cause?: string, reason_detail?: string,
 *   remedy?: string, size_bytes?: number, has_weights?: boolean}} Told
 * @typedef {{code: string, text: string, cause: string, detail: string, remedy: string}} Trouble as faults and
 *   statistics have it
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
export function troubleOf({
  reason: text = "",
  reason_code: code = "",
  reason_cause: cause = "",
  reason_detail: detail = "",
  remedy = "",
}) {
  return code ? { code, text, cause, detail, remedy } : null;
}

/** @param {Trouble} trouble @param {number} [size_bytes] of what is downloaded */
export function troubleWords({ code, text, cause = "", detail, remedy }, size_bytes = 0) {
  let key = code;
  // The words for a download without a size differ, and English tells one package from several.
  if (code === "needs_weights" && size_bytes > 0) key = "needs_weights.size";
  if (code === "needs_package" && detail.includes(",")) key = "needs_package.several";
  const values = { detail: causeWords(cause, detail), remedy, size: sizeWords(size_bytes) };
  return phrase(`trouble.${key}`, values, text);
}

/**
 * @param {string} causes fixed words, with commas; none: the detail says all, as the text of an exception
 * @param {string} detail
 * @returns {import('./language.js').Text}
 */
function causeWords(causes, detail) {
  if (!causes) return detail;
  const all = causes.split(",").map((cause) => phrase(`cause.${cause}`, { detail }, detail));
  return all.reduceRight((next, first) => phrase("cause.and", { first, next }));
}

/** @param {number} size_bytes @returns {string} */
export function sizeWords(size_bytes) {
  return size_bytes < 1e9 ? `${Math.ceil(size_bytes / 1e6)} MB` : `${(size_bytes / 1e9).toFixed(1)} GB`;
}
