/**
 * One camera on its way through the server.
 *
 * A session owns the camera's track, what the page sees, and the connection. It closes all of them with the
 * last of the tracks that it gave out.
 */

import { jsonText } from "../../shared/json.js";
import { Fault, faultFrom } from "../base/fault.js";
import { getTrackSettings } from "../base/natives.js";
import { KeptConnection } from "../connection/kept_connection.js";
import { newSignaling } from "../connection/signaling.js";
import { PictureData } from "../picture/picture_data.js";
import { Publication } from "../publishing/publication.js";
import { PublishSwitch } from "../publishing/publish_switch.js";
import { Choices } from "./choices.js";
import { FilterSwitch } from "./filter_switch.js";
import { PageView } from "./page_view.js";
import { privateFilters } from "./private_filters.js";
import { RawGuard } from "./raw_guard.js";
import { ServerMessages } from "./server_messages.js";

/**
 * @import { P2PCameraSession, P2PCameraState } from "../api.js"
 * @import { Place } from "../page/place.js"
 * @import { Microphones } from "../publishing/microphones.js"
 * @import { PublishWish, Settings } from "../settings/settings.js"
 * @import { TokenSource } from "../settings/token_source.js"
 */

/** @implements {P2PCameraSession} */
export class CameraSession {
  #settings;
  #notify;
  #choices;
  #guard;
  #connection;
  #switch;
  #publication;
  #publishing;
  #messages;
  #view;
  #data;
  #listensForData = false;
  /** @type {Promise<void> | null} */
  #opening = null;
  /** How it ended. @type {{state: 'raw' | 'failed' | 'ended', fault: Fault | null} | null} */
  #end = null;
  /** @type {number | null} */
  latency_ms = null;
  /** @type {number | null} */
  audioDelay_ms = null;

  /**
   * @param {MediaStreamTrack} camera
   * @param {Settings} settings
   * @param {Microphones} microphones of the page
   * @param {(type: string, detail: object) => void} notify
   */
  constructor(camera, settings, microphones, notify) {
    this.#settings = settings;
    this.#notify = notify;
    this.#data = new PictureData((data) => notify("data", data));
    const signaling = newSignaling(settings);
    this.#choices = new Choices(settings, privateFilters);
    this.#guard = new RawGuard(settings, this.#choices, privateFilters, signaling);
    this.#publication = new Publication(settings, microphones, (publication, fault) =>
      notify("publication", { publication, fault }),
    );
    this.#connection = new KeptConnection(settings, signaling, {
      publication: this.#publication,
      camera: () => this.camera,
      outage: () => this.#choices.outage,
      message: (message) => this.#messages.receive(message),
      data: (text) => this.#data.receive(text),
      isWanted: (link) => this.#choices.isWanted(link),
      opened: (link) => {
        this.#choices.noteOpened(link);
        if (this.#listensForData) link.listenForData?.();
        this.#guard.obey();
        this.#publishing.noteOpened(link);
      },
      changed: () => notify("statechange", {}),
      takeBack: () => this.#choices.takeBack(),
      refused: (fault) => this.#refused(fault),
      gone: (fault) => this.#finish("failed", fault),
    });
    this.#switch = new FilterSwitch(this.#choices, this.#connection, this.#guard, () => this.#requireOpen());
    this.#publishing = new PublishSwitch(this.#publication, this.#connection, async () => {
      await this.#opening?.catch(() => {});
      this.#requireOpen();
    });
    this.#messages = new ServerMessages(
      this.#choices,
      this.#guard,
      this.#publication,
      this.#publishing,
      notify,
    );
    this.#view = new PageView(camera, this.#guard, {
      changed: () => this.#connection.send(),
      allStopped: () => this.close(),
    });
  }

  get id() {
    return this.#connection.link?.id ?? null;
  }
  /** @returns {P2PCameraState} */
  get state() {
    return this.#end?.state ?? this.#connection.state;
  }
  get isOpen() {
    return this.#end === null;
  }
  /** @returns {Fault | null} */
  get fault() {
    return this.#end ? this.#end.fault : this.#connection.fault;
  }
  get filters() {
    return this.#choices.filters;
  }
  get stats() {
    return this.#messages.stats;
  }
  get publication() {
    return this.#publication.told;
  }
  get camera() {
    return this.#view.camera;
  }

  /** @param {MediaStreamTrack} camera @param {Settings} settings with which it was asked for */
  serves(camera, settings) {
    return this.isOpen && sourceOf(camera, settings) === sourceOf(this.camera, this.#settings);
  }

  /**
   * @param {MediaStreamTrack} camera a track of the same camera, for the new track alone
   * @param {Place} place
   * @param {() => Promise<RTCIceServer[]>} findIceServers for the first connection
   * @returns {Promise<MediaStreamTrack>} the filtered track, about to show its first frame
   * @throws {Fault} with everything closed; under `open` the camera stays open
   */
  async open(camera, place, findIceServers) {
    this.#opening ??= this.#openFirst(findIceServers());
    if (this.state === "connecting") await this.#opening;
    if (!this.#view.isOpen) throw this.#endFault();
    return this.#view.giveOut(camera, place);
  }

  /** @param {string | string[]} name @param {object} [params] @throws {Fault} */
  async setFilter(name, params = {}) {
    await this.#switch.to(name, params);
  }

  /** Lets the first offer ask for it. @param {PublishWish} wish */
  wantPublished(wish) {
    this.#publication.want(wish);
  }

  /** @param {PublishWish} wish @throws {Fault} */
  async publish(wish) {
    this.#requireOpen();
    return this.#publishing.to(wish);
  }

  async unpublish() {
    await this.#publishing.end();
  }

  /** Sends the microphone that the page has now, where it publishes one. */
  followMicrophone() {
    this.#publishing.followMicrophone();
  }

  /** Covers the picture until another choice is accepted. */
  hold() {
    this.#guard.hold();
  }

  /** @param {'closed' | 'open'} outage */
  setOutage(outage) {
    this.#guard.setOutage(outage);
    this.#connection.link?.control?.changeOutage(outage).catch(() => {});
  }

  /** @param {TokenSource | undefined} token */
  setToken(token) {
    this.#settings.token = token;
  }

  async ping() {
    this.#requireOpen();
    const control = this.#connection.link?.control;
    if (!control) throw new Fault("closed", "the session has no connection yet");
    return control.ping();
  }

  async getStats() {
    const report = this.#connection.link?.getStats();
    if (!report) throw new Fault("closed", "the session has no connection yet");
    return report;
  }

  /** Has the server send what filters tell of their pictures, from now on. */
  listenForData() {
    this.#listensForData = true;
    this.#connection.link?.listenForData?.();
  }

  /** Looks for the connection, or tries again, without waiting for the next time to do so. */
  lookNow() {
    this.#connection.lookNow();
  }

  /** @param {Place} place that goes away with its tracks */
  leave(place) {
    this.#view.leave(place);
  }

  close() {
    this.#finish("ended", null);
  }

  #requireOpen() {
    if (!this.isOpen) throw this.#endFault();
  }

  #endFault() {
    return this.fault ?? new Fault("closed", "the session has ended");
  }

  /** @param {Promise<RTCIceServer[]>} iceServers @throws {Fault} */
  async #openFirst(iceServers) {
    this.camera.addEventListener("ended", () => {
      if (this.#view.isEmpty) this.close();
    });
    this.#notify("statechange", {});
    this.#guard.begin();
    try {
      const picture = this.#view.begin((rtpTimestamp) => this.#data.note(rtpTimestamp));
      await this.#connection.open(picture, iceServers);
    } catch (error) {
      const fault = faultFrom(error, "no_media_path");
      await this.#guard.areFiltersKnown;
      this.#finish(this.#choices.outage === "open" ? "raw" : "failed", fault);
      throw fault;
    }
  }

  /** @param {Fault} fault that does not pass */
  #refused(fault) {
    const { outage } = this.#choices;
    if (outage === "open") this.#view.showRaw();
    this.#finish(outage === "open" ? "raw" : "failed", fault);
  }

  /** @param {'raw' | 'failed' | 'ended'} state @param {Fault | null} fault */
  #finish(state, fault) {
    // The raw camera in a track of the page's is ours to close, too.
    const isLate = this.state === "raw" && this.#view.isOpen;
    if (!this.isOpen && !isLate) return;
    const keepsPicture = state === "raw" && !this.#view.isEmpty;
    this.#end = { state, fault: isLate ? this.fault : fault };
    this.#connection.close(fault ?? new Fault("closed", "the session was closed"));
    if (!keepsPicture) this.#view.end(state === "raw");
    this.#notify("statechange", {});
    this.#publication.drop(null);
  }
}

/**
 * @param {MediaStreamTrack} camera @param {Settings} settings
 * @returns {string} equal where one session serves both
 */
function sourceOf(camera, { server, filter, params }) {
  return jsonText([getTrackSettings.call(camera).deviceId, server, filter, params]);
}
