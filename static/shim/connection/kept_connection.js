/**
 * Keeps a session connected: one link after another, until it is closed.
 */

import { Fault } from "../base/fault.js";
import { FirstAttempts } from "./first_attempts.js";
import { newLink } from "./link.js";
import { Move } from "./move.js";
import { Reconnection } from "./reconnection.js";
import { Watch } from "./watch.js";

/**
 * @import { Picture } from "../picture/picture.js"
 * @import { Publication } from "../publishing/publication.js"
 * @import { Settings } from "../settings/settings.js"
 * @import { Connection } from "./link.js"
 * @import { SignalingCalls } from "./signaling.js"
 */

const RECONNECT_TIMEOUT_MS = 5_000;

/**
 * The session that is kept connected. `opened` is called before `changed` tells of the new state. `isWanted`
 * tells whether a link was opened for what is wanted now. `takeBack` gives up a choice that was refused in an
 * outage, where there is one. `refused` and `gone` end the session:
 * the server refuses it, or the page's track has ended with its connection.
 * @typedef {object} Subscriber
 * @property {Publication} publication
 * @property {() => MediaStreamTrack} camera
 * @property {() => 'closed' | 'open'} outage
 * @property {(message: any) => void} message
 * @property {(text: unknown) => void} data
 * @property {(link: Connection) => boolean} isWanted
 * @property {(link: Connection) => void} opened
 * @property {() => void} changed
 * @property {() => boolean} takeBack
 * @property {(fault: Fault) => void} refused
 * @property {(fault: Fault) => void} gone
 */

export class KeptConnection {
  #settings;
  #signaling;
  #on;
  /** @type {'connecting' | 'live' | 'reconnecting'} */
  #state = "connecting";
  #isClosed = false;
  /** What is in the way. @type {Fault | null} */
  #fault = null;
  /** The newest one. @type {Connection | null} */
  #link = null;
  /** The newest to another server. @type {Move | null} */
  #move = null;
  /** The newest one whose server drains. @type {Connection | null} */
  #leaving = null;
  /** @type {Picture | null} */
  #picture = null;
  /** @type {Watch | null} */
  #watch = null;
  /** The newest outage. @type {Reconnection | null} */
  #reconnection = null;
  #first = new FirstAttempts((fault) => {
    this.#fault = fault;
    this.#on.changed();
  });
  /** Who waits for the end of an outage. @type {((fault: Fault | null) => void)[]} */
  #waiting = [];

  /** @param {Settings} settings of the session @param {SignalingCalls} signaling @param {Subscriber} on */
  constructor(settings, signaling, on) {
    this.#settings = settings;
    this.#signaling = signaling;
    this.#on = on;
  }

  get state() {
    return this.#state;
  }
  get fault() {
    return this.#fault;
  }
  get link() {
    return this.#link;
  }

  /** @param {Picture} picture of the session @param {Promise<RTCIceServer[]>} iceServers @throws {Fault} */
  async open(picture, iceServers) {
    this.#picture = picture;
    await this.#first.connect((left_ms) => this.#connect(picture, iceServers, left_ms));
    if (this.#isClosed || !picture.outlivesItsConnection) return;
    this.#watch = new Watch(picture, this.#signaling, {
      isReconnecting: () => this.#state === "reconnecting",
      outage: this.#on.outage,
      camera: this.#on.camera,
      link: () => this.#link,
      lose: (link) => this.#lose(link, picture),
    });
    this.#watch.start();
  }

  /** Sends the camera's track, or its new size, where there is a connection. */
  send() {
    if (this.#state === "live" && !this.#isClosed) this.#sendBy(this.#link);
  }

  /**
   * Makes another connection in the place of one that is live, for what only an offer can ask for.
   * @returns {boolean} false where the page's track would end with it
   */
  renew() {
    if (!this.#picture?.outlivesItsConnection || !this.#link || this.#state !== "live") return false;
    this.#lose(this.#link, this.#picture);
    return true;
  }

  /** Looks, or tries again, without waiting for the next time to do so. */
  lookNow() {
    if (this.#state === "live") this.#watch?.look();
    this.#reconnection?.wake();
  }

  /**
   * @returns {Promise<void>} the end of an outage; rejects where a wish was refused in it, or the session
   *   ends
   */
  outageEnded() {
    return new Promise((resolve, reject) => {
      this.#waiting.push((fault) => (fault ? reject(fault) : resolve()));
    });
  }

  /** @param {Fault} reason for all who wait */
  close(reason) {
    this.#isClosed = true;
    this.#first.end();
    this.#watch?.stop();
    this.#link?.close(reason);
    this.#move?.close(reason);
    this.#reconnection?.wake();
    this.#settleWaiting(reason);
  }

  /**
   * @param {Picture} picture
   * @param {Promise<RTCIceServer[]>} iceServers
   * @param {number} timeout_ms
   * @throws {Fault}
   */
  async #connect(picture, iceServers, timeout_ms) {
    const isReconnection = this.#state === "reconnecting";
    const link = this.#newLink(picture, (track) => picture.show(track), isReconnection);
    this.#link = link;
    await link.open(this.#on.camera(), iceServers, timeout_ms);
    this.#sendBy(link);
    this.#fault = null;
    this.#on.opened(link);
    this.#state = "live";
    this.#on.changed();
  }

  /**
   * @param {Picture} picture
   * @param {(track: MediaStreamTrack) => void} track
   * @param {boolean} isReconnection
   * @returns {Connection}
   */
  #newLink(picture, track, isReconnection) {
    const link = newLink(this.#settings, {
      track,
      data: (text) => {
        if (link === this.#link) this.#on.data(text);
      },
      message: (message) => {
        if (link !== this.#link) return;
        if (message.type === "stats" && message.draining_s !== undefined) this.#leave(link, picture);
        this.#on.message(message);
      },
      loss: () => this.#lose(link, picture),
      publication: this.#on.publication,
      isReconnection,
    });
    return link;
  }

  /**
   * Moves the call to another server, or to the successor of its own, which still keeps it for a while.
   * @param {Connection} old @param {Picture} picture
   */
  #leave(old, picture) {
    if (old === this.#leaving || this.#state !== "live" || !picture.outlivesItsConnection) return;
    this.#leaving = old;
    // It may have expired in the call, which it does not end.
    this.#settings.token?.forget();
    this.#move = new Move(old, {
      isWanted: () => old === this.#link && this.#state === "live" && !this.#isClosed,
      newLink: (track) => this.#newLink(picture, track, true),
      open: (link) => link.open(this.#on.camera(), this.#signaling.iceServersOrFault(), RECONNECT_TIMEOUT_MS),
      // What has been chosen since the offer is in the next one, so nothing older is ever shown.
      isUpToDate: (link) => this.#on.isWanted(link),
      take: (link, track) => this.#take(link, track, picture),
    });
    this.#reconnection = this.#move.reconnection;
    this.#reconnection.run();
  }

  /**
   * @param {Connection} link that has moved here
   * @param {MediaStreamTrack} track that it brings @param {Picture} picture
   */
  #take(link, track, picture) {
    this.#link = link;
    const swapped = new Promise((resolve) => picture.show(track, () => resolve(undefined)));
    this.#sendBy(link);
    link.control?.changeOutage(this.#on.outage()).catch(() => {});
    this.#on.opened(link);
    this.#on.changed();
    return swapped;
  }

  /** @param {Connection | null} link */
  #sendBy(link) {
    link?.send(this.#on.camera()).catch((error) => console.warn(`p2pcamera: ${error.message}`));
  }

  /** @param {Connection} link @param {Picture} picture */
  #lose(link, picture) {
    if (link !== this.#link || this.#state !== "live" || this.#isClosed) return;
    const fault = new Fault("connection_lost", "the connection to the server was lost");
    if (!picture.outlivesItsConnection) return this.#on.gone(fault);
    this.#fault = fault;
    this.#state = "reconnecting";
    // It may have expired in the call, which it does not end.
    this.#settings.token?.forget();
    link.close(fault);
    this.#on.changed();
    this.#reconnection = new Reconnection({
      areWanted: () => this.#state === "reconnecting" && !this.#isClosed,
      connect: async () => {
        await this.#connect(picture, this.#signaling.iceServersOrFault(), RECONNECT_TIMEOUT_MS);
        this.#settleWaiting(null);
      },
      failed: (failure) => {
        this.#fault = failure;
      },
      takeBack: (failure) => {
        const isTakenBack = this.#on.takeBack();
        if (isTakenBack) this.#settleWaiting(failure);
        return isTakenBack;
      },
      refused: this.#on.refused,
    });
    this.#reconnection.run();
  }

  /** @param {Fault | null} fault */
  #settleWaiting(fault) {
    for (const settle of this.#waiting.splice(0)) settle(fault);
  }
}
