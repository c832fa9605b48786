/**
 * How loud a track is from moment to moment, and by how much one of two tracks that sound alike is later.
 */

/** Length of the stretch that is compared. */
export const LISTEN_MS = 700;
/** How far from the expected delay the true one is looked for. */
export const LISTEN_AROUND_MS = 150;
const LEAST_LIKENESS = 0.6;

/**
 * @typedef {{from_ms: number, levels: number[]}} Loudness by `performance.now`, one level for each
 *   millisecond
 */

/**
 * @param {MediaStreamTrack} track
 * @param {number} duration_ms
 * @returns {Promise<Loudness>} from now on
 */
export async function loudness(track, duration_ms) {
  const { MediaStreamTrackProcessor: Processor } = /** @type {any} */ (window);
  const reader = new Processor({ track, maxBufferSize: 100 }).readable.getReader();
  /** @type {number[]} */
  const levels = [];
  let from_ms = Infinity;
  let length_ms = 0;
  try {
    while (length_ms < duration_ms) {
      const { done, value: data } = await reader.read();
      if (done) break;
      const cameAt_ms = performance.now();
      const { numberOfFrames, sampleRate } = data;
      const samples = new Float32Array(numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      data.close();
      for (const [index, sample] of samples.entries()) {
        const at_ms = Math.floor(length_ms + (1000 * index) / sampleRate);
        levels[at_ms] = (levels[at_ms] ?? 0) + Math.abs(sample);
      }
      length_ms += (1000 * numberOfFrames) / sampleRate;
      // Sound is never early, and late only where this thread was busy.
      from_ms = Math.min(from_ms, cameAt_ms - length_ms);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  return { from_ms, levels };
}

/**
 * @param {Loudness} said @param {Loudness} heard the same sound, later
 * @param {number} expected_ms
 * @returns {number | null} how much later, in milliseconds; null where the two are not alike, as in silence
 */
export function lateness_ms(said, heard, expected_ms) {
  let best = { likeness: LEAST_LIKENESS, late_ms: /** @type {number | null} */ (null) };
  const shift_ms = said.from_ms - heard.from_ms;
  const least_ms = Math.max(expected_ms - LISTEN_AROUND_MS, 0);
  for (let late_ms = least_ms; late_ms < expected_ms + LISTEN_AROUND_MS; late_ms += 1) {
    const at = Math.round(shift_ms + late_ms);
    const begin = Math.max(0, -at);
    const length = Math.min(LISTEN_MS / 2, said.levels.length - begin, heard.levels.length - begin - at);
    if (length < LISTEN_MS / 2) continue;
    const one = said.levels.slice(begin, begin + length);
    const other = heard.levels.slice(begin + at, begin + at + length);
    const now = likeness(one, other);
    if (now > best.likeness) best = { likeness: now, late_ms };
  }
  return best.late_ms;
}

/**
 * @param {number[]} one @param {number[]} other of the same length
 * @returns {number} their correlation (Pearson), -1 to 1; 0 where one does not change
 */
function likeness(one, other) {
  const [meanOne, meanOther] = [mean(one), mean(other)];
  let [product, squaresOne, squaresOther] = [0, 0, 0];
  one.forEach((value, index) => {
    const [a, b] = [value - meanOne, other[index] - meanOther];
    product += a * b;
    squaresOne += a * a;
    squaresOther += b * b;
  });
  return product / Math.sqrt(squaresOne * squaresOther) || 0;
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
