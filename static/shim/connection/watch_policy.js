/**
 * What a silent connection calls for.
 */

/** Under `open` the raw camera is shown after this time without a filtered frame. */
export const RAW_AFTER_MS = 500;
/**
 * A slow filter is no loss: after this time without a frame, the server is asked for a word on the data
 * channel.
 */
const PING_AFTER_MS = 300;
/** After this time without a frame or a word, the server is asked by HTTP for the session. */
const CHECK_AFTER_MS = 700;
/** A connection is given up after this time where no answer comes. */
const UNREACHABLE_AFTER_MS = 1_200;
/** It is given up after this time where the server answers that all is well. */
const BROKEN_AFTER_MS = 3_000;

/**
 * @param {number} frameSilence_ms since the last filtered frame
 * @param {number} silence_ms since the last frame or message
 * @returns {'nothing' | 'ping' | 'check'}
 */
export function stepFor(frameSilence_ms, silence_ms) {
  if (silence_ms > CHECK_AFTER_MS) return "check";
  return frameSilence_ms > PING_AFTER_MS ? "ping" : "nothing";
}

/**
 * @param {{status: number} | null} fault of the check, null where the server has answered that all is well
 * @param {number} silence_ms since the last frame or message
 * @returns {boolean} whether the connection is given up
 */
export function isLost(fault, silence_ms) {
  const limit_ms = fault === null ? BROKEN_AFTER_MS : UNREACHABLE_AFTER_MS;
  return fault?.status === 404 || silence_ms > limit_ms;
}
