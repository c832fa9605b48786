/**
 * One peer connection and its session at the server. It is opened once and closed once.
 */

import { embedder } from "../base/embedder.js";
import { Fault, faultFrom } from "../base/fault.js";
import { RTCPeerConnection } from "../base/natives.js";
import { CameraSender } from "./camera_sender.js";
import { Candidates } from "./candidates.js";
import { Control } from "./control.js";
import { FilterChanges } from "./filter_changes.js";
import { firstFrame } from "./first_frame.js";
import { Signaling } from "./signaling.js";

/**
 * @import { AskedToPublish, Publication } from "../publishing/publication.js"
 * @import { Settings } from "../settings/settings.js"
 * @import { Applied } from "./signaling.js"
 */

const NO_SERVER = "p2pcamera.server is not set, and no script tag with src or data-server tells it";

/**
 * @typedef {{filter: string | string[] | null, params: object}} Choice
 *
 * What a session needs of a link; an extension stands in for this.
 * @typedef {Pick<Link, 'id' | 'asked' | 'filters' | 'isPrivate' | 'heardAt_ms' | 'getStats' | 'open' | 'send' |
 *   'changeFilter' | 'close'> & {readonly control: ControlCalls | null} &
 *   Partial<Pick<Link, 'listenForData' | 'publish' | 'published' | 'sendSound' | 'sendsSound' | 'sound'>>} Connection
 * @typedef {Pick<Control, 'changeOutage' | 'ping' | 'askForWord'>} ControlCalls
 *
 * `loss` tells of a connection that was open; one that is still opening makes `open` fail.
 * @typedef {object} LinkEvents
 * @property {(track: MediaStreamTrack) => void} track
 * @property {(message: any) => void} message
 * @property {(text: unknown) => void} [data] takes what filters tell of their pictures
 * @property {() => void} loss
 * @property {Publication} [publication] asked for by the offer
 * @property {boolean} [isReconnection] whether it takes up a call again
 */

export class Link {
  #settings;
  #signaling;
  #on;
  #abort = new AbortController();
  /** @type {RTCPeerConnection | null} */
  #peer = null;
  #camera = new CameraSender(() => this.#abort.signal.aborted);
  /** Of a page that publishes its microphone. @type {RTCRtpSender | null} */
  #soundSender = null;
  /** @type {Control | null} */
  #control = null;
  /** @type {FilterChanges | null} */
  #changes = null;
  /** @type {RTCDataChannel | null} */
  #data = null;
  /** @type {string | null} */
  id = null;
  /** What the offer asked for. @type {Choice | null} */
  asked = null;
  /** @type {readonly string[]} */
  filters = [];
  /** Whether the server calls the filters of the offer private. */
  isPrivate = false;
  /** What the offer has besides the camera. @type {MediaStreamTrack | null} */
  sound = null;
  /** The name under which the offer is published; empty: under none. */
  published = "";

  /** @param {Settings} settings of the session, read when the offer is made @param {LinkEvents} on */
  constructor(settings, on) {
    this.#settings = settings;
    this.#signaling = new Signaling(settings);
    this.#on = on;
  }

  /** @returns {Control | null} null before there is a connection to make an offer for */
  get control() {
    return this.#control;
  }

  /** @returns {number} when the server was last heard on the data channel */
  get heardAt_ms() {
    return this.#control?.heardAt_ms ?? -Infinity;
  }

  /** @returns {Promise<RTCStatsReport> | undefined} */
  getStats() {
    return this.#peer?.getStats();
  }

  /**
   * Returns when the filtered track is about to show its first frame.
   * @param {MediaStreamTrack} camera
   * @param {Promise<RTCIceServer[]>} iceServers
   * @param {number} timeout_ms
   * @throws {Fault} with everything closed
   */
  async open(camera, iceServers, timeout_ms) {
    const late = new Fault("timeout", `no picture came back within ${timeout_ms / 1000} s`);
    const timer = setTimeout(() => this.close(late), timeout_ms);
    try {
      await Promise.race([this.#connect(camera, iceServers), this.#aborted()]);
    } catch (error) {
      const fault = faultFrom(error, "no_media_path");
      this.close(fault);
      throw fault;
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {MediaStreamTrack} camera to be sent from now on, or sent already in another size */
  async send(camera) {
    return this.#camera.send(camera);
  }

  /** @param {string | string[]} name @param {object} params @returns {Promise<Applied>} @throws {Fault} */
  async changeFilter(name, params) {
    return /** @type {FilterChanges} */ (this.#changes).make(name, params);
  }

  /** @param {string} body of a change @returns {Promise<Applied>} @throws {Fault} */
  async #post(body) {
    const closed = this.#aborted();
    // The server answers this only after it has given the session its id.
    if (this.id === null) await this.#control?.ping();
    this.#abort.signal.throwIfAborted();
    return Promise.race([this.#signaling.change(/** @type {string} */ (this.id), body), closed]);
  }

  /**
   * @param {AskedToPublish | null} asked null: nobody is to see the picture any more
   * @returns {Promise<string>} the name under which it is published @throws {Fault}
   */
  async publish(asked) {
    const closed = this.#aborted();
    this.#abort.signal.throwIfAborted();
    return Promise.race([this.#signaling.publish(/** @type {string} */ (this.id), asked), closed]);
  }

  /** Whether the connection has a section for sound. */
  get sendsSound() {
    return this.#soundSender !== null;
  }

  /** @param {MediaStreamTrack | null} sound @returns {boolean} false where only another offer could bring it */
  sendSound(sound) {
    this.#soundSender?.replaceTrack(sound).catch((error) => console.warn(`p2pcamera: ${error.message}`));
    return this.sendsSound || sound === null;
  }

  /** Opens the channel `data`, once; a message that is lost is not sent again, since its picture is gone. */
  listenForData() {
    if (this.#data || !this.#peer || this.#abort.signal.aborted) return;
    this.#data = this.#peer.createDataChannel("data", { ordered: false, maxRetransmits: 0 });
    this.#data.addEventListener("message", ({ data }) => this.#on.data?.(data));
  }

  /** @param {Fault} fault for all who still wait */
  close(fault) {
    if (this.#abort.signal.aborted) return;
    // First of all, since what follows makes the connection report its end.
    this.#abort.abort(fault);
    this.#control?.close(fault);
    this.#peer?.close();
    if (this.id !== null) this.#signaling.end(this.id).catch(() => {});
  }

  /** @returns {Promise<never>} rejects when the link is closed */
  #aborted() {
    const { signal } = this.#abort;
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  /** @param {MediaStreamTrack} camera @param {Promise<RTCIceServer[]>} iceServers */
  async #connect(camera, iceServers) {
    if (this.#settings.fault) throw this.#settings.fault;
    if (!this.#settings.server) throw new Fault("bad_settings", NO_SERVER);
    const { signal } = this.#abort;
    const configuration = { iceServers: await iceServers, bundlePolicy: /** @type {const} */ ("max-bundle") };
    if (signal.aborted) return;
    const peer = new RTCPeerConnection(configuration);
    this.#peer = peer;
    const candidates = new Candidates(peer);
    // An answer cannot add a data channel, so it is in the offer.
    const channel = peer.createDataChannel("control");
    this.#control = new Control(channel, this.#on.message);
    this.#changes = new FilterChanges(this.#control, (body) => this.#post(body));
    let isUp = false;
    const lose = () => {
      if (signal.aborted) return;
      if (isUp) return this.#on.loss();
      this.close(new Fault("no_media_path", "the server answered, but no picture can travel to it and back"));
    };
    peer.addEventListener("connectionstatechange", () => {
      if (peer.connectionState === "failed" || peer.connectionState === "closed") lose();
    });
    channel.addEventListener("close", lose);

    const { receiver } = await this.#camera.begin(peer, camera);
    this.sound = this.#on.publication?.sound ?? null;
    const voice = this.sound && peer.addTransceiver(this.sound, { direction: "sendonly" });
    await peer.setLocalDescription(await peer.createOffer());
    const description = await candidates.offer();
    if (signal.aborted) return;
    const { filter, params } = this.#settings;
    this.asked = { filter, params };
    const answer = await this.#offer(description, signal);
    this.id = answer.id;
    if (signal.aborted) {
      this.#signaling.end(answer.id).catch(() => {});
      return;
    }
    this.filters = Object.freeze(answer.filters);
    this.isPrivate = answer.isPrivate;
    this.published = answer.published;
    candidates.follow((fragment) => {
      this.#signaling
        .trickle(answer.id, fragment)
        .catch((error) => console.warn(`p2pcamera: ${error.message}`));
    });
    await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    if (signal.aborted) return;
    if (voice?.currentDirection === "sendonly") this.#soundSender = voice.sender;
    this.#on.track(receiver.track);
    await firstFrame(peer, receiver.track);
    isUp = true;
  }

  /**
   * Offers; where others may not see the picture, for the page alone.
   * @param {RTCSessionDescription} description @param {AbortSignal} signal @throws {Fault}
   */
  async #offer(description, signal) {
    const { publication, isReconnection = false } = this.#on;
    const asked = publication?.asked ?? null;
    try {
      return await this.#signaling.offer(description, signal, isReconnection, asked);
    } catch (error) {
      if (!publication?.isRefusedBy(error)) throw error;
      return this.#signaling.offer(description, signal, isReconnection);
    }
  }
}

/** @param {Settings} settings @param {LinkEvents} on @returns {Connection} */
export function newLink(settings, on) {
  return embedder?.newLink?.(settings, on) ?? new Link(settings, on);
}
