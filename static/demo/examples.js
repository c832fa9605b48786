/**
 * What a filter does to a photograph: the filter's own result, made by `python -m docs.make.gallery`. A drawing
 * stands in for filters without one.
 */

import EXAMPLES from "./example_names.js";
import { drawScene } from "./scene.js";

/** By filter: the photograph and, right of it, what the filter makes of it. @type {Map<string, Promise<HTMLImageElement | null>>} */
const loaded = new Map();

/**
 * Draws a filter's card: the middle of the photograph, before at the left and after at the right.
 * @param {HTMLCanvasElement} canvas @param {string} filter name; empty: the camera alone
 * @param {() => boolean} isWanted whether the canvas still waits for it, when the picture has come
 */
export async function drawCard(canvas, filter, isWanted) {
  drawScene(canvas, filter);
  const picture = await exampleOf(filter || "camera");
  if (!picture || !isWanted()) return;
  const pen = penOf(canvas);
  const { width, height } = canvas;
  const half = picture.naturalWidth / 2;
  const cut = (picture.naturalHeight * width) / 2 / height;
  if (!filter) return draw(pen, picture, 0, half, width, height);
  for (const [place, left] of [0, half].entries()) {
    const from = left + (half - cut) / 2;
    pen.drawImage(picture, from, 0, cut, picture.naturalHeight, (place * width) / 2, 0, width / 2, height);
  }
  pen.fillStyle = "#ffffff";
  pen.fillRect(width / 2 - 1, 0, 2, height);
}

/**
 * Draws the whole photograph, before or after.
 * @param {HTMLCanvasElement} canvas @param {string} filter @param {'before' | 'after'} which
 * @param {() => boolean} isWanted
 */
export async function drawWhole(canvas, filter, which, isWanted) {
  drawScene(canvas, which === "before" ? "" : filter);
  const picture = await exampleOf(filter || "camera");
  if (!picture || !isWanted()) return;
  const half = picture.naturalWidth / 2;
  const left = which === "after" && filter ? half : 0;
  draw(penOf(canvas), picture, left, half, canvas.width, canvas.height);
}

/**
 * @param {CanvasRenderingContext2D} pen @param {HTMLImageElement} picture
 * @param {number} left @param {number} wide of the part @param {number} width @param {number} height to be filled
 */
function draw(pen, picture, left, wide, width, height) {
  const tall = Math.min(picture.naturalHeight, (wide * height) / width);
  pen.drawImage(picture, left, 0, wide, tall, 0, 0, width, height);
}

/** @param {HTMLCanvasElement} canvas */
function penOf(canvas) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.resetTransform();
  return pen;
}

/** @param {string} name @returns {Promise<HTMLImageElement | null>} null where there is none, or it does not come */
function exampleOf(name) {
  if (!EXAMPLES.includes(name)) return Promise.resolve(null);
  let picture = loaded.get(name);
  if (!picture) {
    picture = new Promise((resolve) => {
      const image = new Image();
      image.addEventListener("load", () => resolve(image), { once: true });
      image.addEventListener("error", () => resolve(null), { once: true });
      image.src = new URL(`../examples/${name}.webp`, import.meta.url).href;
    });
    loaded.set(name, picture);
  }
  return picture;
}
