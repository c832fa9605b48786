/**
 * `window.p2pcamera`.
 */

import { asList, isObject } from "../../shared/json.js";
import { rawFaces } from "../camera/track_face.js";
import { ConnectionCheck } from "../check/connection_check.js";
import { newSignaling } from "../connection/signaling.js";
import { Publishing } from "../publishing/publishing.js";
import { privateFilters } from "../session/private_filters.js";
import { QualityNews } from "../session/quality_news.js";
import {
  checkedAudio,
  checkedMirror,
  checkedOutage,
  checkedStream,
  serverFromText,
} from "../settings/settings.js";
import { TokenSource } from "../settings/token_source.js";
import { Streams } from "./streams.js";

/**
 * @import { P2PCamera, P2PCameraCheckOptions, P2PCameraPublishOptions } from "../api.js"
 * @import { Fault } from "../base/fault.js"
 * @import { CameraSession } from "../session/camera_session.js"
 * @import { Settings } from "../settings/settings.js"
 * @import { GivenToken } from "../settings/token_source.js"
 * @import { Place } from "./place.js"
 */

/** @implements {P2PCamera} */
export class Page extends EventTarget {
  #settings;
  #browser;
  /** @type {Set<CameraSession>} */
  #sessions = new Set();
  /** Those that have ended with the raw camera in the page's tracks. @type {Set<CameraSession>} */
  #raw = new Set();
  #streams;
  #listensForData = false;
  /** What `setFilter` was last given, refused or not. @type {object | null} */
  #newest = null;
  #publishing;
  #quality = new QualityNews((session, quality) => {
    this.dispatchEvent(new CustomEvent("quality", { detail: { session, quality } }));
  });

  /**
   * @param {Settings} settings
   * @param {{getUserMedia: (constraints?: MediaStreamConstraints) => Promise<MediaStream>, restore: () => void,
   *   places: () => Iterable<Place>}} browser its own function, what puts all of its functions back, and the windows
   *   whose functions are replaced
   */
  constructor(settings, browser) {
    super();
    this.#settings = settings;
    this.#browser = browser;
    this.#publishing = new Publishing(settings.publish ?? null);
    this.#streams = new Streams(settings, this.#sessions, {
      begun: (session) => this.#begin(session),
      told: (session, type, detail) => this.#notify(session, type, detail),
    });
  }

  get publication() {
    return this.#publishing.told;
  }
  get sessions() {
    return Object.freeze([...this.#sessions]);
  }
  get server() {
    return this.#settings.server;
  }
  set server(server) {
    this.#settings.server = serverFromText(server, "", document.baseURI);
  }
  get filter() {
    return this.#settings.filter;
  }
  set filter(filter) {
    this.#settings.filter = filter;
  }
  get params() {
    return this.#settings.params;
  }
  set params(params) {
    if (!isObject(params)) throw new TypeError("params is an object");
    this.#settings.params = params;
  }
  get outage() {
    return this.#settings.outage;
  }
  set outage(outage) {
    this.#settings.outage = checkedOutage(outage);
    for (const session of this.#sessions) session.setOutage(outage);
  }
  get audio() {
    return this.#settings.audio;
  }
  set audio(audio) {
    this.#settings.audio = checkedAudio(audio);
  }
  get mirror() {
    return this.#settings.mirror;
  }
  set mirror(mirror) {
    this.#settings.mirror = checkedMirror(mirror);
    for (const place of this.#browser.places()) place.mirror();
  }
  /** @returns {undefined} */
  get token() {
    return undefined;
  }
  /** @param {GivenToken | undefined} token */
  set token(token) {
    this.#settings.token = token ? new TokenSource(token) : undefined;
    for (const session of this.#sessions) session.setToken(this.#settings.token);
  }

  /** @param {string | string[]} name @param {object} [params] @throws {Fault} */
  async setFilter(name, params = {}) {
    const { filter, params: paramsBefore } = this;
    this.#newest = params;
    // Before the answers, so that a camera asked for meanwhile never shows the filter that is given up.
    this.filter = name;
    this.params = params;
    if (privateFilters.includes(name)) this.#endRaw();
    try {
      await Promise.all([...this.#sessions].map((session) => session.setFilter(name, params)));
    } catch (error) {
      if (this.params === params) [this.filter, this.params] = [filter, paramsBefore];
      throw error;
    }
  }

  /**
   * Keeps a choice of the extension's user that was refused: where it would have hidden the camera, nothing is
   * shown until another choice is accepted, and later calls ask for this one.
   * @param {string | string[]} filter @param {object} params the same objects as `setFilter` was given
   * @returns {Promise<boolean>} whether the picture is covered
   */
  async coverFor(filter, params) {
    const told = await newSignaling({ ...this.#settings }).privateFilters();
    const isPrivate = privateFilters.includes(filter) || asList(filter).some((name) => told.includes(name));
    // The user may have chosen something else meanwhile.
    if (!isPrivate || this.#newest !== params) return false;
    this.filter = filter;
    this.params = params;
    for (const session of this.#sessions) session.hold();
    return true;
  }

  /** Ends tracks in which the camera cannot be hidden any more, as if it were unplugged. */
  #endRaw() {
    for (const session of this.#raw) session.close();
    this.#raw.clear();
    for (const face of rawFaces) face.end();
  }

  /** @param {string | null} [name] @param {P2PCameraPublishOptions} [options] @throws {Fault} */
  async publish(name, { sound = false } = {}) {
    return this.#publishing.to({ name: checkedStream(name), sound: sound === true }, [...this.#sessions]);
  }

  async unpublish() {
    await this.#publishing.end();
  }

  /** @param {P2PCameraCheckOptions} [options] */
  checkConnection(options = {}) {
    return new ConnectionCheck(this, { ...this.#settings }, options).run();
  }

  /** @param {MediaStreamConstraints} [constraints] */
  originalGetUserMedia(constraints) {
    return this.#browser.getUserMedia(constraints);
  }

  uninstall() {
    this.#browser.restore();
    this.closeAll();
    this.#streams.end();
  }

  /**
   * @param {Place} place
   * @param {MediaStreamConstraints} asked with video
   * @param {(constraints: MediaStreamConstraints) => Promise<MediaStream>} openCamera
   */
  filteredStream(place, asked, openCamera) {
    return this.#streams.filtered(place, asked, openCamera);
  }

  /** @param {Place} place @param {MediaStream} stream without video, as the browser gave it */
  delayedStream(place, stream) {
    return this.#streams.delayed(place, stream);
  }

  /**
   * @param {string} type @param {any} listener @param {any} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
    // Before anybody listens nothing is computed for it, and no channel is opened.
    if (type !== "data" || this.#listensForData) return;
    this.#listensForData = true;
    for (const session of this.#sessions) session.listenForData();
  }

  closeAll() {
    for (const session of this.#sessions) session.close();
  }

  /** @param {Place} place that goes away */
  leave(place) {
    for (const session of this.#sessions) session.leave(place);
  }

  /** Looks at all connections after something may have brought the network back, or taken it away. */
  lookAtAll() {
    for (const session of this.#sessions) session.lookNow();
  }

  /** @param {CameraSession} session before it opens */
  #begin(session) {
    if (this.#listensForData) session.listenForData();
    this.#publishing.begin(session);
    this.#sessions.add(session);
  }

  /** @param {CameraSession} session @param {string} type @param {object} detail */
  #notify(session, type, detail) {
    if (!session.isOpen) {
      this.#sessions.delete(session);
      this.#publishing.noteEnd(session, [...this.#sessions]);
    }
    if (type === "publication") this.#publishing.note(session, session.publication);
    if (session.state === "raw") this.#raw.add(session);
    else this.#raw.delete(session);
    this.dispatchEvent(new CustomEvent(type, { detail: { session, ...detail } }));
    this.#quality.note(session, type);
  }
}
