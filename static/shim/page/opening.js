/**
 * How a camera is opened by the browser's own call, and how a page hears that it could not be filtered.
 */

/** @import { Fault } from "../base/fault.js" */

/**
 * @param {MediaStreamConstraints[]} ways to ask for the same camera, of which one names it as the browser does
 * @param {(constraints: MediaStreamConstraints) => Promise<MediaStream>} openCamera
 */
export async function firstThatOpens(ways, openCamera) {
  for (const way of ways.slice(0, -1)) {
    try {
      return await openCamera(way);
    } catch (error) {
      // Said before the user is asked for permission.
      if (/** @type {Error} */ (error)?.name !== "OverconstrainedError") throw error;
    }
  }
  return openCamera(ways[ways.length - 1]);
}

/**
 * @param {Fault} fault @param {Window & typeof globalThis} window
 * @returns {DOMException} as a camera that cannot be read, with the fault and its code
 */
export function thrown(fault, window) {
  const text = `The filtered camera could not start: ${fault.message}`;
  const error = new window.DOMException(text, "NotReadableError");
  const about = { configurable: true, writable: true };
  Object.defineProperty(error, "code", { ...about, value: fault.code, enumerable: true });
  return Object.defineProperty(error, "cause", { ...about, value: fault });
}
