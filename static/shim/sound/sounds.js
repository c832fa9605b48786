/**
 * The delayed sounds of a page, each as late as the picture of its session.
 */

import { faces } from "../base/faces.js";
import { runningContext } from "./audio_context.js";
import { Sound } from "./sound.js";

/**
 * @import { Place } from "../page/place.js"
 * @import { CameraSession } from "../session/camera_session.js"
 */

export class Sounds {
  /** @type {Set<Sound>} */
  #sounds = new Set();

  /** @param {CameraSession} session @param {AudioContext} context that runs */
  begin(session, context) {
    const sound = new Sound(session, context, () => this.#sounds.delete(sound));
    this.#sounds.add(sound);
    return sound;
  }

  /**
   * @param {Place} place @param {MediaStream} stream as the browser gave it @param {CameraSession} session
   * @returns {Promise<MediaStream>} its microphones delayed, where it has nothing else
   */
  async delayed(place, stream, session) {
    const microphones = stream.getAudioTracks();
    if (microphones.length === 0 || microphones.some((track) => faces.has(track))) return stream;
    if (stream.getVideoTracks().length > 0) return stream;
    const context = await runningContext();
    if (!context) return stream;
    const sound = this.begin(session, context);
    await sound.measure();
    return new place.window.MediaStream(microphones.map((track) => sound.add(track)));
  }

  end() {
    for (const sound of this.#sounds) sound.end();
  }
}
