/**
 * The audio context that delays the sound.
 */

import { AudioContext, MediaStreamAudioDestinationNode } from "../base/natives.js";
import { pause } from "../base/pause.js";

const START_TIMEOUT_MS = 1_000;

/**
 * @returns {Promise<AudioContext | null>} one that runs; null where a page without a gesture may have none
 */
export async function runningContext() {
  if (!AudioContext || !MediaStreamAudioDestinationNode) return null;
  try {
    // Nothing is to be heard here, so no output device is opened where the browser can do without.
    const context = new AudioContext(/** @type {any} */ ({ sinkId: { type: "none" } }));
    await Promise.race([context.resume().catch(() => {}), pause(START_TIMEOUT_MS)]);
    if (context.state === "running") return context;
    context.close().catch(() => {});
  } catch {
    // The browser allows no further context.
  }
  return null;
}
