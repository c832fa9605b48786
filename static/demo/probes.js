/**
 * The doctor's trials without the shim: does a server answer?
 */

const ANSWER_TIMEOUT_MS = 5_000;

/**
 * @param {URL} address
 * @param {RequestInit} [init]
 * @returns {Promise<Response | null>} null: no answer, or none for us
 */
export function answerOf(address, init = {}) {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  return fetch(address, { cache: "no-store", signal, ...init }).catch(() => null);
}
