/**
 * Sizes of pictures: which is the largest, what of a frame fills another size, and how many bits a size is
 * worth.
 */

/**
 * @typedef {{width: number, height: number, crop: [number, number, number, number]}} Fit `crop`: x, y,
 *   width, height
 */

/**
 * @param {number} width of a frame @param {number} height of it
 * @param {{width?: number, height?: number}} wanted
 * @returns {Fit} the size to make of the frame, and what of it fills that: its middle, in the proportions of the size
 */
export function fit(width, height, wanted) {
  let size = { width: wanted.width || width, height: wanted.height || height };
  // A telephone was turned: the camera's settings may stay those of the upright one.
  if (width < height !== size.width < size.height) size = { width: size.height, height: size.width };
  const scale = Math.min(width / size.width, height / size.height);
  const [cropWidth, cropHeight] = [size.width * scale, size.height * scale];
  return { ...size, crop: [(width - cropWidth) / 2, (height - cropHeight) / 2, cropWidth, cropHeight] };
}

/**
 * @param {MediaTrackSettings} settings of a camera's track
 * @param {boolean} showsFrames false for a track that is muted or has ended
 * @returns {number} pixels of a frame, 0 while none comes; the frame rate decides a tie
 */
export function pixels({ width = 0, height = 0, frameRate = 0 }, showsFrames) {
  return showsFrames ? width * height + frameRate / 1000 : 0;
}

const LEAST_BITS_PER_S = 300_000;
const REFERENCE = { pixels: 640 * 480, bits_per_s: 1_500_000 };
/** Three times the pixels are worth twice the bits, since neighbours in a larger picture differ less. */
const GROWTH = 0.631;

/**
 * The cap of the sender: what the service takes a picture of this size to be worth, by the same formula. A
 * sender that is capped where the server's encoder is finds no queue in its own pacer.
 * @param {MediaTrackSettings} settings
 * @returns {number} bits per second
 */
export function bitrateCap({ width = 640, height = 480 }) {
  const worth = REFERENCE.bits_per_s * ((width * height) / REFERENCE.pixels) ** GROWTH;
  return Math.max(LEAST_BITS_PER_S, Math.round(worth));
}
