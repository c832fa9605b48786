/**
 * What stands behind the replaced `getUserMedia`: the browser's stream in, the page's stream out.
 */

import { faces } from "../base/faces.js";
import { Fault } from "../base/fault.js";
import { getTrackSettings, stopTrack } from "../base/natives.js";
import { namesCamera } from "../camera/device_ids.js";
import { deviceIds } from "../camera/devices.js";
import { rawFace } from "../camera/track_face.js";
import { newSignaling } from "../connection/signaling.js";
import { Microphones } from "../publishing/microphones.js";
import { CameraSession } from "../session/camera_session.js";
import { runningContext } from "../sound/audio_context.js";
import { Sounds } from "../sound/sounds.js";
import { firstThatOpens, thrown } from "./opening.js";

/**
 * @import { Settings } from "../settings/settings.js"
 * @import { Place } from "./place.js"
 */

/**
 * @typedef {object} Listener
 * @property {(session: CameraSession) => void} begun before it opens
 * @property {(session: CameraSession, type: string, detail: object) => void} told of an event
 */

export class Streams {
  #settings;
  #sessions;
  #on;
  #sounds = new Sounds();
  #microphones = new Microphones();

  /**
   * @param {Settings} settings that the page may change
   * @param {Set<CameraSession>} sessions of the page, of which `begun` adds the new ones
   * @param {Listener} on
   */
  constructor(settings, sessions, on) {
    this.#settings = settings;
    this.#sessions = sessions;
    this.#on = on;
  }

  /**
   * @param {Place} place
   * @param {MediaStreamConstraints} asked with video
   * @param {(constraints: MediaStreamConstraints) => Promise<MediaStream>} openCamera the browser's own call, made here
   *   once
   */
  async filtered(place, asked, openCamera) {
    const findIceServers = () => newSignaling({ ...this.#settings }).iceServers();
    // Before the camera, so that a new session does not wait for them then.
    const foundEarly = this.#sessions.size === 0 ? findIceServers() : null;
    const video = /** @type {MediaTrackConstraints} */ (asked.video);
    const ways = namesCamera(video)
      ? deviceIds.candidates(video).map((one) => ({ ...asked, video: one }))
      : [asked];
    const stream = await firstThatOpens(ways, openCamera);
    const [camera] = stream.getVideoTracks();
    // The page's own function has come here before.
    if (faces.has(camera)) return stream;
    if (deviceIds.asksForRaw(video, getTrackSettings.call(camera))) return stream;
    const session = this.#sessionFor(camera);
    const microphones = stream.getAudioTracks();
    this.#noteMicrophones(microphones);
    const context = this.#settings.audio === "sync" && microphones.length > 0 ? runningContext() : null;
    try {
      if (!place.isInstalled) throw new Fault("closed", "p2pcamera was uninstalled");
      const filtered = await session.open(camera, place, () => foundEarly ?? findIceServers());
      const running = await context;
      const sound = running && this.#sounds.begin(session, running);
      return new place.window.MediaStream([
        ...microphones.map((track) => sound?.add(track) ?? track),
        filtered,
      ]);
    } catch (error) {
      context?.then((unused) => unused?.close());
      const fault = /** @type {Fault} */ (error);
      console.warn(`p2pcamera: ${fault.message}`);
      if (session.state === "raw") {
        rawFace(camera, place);
        return stream;
      }
      for (const track of stream.getTracks()) stopTrack.call(track);
      throw thrown(fault, place.window);
    }
  }

  /**
   * Delays microphones that are asked for alone like the picture that the page has already: of the newest camera.
   * @param {Place} place @param {MediaStream} stream as the browser gave it
   */
  async delayed(place, stream) {
    const session = [...this.#sessions].reverse().find(({ isOpen }) => isOpen);
    this.#noteMicrophones(stream.getAudioTracks());
    const isDelayed = this.#settings.audio === "sync" && session;
    return isDelayed ? this.#sounds.delayed(place, stream, session) : stream;
  }

  end() {
    this.#sounds.end();
  }

  /** @param {MediaStreamTrack[]} given by the browser */
  #noteMicrophones(given) {
    for (const track of given) if (!faces.has(track)) this.#microphones.note(track);
    for (const session of this.#sessions) session.followMicrophone();
  }

  /** @param {MediaStreamTrack} camera @returns {CameraSession} one for all tracks of one camera */
  #sessionFor(camera) {
    // Read only now: the filter may have been changed while the browser asked the user for permission.
    const settings = { ...this.#settings };
    const open = [...this.#sessions].find((session) => session.serves(camera, settings));
    if (open) return open;
    const session = new CameraSession(camera, settings, this.#microphones, (type, detail) =>
      this.#on.told(session, type, detail),
    );
    this.#on.begun(session);
    return session;
  }
}
