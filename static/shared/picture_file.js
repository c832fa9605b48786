/**
 * A picture of the user's as a parameter. This page draws it again, so that it is small, upright and a JPEG.
 */

const MAX_SIDE = 1280;
const QUALITIES = [0.85, 0.7, 0.5, 0.3];
const PREVIEW_WIDTH = 160;

/**
 * @param {Blob} file
 * @param {number} [maxLength] of what is returned
 * @returns {Promise<string>} a data URL; rejects where this browser cannot read the file, or not make it so small
 */
export async function asDataUrl(file, maxLength = Infinity) {
  const bitmap = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  draw(canvas, bitmap, scale);
  for (const quality of QUALITIES) {
    const url = canvas.toDataURL("image/jpeg", quality);
    if (url.length <= maxLength) return url;
  }
  throw new RangeError(`a picture of at most ${maxLength} characters cannot be made of it`);
}

/**
 * @param {HTMLCanvasElement} canvas left as it is where the picture cannot be read
 * @param {string} url of data
 */
export async function drawInto(canvas, url) {
  const [head, base64 = ""] = url.split(",");
  try {
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    const type = head.match(/^data:([^;]+)/)?.[1];
    const bitmap = await createImageBitmap(new Blob([bytes], { type }));
    draw(canvas, bitmap, Math.min(1, PREVIEW_WIDTH / bitmap.width));
  } catch {
    // There is no preview. The server says whether it takes the picture.
  }
}

/** @param {HTMLCanvasElement} canvas @param {ImageBitmap} bitmap is closed @param {number} scale */
function draw(canvas, bitmap, scale) {
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
}
