/**
 * How the delay of the sound changes over time.
 *
 * A small change is followed at a rate that bends the pitch by less than half a semitone, and a large one at
 * once behind a short fade. A change below `SMALLEST_CHANGE_S` is noise of the measurement.
 */

export const LONGEST_AUDIO_DELAY_S = 2;
const SMALLEST_CHANGE_S = 0.005;
const LEAP_S = 0.04;
const RAMP_RATE = 0.02;

/**
 * From `from_s` at the time `at_s` to `to_s` at the time `until_s`, by the audio context's clock.
 * @typedef {{from_s: number, to_s: number, at_s: number, until_s: number}} DelayPath
 */

/** @param {DelayPath} path @param {number} now_s @returns {number} the delay at this time */
export function delayAt({ from_s, to_s, at_s, until_s }, now_s) {
  return now_s < until_s ? from_s + ((to_s - from_s) * (now_s - at_s)) / (until_s - at_s) : to_s;
}

/**
 * @param {DelayPath} path @param {number} now_s @param {number} delay_s that is wanted
 * @returns {DelayPath} the same path where the change would be too small
 */
export function pathTo(path, now_s, delay_s) {
  const from_s = delayAt(path, now_s);
  const to_s = Math.min(Math.max(delay_s, 0), LONGEST_AUDIO_DELAY_S);
  const change_s = Math.abs(to_s - from_s);
  if (change_s < SMALLEST_CHANGE_S) return path;
  const takes_s = change_s > LEAP_S ? 0 : change_s / RAMP_RATE;
  return { from_s, to_s, at_s: now_s, until_s: now_s + takes_s };
}
