// @ts-check
/**
 * p2pcamera.js makes every camera of a page a filtered camera. One classic script tag is all it takes:
 *
 *     <script src="https://server/p2pcamera.js" data-filter="ink" data-params='{"strength": 1}'></script>
 *
 * | attribute     | meaning                                                                            |
 * |---------------|------------------------------------------------------------------------------------|
 * | `data-server` | the signaling service; without it, the folder that this script came from           |
 * | `data-filter` | name of a filter, or several applied in order: `a,b`; without it, the server's own |
 * | `data-params` | JSON object of the filter's parameters                                             |
 * | `data-outage` | `closed` (default): never a raw frame; `open`: the raw camera rather than none      |
 * | `data-token`  | what the server's `--api-key` is checked against                                   |
 * | `data-audio`  | `untouched` (default); `sync`: as late as the picture, so that lips match           |
 *
 * `getUserMedia` then answers a call for video with the filtered track and the untouched audio tracks. A
 * call without video goes to the browser as it is. `window.p2pcamera` (type `P2PCamera` below) is the
 * page's way to change the filter in mid-call and to read measurements; no page needs it.
 *
 * `enumerateDevices` lists a filtered camera before each camera, with an id of its own. Who names no device, or
 * a filtered one, gets a filtered camera. So does who names a device as a wish (a bare `deviceId`, `ideal`): the
 * filtered one of the camera which the browser chooses. Who demands a real one by `deviceId: {exact: id}` gets it
 * as it is. All calls for one camera share one session, which ends with the last of their tracks.
 *
 * The filtered track outlives the connection behind it: a lost one is made anew, and the same track goes on.
 * Meanwhile the last filtered frame stays (`closed`), or the raw camera shows after half a second (`open`).
 * Under `closed` nothing in this file ever puts a raw frame into a track of the page's.
 *
 * A private filter hides what the camera sees (`background`, `face`, and what the server calls so). While one is chosen
 * the policy is `closed` whatever was wished, here and at the server, and once `setFilter` to one has resolved, the page
 * is shown nothing older than that filter's first frame.
 */

/**
 * Why there is no filtered picture: code and message of the server's JSON error, or a code of this script's
 * own: `unreachable`, `no_media_path`, `timeout`, `connection_lost`, `closed`, `bad_answer`, `bad_settings`.
 * `status` is the HTTP status, 0 where there was none; `retryAfterS` the server's `Retry-After`; `field` the
 * parameter that was refused, empty where it was none.
 * @typedef {Error & {code: string, status: number, retryAfterS: number | null, field: string}} P2PCameraFault
 */

/**
 * `connecting` -> `live` <-> `reconnecting`, until `ended` (the page, or the camera, stopped), or `failed`
 * (see `fault`): the first connection failed, or the server refused a later one for a reason that no waiting
 * mends (401, 403, an unknown filter, 422); the page's track ends then, as that of an unplugged camera does.
 * `raw` stands for `failed` under the outage policy `open`: the page has the raw camera, and keeps it.
 * @typedef {'connecting' | 'live' | 'reconnecting' | 'raw' | 'failed' | 'ended'} P2PCameraState
 */

/**
 * What the server measured in the last second. `state` says what its picture is just now: the filter's,
 * still waiting for the first, the card that says so (`closed`) or the raw camera (`open`). Times are in
 * milliseconds on the server's clock: `transport` to the worker and back, `wait` for a batch, the `batch`,
 * of it the `filter`, and `total` from the decoded frame to its result.
 * @typedef {Readonly<{
 *   type: 'stats', session: string, filters: string[], state: 'live' | 'waiting' | 'card' | 'raw',
 *   outage: 'closed' | 'open', private: boolean, frames_in: number, frames_out: number, fps_in: number, fps_out: number,
 *   worker: string, latency_ms: Readonly<Record<string, number>>,
 * }>} P2PCameraStats
 */

/**
 * One camera on its way through the server. `camera` is the raw track that is sent: of several that the page
 * has asked for, the one with the largest picture, so it may be another after `applyConstraints` or `stop`.
 * `ping` measures the round trip on the data channel in milliseconds; `getStats` is the connection's. `close` is
 * safe to call twice. `fault` says why the session ended, or, while it is `reconnecting`, what is in the way.
 * @typedef {object} P2PCameraSession
 * @property {string | null} id of the newest connection
 * @property {P2PCameraState} state
 * @property {P2PCameraFault | null} fault
 * @property {readonly string[]} filters
 * @property {P2PCameraStats | null} stats
 * @property {number | null} latency_ms of the picture, see `LatencyMeter`; null where `audio` is not `sync`
 * @property {number | null} audioDelay_ms what the sound is delayed by now, or null
 * @property {MediaStreamTrack} camera
 * @property {(name: string | string[], params?: object) => Promise<void>} setFilter
 * @property {() => Promise<number>} ping
 * @property {() => Promise<RTCStatsReport>} getStats
 * @property {() => void} close
 */

/**
 * `window.p2pcamera`. The settings hold for calls still to come, `outage` and `token` for open sessions too;
 * `setFilter` changes every open session, and is settled when the server has answered for all, in an outage
 * when it is over: it rejects with a `P2PCameraFault`. To a private filter it ends tracks that have become raw, too. `token` can be set and reads as undefined. Events are
 * `CustomEvent`s with `detail.session`: `statechange`, `stats` (`detail.stats`), `progress` of a loading filter
 * (`detail.filter`, `detail.fraction` from 0 to 1), and `fault` when a filter fails in mid-call
 * (`detail.fault`), where the session goes on; where that is for a parameter which only the filter itself refuses, with
 * what the server has gone back to (`detail.filter`, `detail.params`). `uninstall` puts the browser's own functions back and ends all
 * filtered tracks, as if their cameras were unplugged; the script may be loaded again then.
 * @typedef {object} P2PCameraMembers
 * @property {readonly P2PCameraSession[]} sessions those that are connecting, live or reconnecting
 * @property {string} server empty until it is set, where the script was imported (p2pcamera.mjs)
 * @property {string | string[] | null} filter null: the server's own default
 * @property {object} params
 * @property {'closed' | 'open'} outage
 * @property {string | undefined} token
 * @property {'untouched' | 'sync'} audio
 * @property {(name: string | string[], params?: object) => Promise<void>} setFilter
 * @property {(constraints?: MediaStreamConstraints) => Promise<MediaStream>} originalGetUserMedia
 * @property {() => void} uninstall
 *
 * @typedef {EventTarget & P2PCameraMembers} P2PCamera
 */

(() => {
  "use strict";

  // Loaded twice, the first keeps the camera; outside a secure context there is none.
  const embedder = takeEmbedder();
  /** By which a window is known to be ours: a page that does not use this script sees no name of it. */
  const mark = embedder ? Symbol.for("p2pcamera.embedded") : "p2pcamera";
  if (mark in window || !navigator.mediaDevices) return;

  const CONNECT_TIMEOUT_MS = 10_000;
  const ICE_SERVERS_TIMEOUT_MS = 3_000;
  // The offer takes along what is found this soon, which is the host candidates; the rest follows by PATCH.
  const FIRST_CANDIDATE_TIMEOUT_MS = 100;
  const CANDIDATE_BATCH_MS = 10;
  // Under `closed` the server's card comes 2 s into an outage, so a track silent for longer is given as it is.
  const FIRST_FRAME_TIMEOUT_MS = 3_000;
  const LOOK_MS = 200;
  const RAW_AFTER_MS = 500;
  // A slow filter is no loss: so long without a frame, the server is asked for a word on the data channel.
  const PING_AFTER_MS = 300;
  // So long without a frame or a word, it is asked for its session by HTTP.
  const CHECK_AFTER_MS = 700;
  // And so long the connection is given where no answer comes, or the answer is that all is well.
  const UNREACHABLE_AFTER_MS = 1_200;
  const BROKEN_AFTER_MS = 3_000;
  const CHECK_TIMEOUT_MS = 2_000;
  const CHANGE_TIMEOUT_MS = 20_000;
  // The server takes messages of 65,536 characters.
  const MAX_CONTROL_CHARACTERS = 60_000;
  const REPEAT_MS = 1_000;
  // Of a private filter's first frame, which the server has sent before it answered.
  const NEW_FRAME_TIMEOUT_MS = 2_000;
  // What the page's own element holds is drawn within this time.
  const ON_SCREEN_MS = 100;
  // Where frames do not tell which they are: what was sent before the answer has been shown by then.
  const FLUSH_MS = 500;
  const RECONNECT_TIMEOUT_MS = 5_000;
  // Between attempts lies this part of the outage so far: an outage is made longer by no more than that.
  const PAUSE_PART = 1 / 20;
  const SHORTEST_PAUSE_MS = 200;
  const LONGEST_PAUSE_MS = 10_000;
  // A service just started knows no worker, and then not all: they make themselves known within a second.
  const SERVICE_START_MS = 5_000;
  const MEASURE_MS = 1_000;
  const KEPT_MEASUREMENTS = 5;
  const LONGEST_AUDIO_DELAY_S = 2;
  // A small change is followed at a rate that bends the pitch by less than half a semitone, a large one at once
  // behind a short fade; a smaller one still is noise of the measurement.
  const SMALLEST_AUDIO_CHANGE_S = 0.005;
  const AUDIO_LEAP_S = 0.04;
  const AUDIO_RAMP_RATE = 0.02;
  const AUDIO_FADE_S = 0.02;
  const AUDIO_START_TIMEOUT_MS = 1_000;
  // What the browser's audio processing takes by itself, until that has been heard.
  const USUAL_AUDIO_WAY_S = 0.02;
  const LISTEN_EACH = 5;
  const NEWS_S = 0.01;
  const LISTEN_MS = 700;
  const LISTEN_AROUND_MS = 150;
  const LEAST_LIKENESS = 0.6;

  // Taken now, before a later script of the page replaces them.
  const { RTCPeerConnection } = window;
  const fetch = embedder?.fetch ?? window.fetch;
  const {
    stop: stopTrack,
    clone: cloneTrack,
    getSettings: getTrackSettings,
    getConstraints: getTrackConstraints,
    getCapabilities: getTrackCapabilities,
    applyConstraints: applyTrackConstraints,
  } = MediaStreamTrack.prototype;
  const [labelOf, isMutedOf, statsOf] = ["label", "muted", "stats"].map(
    (name) => Object.getOwnPropertyDescriptor(MediaStreamTrack.prototype, name)?.get,
  );
  const { get: contentWindowOf } = /** @type {{get: () => (Window & typeof globalThis) | null}} */ (
    Object.getOwnPropertyDescriptor(HTMLIFrameElement.prototype, "contentWindow")
  );
  const { AudioContext, DelayNode, GainNode, MediaStreamAudioDestinationNode, MediaStreamAudioSourceNode } =
    window;

  class Fault extends Error {
    status = 0;
    field = "";
    /** @type {number | null} */
    retryAfterS = null;

    /** @param {string} code @param {string} message */
    constructor(code, message) {
      super(message);
      this.code = code;
    }
  }

  // --- an embedder ----------------------------------------------------------------------------------------

  /**
   * A browser extension that runs this file in two worlds of a page leaves itself here, right before, in each.
   * In a world that no page reaches, it makes the connections: it is handed the class of links and its own
   * `fetch` is used. In the page's world, where `settings` are its own, it stands in for links and signaling,
   * and nothing of either can be seen there; `window.p2pcamera` is not made.
   * @typedef {object} Embedder
   * @property {typeof window.fetch} [fetch]
   * @property {(parts: {Link: typeof Link, Signaling: typeof Signaling}) => void} [connect]
   * @property {Settings} settings
   * @property {() => Promise<boolean>} isOn whether the page's cameras are filtered, as the user says now
   * @property {(settings: Settings) => Signaling} newSignaling
   * @property {(...parameters: ConstructorParameters<typeof Link>) => Link} newLink
   * @property {(page: Page, fault: typeof Fault) => void} begin
   */

  /** @returns {Embedder | null} */
  function takeEmbedder() {
    const key = Symbol.for("p2pcamera.embedder");
    const left = /** @type {any} */ (window)[key];
    delete (/** @type {any} */ (window)[key]);
    return left ?? null;
  }

  /** @param {Settings} settings @returns {Signaling} */
  function newSignaling(settings) {
    return embedder?.newSignaling?.(settings) ?? new Signaling(settings);
  }

  /** @type {Embedder["newLink"]} */
  function newLink(settings, on) {
    return embedder?.newLink?.(settings, on) ?? new Link(settings, on);
  }

  // --- private filters ------------------------------------------------------------------------------------

  /** Which filters hide what the camera sees: known from the first moment, or told by the server. */
  class PrivateFilters {
    #names = new Set(["background", "face"]);
    /** Choices, as they were asked for. @type {Set<string>} */
    #choices = new Set();

    /** @param {string | string[] | null} filter null: the server's default */
    includes(filter) {
      const names = [filter ?? []].flat();
      return names.some((name) => this.#names.has(name)) || this.#choices.has(JSON.stringify(filter));
    }

    /** @param {string | string[] | null} filter that the server has called private */
    add(filter) {
      if (typeof filter === "string") this.#names.add(filter);
      else this.#choices.add(JSON.stringify(filter));
    }
  }

  // --- settings -------------------------------------------------------------------------------------------

  /**
   * @typedef {{server: string, filter: string | string[] | null, params: object, outage: 'closed' | 'open',
   *   token: string | undefined, audio: 'untouched' | 'sync', fault: Fault | null}} Settings
   */

  /**
   * Reads the script tag. A page with a wrong attribute must not get another picture than it asked for, so
   * the fault is kept and answers its calls for video.
   * @param {HTMLOrSVGScriptElement | null} script
   * @returns {Settings}
   */
  function readSettings(script) {
    const { filter, params, outage, token, server, audio } = script?.dataset ?? {};
    const source = script instanceof HTMLScriptElement ? script.src : "";
    /** @type {Settings} */
    const settings = {
      server: "",
      filter: null,
      params: {},
      outage: "closed",
      token: token || undefined,
      audio: "untouched",
      fault: null,
    };
    try {
      settings.outage = checkedOutage(outage ?? "closed");
      settings.audio = checkedAudio(audio ?? "untouched");
      settings.filter = filterFromText(filter ?? "");
      settings.params = paramsFromText(params ?? "{}");
      // An imported module has no tag; it says later which server.
      settings.server = script ? serverFromText(server ?? "", source) : "";
    } catch (error) {
      settings.fault = error instanceof Fault ? error : new Fault("bad_settings", String(error));
      console.error(`p2pcamera: ${settings.fault.message}`);
    }
    return settings;
  }

  /** @param {string} text */
  function filterFromText(text) {
    const names = text
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
    return names.length > 1 ? names : (names[0] ?? null);
  }

  /** @param {string} text */
  function paramsFromText(text) {
    const value = parsedJson(text);
    if (isObject(value)) return value;
    throw new Fault("bad_settings", `data-params is a JSON object, not ${text}`);
  }

  /**
   * @param {string} text of `data-server`
   * @param {string} source where the script came from
   * @returns {string} a URL that ends with a slash
   */
  function serverFromText(text, source) {
    if (text) return new URL(text.replace(/\/*$/, "/"), document.baseURI).href;
    if (source) return new URL(".", source).href;
    throw new Fault("bad_settings", "the script tag needs src or data-server, or p2pcamera.server an address");
  }

  /**
   * @param {string} value
   * @returns {'closed' | 'open'}
   */
  function checkedOutage(value) {
    if (value === "closed" || value === "open") return value;
    throw new Fault("bad_settings", `outage is closed or open, not ${value}`);
  }

  /**
   * @param {string} value
   * @returns {'untouched' | 'sync'}
   */
  function checkedAudio(value) {
    if (value === "untouched" || value === "sync") return value;
    throw new Fault("bad_settings", `audio is untouched or sync, not ${value}`);
  }

  /** @param {unknown} value @returns {value is object} */
  function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
  }

  /** @param {string} text @returns {any} undefined where it is no JSON */
  function parsedJson(text) {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  /** @param {number} duration_ms @returns {Promise<void>} */
  function pause(duration_ms) {
    return new Promise((resolve) => {
      setTimeout(resolve, duration_ms);
    });
  }

  // --- the filtered camera as a device --------------------------------------------------------------------

  /**
   * A camera's id read backwards is the filtered camera's id, and the other way round: no table is needed, and
   * a page may use an id that it kept from an earlier visit, before it has permission for a list of devices.
   * Where the user has a switch, as an extension's have, all cameras are filtered under their own ids: a site goes
   * by the one it remembers.
   * @param {string} id
   */
  const otherId = (id) => (embedder ? id : [...id].reverse().join(""));

  /** @param {string} label of a camera, empty before permission */
  const filteredLabel = (label) => label && `${label} (filtered)`;

  /** What a filtered camera in the list of devices says of itself; see `faces`. */
  class DeviceFace {
    #camera;

    /** @param {MediaDeviceInfo} camera */
    constructor(camera) {
      this.#camera = camera;
    }

    get deviceId() {
      return otherId(this.#camera.deviceId);
    }
    get kind() {
      return this.#camera.kind;
    }
    get label() {
      return filteredLabel(this.#camera.label);
    }
    get groupId() {
      return this.#camera.groupId;
    }
    getCapabilities() {
      return withOtherId(/** @type {InputDeviceInfo} */ (this.#camera).getCapabilities());
    }
    toJSON() {
      const { deviceId, kind, label, groupId } = this;
      return { deviceId, kind, label, groupId };
    }
  }

  /** @template {{deviceId?: string}} T @param {T} told by a camera @returns {T} */
  function withOtherId(told) {
    return told.deviceId ? { ...told, deviceId: otherId(told.deviceId) } : told;
  }

  /**
   * @param {MediaDeviceInfo[]} devices
   * @returns {MediaDeviceInfo[]} with a filtered camera before each camera, so that the first is a filtered one
   */
  function withFilteredCameras(devices) {
    return devices.flatMap((device) => {
      // Without permission a list has one camera at most, and that one has no id.
      if (device.kind !== "videoinput" || !device.deviceId) return [device];
      const filtered = Object.create(Object.getPrototypeOf(device));
      faces.set(filtered, new DeviceFace(device));
      return embedder ? [filtered] : [filtered, device];
    });
  }

  /**
   * Lets the browser choose between the cameras meant, whether their own or their filtered ids are named.
   * @template {MediaTrackConstraints} T @param {T} video @returns {T}
   */
  function widened(video) {
    return mapDeviceIds(video, (ids) => {
      if (typeof ids === "string") return [ids, otherId(ids)];
      return Array.isArray(ids) ? ids.flatMap((id) => [id, otherId(String(id))]) : ids;
    });
  }

  /** @template {MediaTrackConstraints} T @param {T} video from `widened` @returns {T} as the page wrote it */
  function narrowed(video) {
    return mapDeviceIds(video, (ids) => {
      if (!Array.isArray(ids)) return ids;
      const named = ids.filter((_, index) => index % 2 === 0);
      return named.length === 1 ? named[0] : named;
    });
  }

  /** @template {any} T @param {T} video @param {(ids: any) => any} map @returns {T} */
  function mapDeviceIds(video, map) {
    if (!isObject(video)) return video;
    const mapped = /** @type {any} */ ({ ...video });
    const { deviceId, advanced } = mapped;
    if (isObject(deviceId)) {
      mapped.deviceId = Object.fromEntries(Object.entries(deviceId).map(([how, ids]) => [how, map(ids)]));
    } else if (deviceId !== undefined) {
      mapped.deviceId = map(deviceId);
    }
    if (Array.isArray(advanced)) mapped.advanced = advanced.map((set) => mapDeviceIds(set, map));
    return mapped;
  }

  /** @param {any} video @returns {string[]} */
  function exactIds(video) {
    return [video.deviceId?.exact ?? []].flat();
  }

  /** @param {any} video @param {MediaStreamTrack} camera @returns {boolean} whether it is to be left as it is */
  function asksForRaw(video, camera) {
    const { deviceId = "", displaySurface } = getTrackSettings.call(camera);
    // What an extension of the browser's captures of the screen comes by this call, too.
    if (displaySurface || video.mandatory?.chromeMediaSource || video.mediaSource) return true;
    const ids = exactIds(video);
    return ids.includes(deviceId) && !ids.includes(otherId(deviceId));
  }

  // --- the page's tracks ----------------------------------------------------------------------------------

  /**
   * What stands behind objects of the page's: the browser's own functions and getters, once replaced, ask here
   * and answer by the member of the same name.
   * @type {WeakMap<object, any>}
   */
  const faces = new WeakMap();

  /**
   * One track of the page's, with the manners of the camera's own track behind it. Each has a camera's track to
   * itself, so that the browser itself checks, keeps and undoes what each is asked for.
   */
  class TrackFace {
    #owner;
    #track;
    #camera;
    #place;
    #changeCount = 0;
    #hasEnded = false;

    /**
     * @param {MediaStreamTrack} track
     * @param {MediaStreamTrack} camera
     * @param {Place} place where it was asked for
     * @param {{changed: () => void, stopped: () => void, clone: () => TrackFace}} owner
     */
    constructor(track, camera, place, owner) {
      this.#track = track;
      this.#camera = camera;
      this.#place = place;
      this.#owner = owner;
      faces.set(track, this);
      if (track === camera) return;
      for (const type of ["mute", "unmute"]) {
        camera.addEventListener(type, () => {
          track.dispatchEvent(new Event(type));
          owner.changed();
        });
      }
      camera.addEventListener("ended", () => this.end());
    }

    get track() {
      return this.#track;
    }
    get camera() {
      return this.#camera;
    }
    get place() {
      return this.#place;
    }

    /** The camera is gone: says so to the page, which a track that the page stops does not. */
    end() {
      if (this.#hasEnded) return;
      this.stop();
      this.#track.dispatchEvent(new Event("ended"));
    }

    /** Lets the browser open the camera anew for what this track asks for, and no more. */
    reapply() {
      if (this.#changeCount > 0) return;
      applyTrackConstraints.call(this.#camera, getTrackConstraints.call(this.#camera)).catch(() => {});
    }

    // What the page calls

    get label() {
      return filteredLabel(labelOf?.call(this.#camera));
    }
    get muted() {
      return isMutedOf?.call(this.#camera);
    }
    get stats() {
      return statsOf?.call(this.#camera);
    }
    getSettings() {
      return withOtherId(getTrackSettings.call(this.#camera));
    }
    getCapabilities() {
      return withOtherId(getTrackCapabilities.call(this.#camera));
    }
    getConstraints() {
      return narrowed(getTrackConstraints.call(this.#camera));
    }
    /** @param {MediaTrackConstraints} [constraints] */
    async applyConstraints(constraints) {
      const ids = exactIds(constraints ?? {});
      const { deviceId } = this.getSettings();
      // No camera has this id, so that the browser refuses it in its own words.
      const refused = { deviceId: { exact: "" } };
      const isOther = ids.length > 0 && !ids.includes(deviceId);
      const wanted = isOther ? refused : constraints && widened(constraints);
      this.#changeCount += 1;
      try {
        await applyTrackConstraints.call(this.#camera, wanted);
      } finally {
        this.#changeCount -= 1;
      }
      if (!this.#hasEnded) this.#owner.changed();
    }
    clone() {
      if (this.#hasEnded) return endedFace(cloneTrack.call(this.#track), this.#camera, this.#place).track;
      const { track } = this.#owner.clone();
      track.contentHint = this.#track.contentHint;
      track.enabled = this.#track.enabled;
      return track;
    }
    stop() {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      stopTrack.call(this.#track);
      stopTrack.call(this.#camera);
      this.#owner.stopped();
    }
  }

  /** @param {MediaStreamTrack} track @param {MediaStreamTrack} camera @param {Place} place */
  function endedFace(track, camera, place) {
    const owner = { changed() {}, stopped() {}, clone: () => face };
    /** @type {TrackFace} */
    const face = new TrackFace(track, cloneTrack.call(camera), place, owner);
    face.stop();
    return face;
  }

  /**
   * The raw camera where it stands for the filtered one, as it may under `open`.
   * @param {MediaStreamTrack} camera @param {Place} place @returns {TrackFace}
   */
  function rawFace(camera, place) {
    const clone = () => rawFace(cloneTrack.call(camera), place);
    const stopped = () => rawFaces.delete(face);
    /** @type {TrackFace} */
    const face = new TrackFace(camera, camera, place, { changed() {}, stopped, clone });
    rawFaces.add(face);
    return face;
  }

  // --- HTTP calls -----------------------------------------------------------------------------------------

  class Signaling {
    #settings;

    /** @param {Settings} settings as they were when the camera was asked for */
    constructor(settings) {
      this.#settings = settings;
    }

    /** @returns {Promise<RTCIceServer[]>} none where the server does not say, since a direct path may do */
    iceServers() {
      return this.iceServersOrFault().catch(() => []);
    }

    /** @returns {Promise<RTCIceServer[]>} @throws {Fault} */
    async iceServersOrFault() {
      const response = await this.#call("ice-servers", {
        signal: AbortSignal.timeout(ICE_SERVERS_TIMEOUT_MS),
      });
      const { iceServers } = await response.json().catch(() => ({}));
      return Array.isArray(iceServers) ? iceServers : [];
    }

    /**
     * @param {RTCSessionDescription} description
     * @param {AbortSignal} signal
     * @returns {Promise<{id: string, sdp: string, filters: string[], isPrivate: boolean}>}
     */
    async offer({ type, sdp }, signal) {
      const { filter, params, outage } = this.#settings;
      const body = JSON.stringify({ type, sdp, filter: filter ?? undefined, params, outage });
      const headers = { "Content-Type": "application/json" };
      const response = await this.#call("offer", { method: "POST", headers, body, signal });
      const answer = await response.json().catch(() => null);
      if (typeof answer?.sdp !== "string" || typeof answer.session !== "string") {
        throw new Fault("bad_answer", `what answers at ${this.#settings.server} is not a p2pcamera server`);
      }
      const filters = [answer.filter ?? []].flat();
      return { id: answer.session, sdp: answer.sdp, filters, isPrivate: answer.private === true };
    }

    /** @returns {Promise<(string | null)[]>} the private filters; null where the default is one; [] where it is not told */
    async privateFilters() {
      try {
        const response = await this.#call("filters", { signal: AbortSignal.timeout(ICE_SERVERS_TIMEOUT_MS) });
        const { filters, default: name } = await response.json();
        const names = filters.filter((/** @type {any} */ one) => one.private).map((/** @type {any} */ one) => one.name);
        return names.includes(name) ? [...names, null] : names;
      } catch {
        return [];
      }
    }

    /** @param {string} id @param {string} body */
    async trickle(id, body) {
      const headers = { "Content-Type": "application/trickle-ice-sdpfrag" };
      await this.#call(`sessions/${id}`, { method: "PATCH", headers, body });
    }

    /** Changes nothing. @param {string} id @throws {Fault} where the session is not there any more */
    async check(id) {
      const headers = { "Content-Type": "application/json" };
      const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
      await this.#call(`sessions/${id}`, { method: "PATCH", headers, body: "{}", signal });
    }

    /** @param {string} id @param {string} body JSON @returns {Promise<Applied>} */
    async change(id, body) {
      const headers = { "Content-Type": "application/json" };
      const signal = AbortSignal.timeout(CHANGE_TIMEOUT_MS);
      const response = await this.#call(`sessions/${id}`, { method: "PATCH", headers, body, signal });
      return applied(await response.json().catch(() => ({})));
    }

    /** @param {string} id */
    async end(id) {
      // keepalive, since the page may be going away.
      await this.#call(`sessions/${id}`, { method: "DELETE", keepalive: true });
    }

    /** @param {string} path @param {RequestInit} init */
    async #call(path, init) {
      const { server, token } = this.#settings;
      const headers = new Headers(init.headers);
      if (token) headers.set("Authorization", `Bearer ${token}`);
      const response = await fetch(new URL(path, server), {
        credentials: "omit",
        cache: "no-store",
        ...init,
        headers,
      }).catch((error) => {
        throw new Fault("unreachable", `the server at ${server} cannot be reached (${error.message})`);
      });
      if (response.ok) return response;
      const body = await response.json().catch(() => null);
      const fault = faultFromError(body?.error);
      fault.status = response.status;
      const retryAfter = response.headers.get("Retry-After");
      if (retryAfter !== null) fault.retryAfterS = Number.parseFloat(retryAfter);
      throw fault;
    }
  }

  /** @param {any} said of a change, whatever came @returns {Applied} */
  function applied({ filter, private: isPrivate, first_rtp_timestamp: first }) {
    return {
      filters: [filter ?? []].flat(),
      isPrivate: isPrivate === true,
      first: Number.isSafeInteger(first) ? first : null,
    };
  }

  /** @param {any} error of the server's JSON, whatever came */
  function faultFromError(error) {
    const message = String(error?.message ?? "the server gives no reason");
    const fault = new Fault(String(error?.code ?? "error"), message);
    fault.field = String(error?.field ?? "");
    return fault;
  }

  // --- candidates -----------------------------------------------------------------------------------------

  /** Candidates of one connection: the first go with the offer, later ones as SDP fragments. */
  class Candidates {
    #peer;
    /** @type {RTCIceCandidate[]} */
    #unsent = [];
    #isComplete = false;
    #noteFirst = () => {};
    /** @type {Promise<void>} */
    #first = new Promise((resolve) => {
      this.#noteFirst = resolve;
    });
    /** @type {((fragment: string) => void) | null} */
    #send = null;

    /** @param {RTCPeerConnection} peer */
    constructor(peer) {
      this.#peer = peer;
      peer.addEventListener("icecandidate", ({ candidate }) => this.#add(candidate));
    }

    /** @returns {Promise<RTCSessionDescription>} the local description with the candidates found at once */
    async offer() {
      const batch = this.#first.then(() => (this.#isComplete ? undefined : pause(CANDIDATE_BATCH_MS)));
      await Promise.race([batch, pause(FIRST_CANDIDATE_TIMEOUT_MS)]);
      this.#unsent = [];
      return /** @type {RTCSessionDescription} */ (this.#peer.localDescription);
    }

    /** @param {(fragment: string) => void} send takes each later batch, the last with its end mark */
    follow(send) {
      this.#send = send;
      if (this.#unsent.length > 0 || this.#isComplete) this.#flush();
    }

    /** @param {RTCIceCandidate | null} candidate null after the last */
    #add(candidate) {
      if (candidate?.candidate) this.#unsent.push(candidate);
      else if (candidate === null) this.#isComplete = true;
      this.#noteFirst();
      if (this.#send === null) return;
      if (this.#isComplete) this.#flush();
      else if (this.#unsent.length === 1) setTimeout(() => this.#flush(), CANDIDATE_BATCH_MS);
    }

    #flush() {
      const candidates = this.#unsent.splice(0);
      if (this.#peer.signalingState === "closed") return;
      if (candidates.length > 0 || this.#isComplete) this.#send?.(this.#fragment(candidates));
    }

    /** @param {RTCIceCandidate[]} candidates @returns {string} as in RFC 8840, section 9 */
    #fragment(candidates) {
      // With max-bundle all candidates belong to the first section.
      const sdp = this.#peer.localDescription?.sdp ?? "";
      const lines = [/^a=ice-ufrag:.*$/m, /^a=ice-pwd:.*$/m, /^m=.*$/m, /^a=mid:.*$/m].map((pattern) =>
        (sdp.match(pattern)?.[0] ?? "").trim(),
      );
      lines.push(...candidates.map(({ candidate }) => `a=${candidate}`));
      if (this.#isComplete) lines.push("a=end-of-candidates");
      return lines.map((line) => `${line}\r\n`).join("");
    }
  }

  // --- data channel ---------------------------------------------------------------------------------------

  /** The data channel `control`. The server answers changes of filter in the order they were sent. */
  class Control {
    #channel;
    #notify;
    /** @type {string[]} */
    #unsent = [];
    /** @type {((outcome: any) => void)[]} */
    #changes = [];
    /** @type {Map<string, (outcome: null | Fault) => void>} */
    #pings = new Map();
    #pingCount = 0;
    heardAt_ms = performance.now();

    /**
     * @param {RTCDataChannel} channel
     * @param {(message: any) => void} notify takes what was not asked for: stats, progress, errors of a worker
     */
    constructor(channel, notify) {
      this.#channel = channel;
      this.#notify = notify;
      channel.addEventListener("open", () => {
        for (const text of this.#unsent.splice(0)) channel.send(text);
      });
      channel.addEventListener("message", ({ data }) => this.#receive(data));
    }

    /** @param {string | string[]} name @param {object} params @returns {Promise<Applied>} */
    async changeFilter(name, params) {
      return applied(await this.#change({ name, params }));
    }

    /** @param {'closed' | 'open'} outage */
    async changeOutage(outage) {
      await this.#change({ outage });
    }

    /** @returns {Promise<number>} round trip in milliseconds */
    async ping() {
      this.#pingCount += 1;
      const key = ` ${this.#pingCount}`;
      const sentAt_ms = performance.now();
      const outcome = await new Promise((resolve) => {
        this.#pings.set(key, resolve);
        this.#send(`ping${key}`);
      });
      if (outcome instanceof Fault) throw outcome;
      return performance.now() - sentAt_ms;
    }

    /** Lets `heardAt_ms` tell whether the server is there. */
    askForWord() {
      if (this.#channel.readyState === "open") this.#channel.send("ping");
    }

    /** @param {Fault} fault for all who still wait */
    close(fault) {
      this.#channel.close();
      for (const settle of [...this.#changes.splice(0), ...this.#pings.values()]) settle(fault);
      this.#pings.clear();
    }

    /** @param {object} wanted @returns {Promise<any>} the server's answer */
    async #change(wanted) {
      const outcome = await new Promise((resolve) => {
        this.#changes.push(resolve);
        this.#send(JSON.stringify({ type: "filter", ...wanted }));
      });
      if (outcome instanceof Fault) throw outcome;
      return outcome;
    }

    /** @param {string} text */
    #send(text) {
      if (this.#channel.readyState === "open") this.#channel.send(text);
      else this.#unsent.push(text);
    }

    /** @param {unknown} text */
    #receive(text) {
      this.heardAt_ms = performance.now();
      if (typeof text !== "string") return;
      if (text.startsWith("pong")) {
        const key = text.slice("pong".length);
        this.#pings.get(key)?.(null);
        this.#pings.delete(key);
        return;
      }
      const message = parsedJson(text);
      if (message?.type === "filter") this.#changes.shift()?.(message);
      else if (message?.type === "error" && message.of !== "worker" && this.#changes.length > 0) {
        this.#changes.shift()?.(faultFromError(message.error));
      } else if (isObject(message)) this.#notify(message);
    }
  }

  // --- one connection -------------------------------------------------------------------------------------

  /** One peer connection and its session at the server: opened once, and closed once, whoever loses it. */
  class Link {
    #settings;
    #signaling;
    #on;
    #abort = new AbortController();
    /** @type {RTCPeerConnection | null} */
    #peer = null;
    /** @type {RTCRtpSender | null} */
    #sender = null;
    /** @type {Promise<void>} */
    #sending = Promise.resolve();
    /** When the last change has been answered. @type {Promise<unknown>} */
    #changed = Promise.resolve();
    /** Changes by HTTP that are not answered yet, and those that wait for one. */
    #longChanges = 0;
    /** @type {Control | null} */
    #control = null;
    /** @type {string | null} */
    id = null;
    /** What the offer asked for. @type {Choice | null} */
    asked = null;
    /** @type {readonly string[]} */
    filters = [];
    /** What the server has said of the filters that were offered. */
    isPrivate = false;

    /**
     * What applies: `first` is the RTP timestamp of the first frame of it, null where that need not be known, or is
     * not.
     * @typedef {{filters: string[], isPrivate: boolean, first: number | null}} Applied
     * @typedef {{filter: string | string[] | null, params: object}} Choice
     *
     * @param {Settings} settings of the session, read when the offer is made
     * @param {{track: (track: MediaStreamTrack) => void, message: (message: any) => void, loss: () => void}} on
     *   `loss` of a connection that was open; one that is still opening makes `open` fail
     */
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
      const { signal } = this.#abort;
      const aborted = new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      const late = new Fault("timeout", `no picture came back within ${timeout_ms / 1000} s`);
      const timer = setTimeout(() => this.close(late), timeout_ms);
      try {
        await Promise.race([this.#connect(camera, iceServers), aborted]);
      } catch (error) {
        const fault = error instanceof Fault ? error : new Fault("no_media_path", String(error));
        this.close(fault);
        throw fault;
      } finally {
        clearTimeout(timer);
      }
    }

    /** @param {MediaStreamTrack} camera to be sent from now on, or sent already with another size */
    async send(camera) {
      // One after another: what is asked for last is what is sent.
      this.#sending = this.#sending.catch(() => {}).then(() => this.#sendNow(camera));
      return this.#sending;
    }

    /** @param {MediaStreamTrack} camera */
    async #sendNow(camera) {
      const sender = this.#sender;
      if (sender === null || this.#abort.signal.aborted) return;
      camera.contentHint = "motion";
      if (sender.track !== camera) await sender.replaceTrack(camera);
      const parameters = sender.getParameters();
      const maxBitrate = bitrateCap(getTrackSettings.call(camera));
      if (parameters.encodings?.[0]?.maxBitrate === maxBitrate) return;
      for (const encoding of parameters.encodings ?? []) encoding.maxBitrate = maxBitrate;
      await sender.setParameters(parameters);
    }

    /**
     * Changes the filter by the data channel, or by HTTP where that is too long for a message.
     * @param {string | string[]} name @param {object} params @returns {Promise<Applied>}
     */
    async changeFilter(name, params) {
      const control = /** @type {Control} */ (this.#control);
      const body = JSON.stringify({ filter: name, params });
      const isLong = body.length > MAX_CONTROL_CHARACTERS;
      if (!isLong && this.#longChanges === 0) {
        const change = control.changeFilter(name, params);
        this.#changed = change.catch(() => {});
        return change;
      }
      // One after another: neither way knows of the other, and what was asked for last has to come last.
      this.#longChanges += 1;
      const change = this.#changed.then(() => (isLong ? this.#post(body) : control.changeFilter(name, params)));
      this.#changed = change.catch(() => {}).finally(() => {
        this.#longChanges -= 1;
      });
      return change;
    }

    /** @param {string} body of a change @returns {Promise<Applied>} */
    async #post(body) {
      const { signal } = this.#abort;
      const closed = new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      // Who answers this has given the session its id.
      if (this.id === null) await this.#control?.ping();
      signal.throwIfAborted();
      return Promise.race([this.#signaling.change(/** @type {string} */ (this.id), body), closed]);
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

    /** @param {MediaStreamTrack} camera @param {Promise<RTCIceServer[]>} iceServers */
    async #connect(camera, iceServers) {
      if (this.#settings.fault) throw this.#settings.fault;
      if (!this.#settings.server) throw new Fault("bad_settings", "p2pcamera.server is not set");
      const { signal } = this.#abort;
      const configuration = { iceServers: await iceServers, bundlePolicy: /** @type {const} */ ("max-bundle") };
      if (signal.aborted) return;
      const peer = new RTCPeerConnection(configuration);
      this.#peer = peer;
      const candidates = new Candidates(peer);
      // An answer cannot add a data channel, so it is in the offer.
      const channel = peer.createDataChannel("control");
      this.#control = new Control(channel, this.#on.message);
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

      const { receiver } = await this.#addCamera(peer, camera);
      await peer.setLocalDescription(await peer.createOffer());
      const description = await candidates.offer();
      if (signal.aborted) return;
      const { filter, params } = this.#settings;
      this.asked = { filter, params };
      const answer = await this.#signaling.offer(description, signal);
      this.id = answer.id;
      if (signal.aborted) {
        this.#signaling.end(answer.id).catch(() => {});
        return;
      }
      this.filters = Object.freeze(answer.filters);
      this.isPrivate = answer.isPrivate;
      candidates.follow((fragment) => {
        this.#signaling
          .trickle(answer.id, fragment)
          .catch((error) => console.warn(`p2pcamera: ${error.message}`));
      });
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      if (signal.aborted) return;
      this.#on.track(receiver.track);
      await firstFrame(peer, receiver.track);
      isUp = true;
    }

    /** @param {RTCPeerConnection} peer @param {MediaStreamTrack} camera */
    async #addCamera(peer, camera) {
      camera.contentHint = "motion";
      const transceiver = peer.addTransceiver(camera, {
        direction: "sendrecv",
        sendEncodings: [{ maxBitrate: bitrateCap(getTrackSettings.call(camera)) }],
      });
      this.#sender = transceiver.sender;
      if ("jitterBufferTarget" in transceiver.receiver) transceiver.receiver.jitterBufferTarget = 0;
      // The filter sees, and gives back, as many pixels as the camera has: sharpness gives way first.
      const parameters = transceiver.sender.getParameters();
      Object.assign(parameters, { degradationPreference: "maintain-resolution" });
      await transceiver.sender.setParameters(parameters).catch(() => {});
      return transceiver;
    }
  }

  // --- tracks of our own ----------------------------------------------------------------------------------

  /**
   * What the frames of one track are made to be. `frameRate` is null where all that come are wanted.
   * @typedef {{width?: number, height?: number, frameRate: number | null}} Shape
   */

  /**
   * Where the frames of one track after another go into the page's tracks. `newTrack` makes one, once there was
   * something to show, of a class of `place`; `end` ends one. `feed` begins to pass on the frames of a track,
   * asks `onFrame` before each, and returns what ends that. `repeat` passes on the last frame again, `cover` a black one.
   * @typedef {object} Surface
   * @property {boolean} outlivesItsSource
   * @property {boolean} seesFrames false where frames may come without a call of `onFrame`
   * @property {(place: Window, shape: () => Shape) => MediaStreamTrack} newTrack
   * @property {(track: MediaStreamTrack) => void} end
   * @property {(track: MediaStreamTrack, onFrame: OnFrame) => () => void} feed
   * @property {() => void} repeat
   * @property {() => void} cover
   * @property {() => void} close
   */

  /**
   * Whether a frame is to be passed on; its RTP timestamp is undefined where it has none, or the browser tells none.
   * @typedef {(rtpTimestamp: number | undefined) => boolean} OnFrame
   */

  /** @returns {Surface} the best that this browser has */
  function newSurface() {
    if (canGenerate()) return new GeneratorSurface();
    const canPaint =
      "captureStream" in HTMLCanvasElement.prototype &&
      "requestVideoFrameCallback" in HTMLVideoElement.prototype;
    return canPaint ? new CanvasSurface() : new RemoteSurface();
  }

  /**
   * A `VideoTrackGenerator` that is to be had in workers alone is no use: a strict content-security policy
   * lets a page have no worker of ours.
   */
  function canGenerate() {
    const hasGenerator = "MediaStreamTrackGenerator" in window || "VideoTrackGenerator" in window;
    return "MediaStreamTrackProcessor" in window && hasGenerator;
  }

  /** @param {any} place @returns {{track: MediaStreamTrack, writable: WritableStream}} */
  function newGenerator({ MediaStreamTrackGenerator: Generator, VideoTrackGenerator }) {
    if (!Generator) return new VideoTrackGenerator();
    const track = new Generator({ kind: "video" });
    return { track, writable: track.writable };
  }

  /** Makes the frames that come the frames of one track: in its size, and no more of them than it takes. */
  class Shaper {
    #shape;
    #dueAt_ms = 0;

    /** @param {() => Shape} shape */
    constructor(shape) {
      this.#shape = shape;
    }

    /** @param {number} now_ms @returns {boolean} whether a frame is to be passed on */
    takes(now_ms) {
      const { frameRate } = this.#shape();
      if (!frameRate) return true;
      if (now_ms < this.#dueAt_ms) return false;
      const interval_ms = 1000 / frameRate;
      // Half an interval early is in time, and who was late does not hurry.
      this.#dueAt_ms = Math.max(this.#dueAt_ms + interval_ms, now_ms + interval_ms / 2);
      return true;
    }

    /**
     * @param {number} width of a frame @param {number} height
     * @returns {{width: number, height: number, crop: [number, number, number, number]}} the size to make of it,
     *   and what of the frame is to fill that: its middle, in the proportions of the size
     */
    fit(width, height) {
      const shape = this.#shape();
      let size = { width: shape.width || width, height: shape.height || height };
      // A telephone that is turned: the camera's settings may stay those of the upright one.
      if (width < height !== size.width < size.height) size = { width: size.height, height: size.width };
      const scale = Math.min(width / size.width, height / size.height);
      const [cropWidth, cropHeight] = [size.width * scale, size.height * scale];
      const crop = /** @type {[number, number, number, number]} */ ([
        (width - cropWidth) / 2,
        (height - cropHeight) / 2,
        cropWidth,
        cropHeight,
      ]);
      return { ...size, crop };
    }
  }

  /** One generator, and the page's track made from it. */
  class GeneratorOutlet {
    #generator;
    #writer;
    #shaper;
    /** Where frames of another size are drawn. @type {OffscreenCanvasRenderingContext2D | null} */
    #pen = null;

    /** @param {Window} place @param {() => Shape} shape */
    constructor(place, shape) {
      const { track, writable } = newGenerator(place);
      this.#generator = track;
      this.#writer = writable.getWriter();
      this.#shaper = new Shaper(shape);
      // The generator has methods of its own; a clone is a plain track.
      this.track = cloneTrack.call(track);
    }

    /** @param {any} frame a VideoFrame, left open @param {number} at_us */
    async write(frame, at_us) {
      if (!this.#shaper.takes(at_us / 1000)) return;
      const stamped = this.#fitted(frame, at_us);
      // Fails where it has been closed.
      await this.#writer.write(stamped).catch(() => {});
      stamped.close();
    }

    close() {
      stopTrack.call(this.track);
      this.#writer.close().catch(() => {});
      stopTrack.call(this.#generator);
    }

    /** @param {any} frame @param {number} timestamp */
    #fitted(frame, timestamp) {
      const { VideoFrame } = /** @type {any} */ (window);
      const { displayWidth, displayHeight } = frame;
      const { width, height, crop } = this.#shaper.fit(displayWidth, displayHeight);
      // Nearly always: without a copy of its pixels.
      if (width === displayWidth && height === displayHeight) return new VideoFrame(frame, { timestamp });
      if (this.#pen?.canvas.width !== width || this.#pen.canvas.height !== height) {
        this.#pen = new OffscreenCanvas(width, height).getContext("2d", { alpha: false });
      }
      const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (this.#pen);
      pen.drawImage(frame, ...crop, 0, 0, width, height);
      return new VideoFrame(pen.canvas, { timestamp, alpha: "discard" });
    }
  }

  /** Frames as they come, written into generators. @implements {Surface} */
  class GeneratorSurface {
    outlivesItsSource = true;
    seesFrames = true;
    /** @type {Map<MediaStreamTrack, GeneratorOutlet>} */
    #outlets = new Map();
    #lastAt_us = 0;
    /** @type {any} the last frame, a VideoFrame */
    #last = null;

    /** @param {Window} place @param {() => Shape} shape */
    newTrack(place, shape) {
      const outlet = new GeneratorOutlet(place, shape);
      this.#outlets.set(outlet.track, outlet);
      // In an outage there may be no other for long.
      if (this.#last) outlet.write(this.#last, this.#lastAt_us);
      return outlet.track;
    }

    /** @param {MediaStreamTrack} track */
    end(track) {
      this.#outlets.get(track)?.close();
      this.#outlets.delete(track);
    }

    /** @param {MediaStreamTrack} track @param {OnFrame} onFrame */
    feed(track, onFrame) {
      // Of one frame, so that a page that was busy gets the newest.
      const processor = new /** @type {any} */ (window).MediaStreamTrackProcessor({ track, maxBufferSize: 1 });
      const reader = processor.readable.getReader();
      let isOpen = true;
      const pass = async () => {
        /** @type {number | null} */
        let offset_us = null;
        for (;;) {
          const { done, value: frame } = await reader.read();
          if (done) return;
          if (!isOpen) return frame.close();
          if (!onFrame(frame.metadata?.().rtpTimestamp)) {
            frame.close();
            continue;
          }
          // Every track has a clock of its own, and an encoder drops frames whose time goes back.
          offset_us ??= performance.now() * 1000 - frame.timestamp;
          await this.#write(frame, frame.timestamp + offset_us);
        }
      };
      pass().catch(() => {});
      return () => {
        isOpen = false;
        reader.cancel().catch(() => {});
      };
    }

    repeat() {
      if (this.#last) this.#write(this.#last, performance.now() * 1000);
    }

    cover() {
      if (!this.#last) return;
      const { displayWidth, displayHeight } = this.#last;
      const canvas = new OffscreenCanvas(displayWidth, displayHeight);
      canvas.getContext("2d", { alpha: false });
      const { VideoFrame } = /** @type {any} */ (window);
      this.#write(new VideoFrame(canvas, { timestamp: 0, alpha: "discard" }), performance.now() * 1000);
    }

    close() {
      for (const outlet of this.#outlets.values()) outlet.close();
      this.#outlets.clear();
      this.#last?.close();
      this.#last = null;
    }

    /** @param {any} frame a VideoFrame, kept until the next @param {number} at_us */
    async #write(frame, at_us) {
      this.#lastAt_us = Math.max(Math.round(at_us), this.#lastAt_us + 1);
      if (this.#last !== frame) this.#last?.close();
      this.#last = frame;
      await Promise.all([...this.#outlets.values()].map((outlet) => outlet.write(frame, this.#lastAt_us)));
    }
  }

  /** Frames painted on canvases, which in a hidden tab stand still. @implements {Surface} */
  class CanvasSurface {
    outlivesItsSource = true;
    /** @type {Map<MediaStreamTrack, {pen: CanvasRenderingContext2D, shaper: Shaper}>} */
    #outlets = new Map();
    /** Whose frames are shown now. @type {HTMLVideoElement | null} */
    #video = null;

    get seesFrames() {
      return !document.hidden;
    }

    /** @param {Window} place @param {() => Shape} shape */
    newTrack(place, shape) {
      const canvas = place.document.createElement("canvas");
      const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
      const outlet = { pen, shaper: new Shaper(shape) };
      const [track] = canvas.captureStream().getVideoTracks();
      this.#outlets.set(track, outlet);
      if (this.#video) this.#paint(outlet, this.#video);
      return track;
    }

    /** @param {MediaStreamTrack} track */
    end(track) {
      this.#outlets.delete(track);
      stopTrack.call(track);
    }

    /** @param {MediaStreamTrack} track @param {OnFrame} onFrame */
    feed(track, onFrame) {
      const video = document.createElement("video");
      Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
      let isOpen = true;
      const paint = (/** @type {number} */ _, /** @type {any} */ metadata) => {
        if (!isOpen) return;
        video.requestVideoFrameCallback(paint);
        if (!onFrame(metadata.rtpTimestamp)) return;
        this.#video = video;
        for (const outlet of this.#outlets.values()) this.#paint(outlet, video);
      };
      video.requestVideoFrameCallback(paint);
      video.play().catch(() => {});
      return () => {
        isOpen = false;
        if (this.#video === video) this.#video = null;
        video.srcObject = null;
      };
    }

    repeat() {
      for (const { pen } of this.#outlets.values()) pen.drawImage(pen.canvas, 0, 0);
    }

    cover() {
      this.#video = null;
      for (const { pen } of this.#outlets.values()) pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
    }

    close() {
      for (const track of this.#outlets.keys()) stopTrack.call(track);
      this.#outlets.clear();
    }

    /** @param {{pen: CanvasRenderingContext2D, shaper: Shaper}} outlet @param {HTMLVideoElement} video */
    #paint({ pen, shaper }, video) {
      const { videoWidth, videoHeight } = video;
      if (!videoWidth || !shaper.takes(performance.now())) return;
      const { width, height, crop } = shaper.fit(videoWidth, videoHeight);
      // Even the same size would clear it.
      if (pen.canvas.width !== width) pen.canvas.width = width;
      if (pen.canvas.height !== height) pen.canvas.height = height;
      pen.drawImage(video, ...crop, 0, 0, width, height);
    }
  }

  /** The connection's own track, which ends with it. @implements {Surface} */
  class RemoteSurface {
    outlivesItsSource = false;
    seesFrames = false;
    /** @type {MediaStreamTrack | null} */
    #track = null;

    newTrack() {
      return cloneTrack.call(this.#track);
    }

    /** @param {MediaStreamTrack} track */
    end(track) {
      stopTrack.call(track);
    }

    /** @param {MediaStreamTrack} track */
    feed(track) {
      this.#track ??= track;
      return () => {};
    }

    repeat() {}
    cover() {}
    close() {}
  }

  /** What the page sees: filtered frames of the newest connection, or, where it is told to, the raw camera. */
  class Picture {
    #surface = newSurface();
    #endFiltered = () => {};
    /** @type {(() => void) | null} */
    #endRaw = null;
    #filteredAt_ms = performance.now();
    #repeatedAt_ms = 0;
    /** Whether the last frame shown is the camera's. */
    #isRaw = false;
    /** What is older is not shown. @type {{first: number, opened: () => void} | null} */
    #gate = null;
    /** Whether frames say which they are. */
    #tellsTimestamps = false;

    get outlivesItsConnection() {
      return this.#surface.outlivesItsSource;
    }
    get seesFrames() {
      return this.#surface.seesFrames;
    }
    get showsRaw() {
      return this.#endRaw !== null;
    }
    get isRaw() {
      return this.#isRaw;
    }

    /** @param {Window} place @param {() => Shape} shape */
    newTrack(place, shape) {
      return this.#surface.newTrack(place, shape);
    }

    /** @param {MediaStreamTrack} track */
    endTrack(track) {
      this.#surface.end(track);
    }

    /** @param {number} now_ms @returns {number} for how long no filtered frame has come, as far as can be seen */
    silence_ms(now_ms) {
      return now_ms - this.#filteredAt_ms;
    }

    /** @param {MediaStreamTrack} filtered of a new connection */
    show(filtered) {
      this.#endFiltered();
      // Its frames are numbered anew, and all of what it was opened for.
      this.#openGate();
      this.#endFiltered = this.#surface.feed(filtered, (rtpTimestamp) => {
        this.#filteredAt_ms = performance.now();
        this.#tellsTimestamps = rtpTimestamp !== undefined;
        if (this.#gate && rtpTimestamp !== undefined) {
          // Modulo 2^32.
          if (((rtpTimestamp - this.#gate.first) | 0) < 0) return false;
          this.#openGate();
        }
        this.#isRaw = false;
        this.hideRaw();
        return true;
      });
    }

    /**
     * Returns when the page sees nothing of the connection any more that is older than a frame of it.
     * @param {number | null} first its RTP timestamp, null where it is not known
     */
    async showFrom(first) {
      if (first === null || !this.#tellsTimestamps) return pause(FLUSH_MS);
      this.#openGate();
      let isOpen = false;
      const opened = new Promise((resolve) => {
        const open = () => {
          isOpen = true;
          resolve(undefined);
        };
        this.#gate = { first, opened: open };
      });
      await Promise.race([opened, pause(NEW_FRAME_TIMEOUT_MS)]);
      if (!isOpen) this.#surface.cover();
      return pause(ON_SCREEN_MS);
    }

    /** Hides what stands there until the next frame comes. */
    cover() {
      this.hideRaw();
      this.#isRaw = false;
      this.#surface.cover();
    }

    #openGate() {
      this.#gate?.opened();
      this.#gate = null;
    }

    /** @param {MediaStreamTrack} camera */
    showRaw(camera) {
      this.#endRaw ??= this.#surface.feed(camera, () => {
        this.#isRaw = true;
        return true;
      });
    }

    hideRaw() {
      this.#endRaw?.();
      this.#endRaw = null;
    }

    /** Shows the last frame again: who joins a call in an outage would have nothing. @param {number} now_ms */
    repeat(now_ms) {
      if (this.#isRaw || now_ms - Math.max(this.#filteredAt_ms, this.#repeatedAt_ms) < REPEAT_MS) return;
      this.#repeatedAt_ms = now_ms;
      this.#surface.repeat();
    }

    close() {
      this.#endFiltered();
      this.#openGate();
      this.hideRaw();
      this.#surface.close();
    }
  }

  // --- sound in step --------------------------------------------------------------------------------------

  /**
   * How much later the filtered picture comes than the camera's, in milliseconds: the median of the last seconds'
   * sums of what encoding, waiting to be sent, the jitter buffer and decoding took in this browser, the round
   * trip on the data channel, and what the server says of decoding, filtering and encoding. Packets on their way
   * through the server's sockets, and this file's own track, are not in it.
   */
  class LatencyMeter {
    #session;
    /** @type {{id: string | null, sums: Record<string, number>} | null} */
    #before = null;
    /** @type {number[]} */
    #pings_ms = [];
    /** @type {number[]} */
    #recent_ms = [];

    /** @param {CameraSession} session */
    constructor(session) {
      this.#session = session;
    }

    /** @returns {Promise<number | null>} null before the second call, and where no frame came since the last */
    async take() {
      const { id, stats } = this.#session;
      const [ping_ms, report] = await Promise.all([this.#session.ping(), this.#session.getStats()]);
      const sums = rtpSums(report);
      const before = this.#before;
      this.#before = { id, sums };
      this.#pings_ms = [...this.#pings_ms, ping_ms].slice(-KEPT_MEASUREMENTS);
      if (before?.id !== id) return null;
      /** @param {string} time @param {string} count */
      const mean_ms = (time, count) => {
        const times = sums[count] - before.sums[count];
        return times > 0 ? (1000 * (sums[time] - before.sums[time])) / times : 0;
      };
      // One that does not tell what decoding and encoding take is taken to do it in no time.
      const { total, decode = 0, encode = 0 } = stats?.latency_ms ?? {};
      if (total === undefined || sums.framesDecoded === before.sums.framesDecoded) return null;
      const sum_ms =
        mean_ms("totalEncodeTime", "framesEncoded") +
        mean_ms("totalPacketSendDelay", "packetsSent") +
        median(this.#pings_ms) +
        decode +
        total +
        encode +
        mean_ms("jitterBufferDelay", "jitterBufferEmittedCount") +
        mean_ms("totalDecodeTime", "framesDecoded");
      this.#recent_ms = [...this.#recent_ms, sum_ms].slice(-KEPT_MEASUREMENTS);
      return median(this.#recent_ms);
    }
  }

  /** @param {RTCStatsReport} report @returns {Record<string, number>} what it counts of video, times in seconds */
  function rtpSums(report) {
    /** @type {Record<string, number>} */
    const sums = {};
    const names = {
      "outbound-rtp": ["totalEncodeTime", "framesEncoded", "totalPacketSendDelay", "packetsSent"],
      "inbound-rtp": ["jitterBufferDelay", "jitterBufferEmittedCount", "totalDecodeTime", "framesDecoded"],
    };
    for (const entry of report.values()) {
      if (entry.kind !== "video") continue;
      // Not every browser counts all of them.
      for (const name of names[/** @type {keyof names} */ (entry.type)] ?? []) sums[name] = entry[name] ?? 0;
    }
    return sums;
  }

  /** @param {number[]} values @returns {number} */
  function median(values) {
    return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  }

  /** The sound of one call, as late as its picture. Closes its audio context with the last of its tracks. */
  class Sound {
    #session;
    #context;
    /** @type {Set<DelayedMicrophone>} */
    #delayed = new Set();
    /** The delay's way through time, by the context's clock. */
    #path = { from_s: 0, to_s: 0, at_s: 0, until_s: 0 };
    /** What the sound takes besides the delay. */
    #way_s = USUAL_AUDIO_WAY_S;
    #stepCount = 0;
    #timer = 0;
    #onClose;

    /** @param {CameraSession} session @param {AudioContext} context that runs @param {() => void} onClose */
    constructor(session, context, onClose) {
      this.#session = session;
      this.#context = context;
      this.#onClose = onClose;
      this.#follow(new LatencyMeter(session));
      // Put to sleep with the machine, or by a telephone call.
      context.addEventListener("statechange", () => {
        if (context.state !== "running" && context.state !== "closed") context.resume().catch(() => {});
      });
    }

    /** @param {MediaStreamTrack} microphone @returns {MediaStreamTrack} the page's, in its place */
    add(microphone) {
      const delayed = new DelayedMicrophone(this.#context, microphone, {
        clone: (copy) => this.add(copy),
        stopped: () => {
          this.#delayed.delete(delayed);
          if (this.#delayed.size === 0) this.#close();
        },
      });
      this.#delayed.add(delayed);
      delayed.follow(this.#path);
      return delayed.track;
    }

    #close() {
      clearTimeout(this.#timer);
      this.#session.audioDelay_ms = null;
      this.#context.close().catch(() => {});
      this.#onClose();
    }

    /** Ends the page's tracks, as if their microphones were unplugged. */
    end() {
      for (const delayed of this.#delayed) delayed.end();
    }

    /** @param {LatencyMeter} meter */
    #follow(meter) {
      this.#timer = setTimeout(async () => {
        const session = this.#session;
        if (session.state === "live") {
          session.latency_ms = (await meter.take().catch(() => null)) ?? session.latency_ms;
          await this.#listen();
        }
        if (this.#delayed.size === 0) return;
        // Without a picture there are no lips to match.
        this.#delayBy(session.isOpen ? (session.latency_ms ?? 0) / 1000 : 0);
        if (session.isOpen) this.#follow(meter);
      }, MEASURE_MS);
    }

    /** Finds out, now and then, what the sound takes by itself: it is more after each moment the machine stood still. */
    async #listen() {
      const [delayed] = this.#delayed;
      if (!delayed || this.#context.currentTime < this.#path.until_s + 3 * AUDIO_FADE_S) return;
      if (this.#stepCount % LISTEN_EACH === 0) {
        const delay_s = this.#path.to_s;
        const late_ms = await delayed.lateness_ms(1000 * (delay_s + this.#way_s)).catch(() => null);
        if (late_ms === null) return;
        const heard_s = Math.max(late_ms / 1000 - delay_s, 0);
        const isNews = Math.abs(heard_s - this.#way_s) > NEWS_S;
        this.#way_s = heard_s;
        // Once more, before it is believed for a while.
        if (isNews) return;
      }
      this.#stepCount += 1;
    }

    /** @param {number} latency_s */
    #delayBy(latency_s) {
      const now_s = this.#context.currentTime;
      const { from_s, to_s, at_s, until_s } = this.#path;
      const isUnderWay = now_s < until_s;
      const delay_s = isUnderWay ? from_s + ((to_s - from_s) * (now_s - at_s)) / (until_s - at_s) : to_s;
      const wanted_s = Math.min(Math.max(latency_s - this.#way_s, 0), LONGEST_AUDIO_DELAY_S);
      this.#session.audioDelay_ms = 1000 * (delay_s + this.#way_s);
      const change_s = Math.abs(wanted_s - delay_s);
      if (change_s < SMALLEST_AUDIO_CHANGE_S) return;
      const takes_s = change_s > AUDIO_LEAP_S ? 0 : change_s / AUDIO_RAMP_RATE;
      this.#path = { from_s: delay_s, to_s: wanted_s, at_s: now_s, until_s: now_s + takes_s };
      for (const delayed of this.#delayed) delayed.follow(this.#path);
    }
  }

  /**
   * How loud a track is, in steps of a millisecond, from one moment on.
   * @param {MediaStreamTrack} track
   * @param {number} duration_ms
   * @returns {Promise<{from_ms: number, levels: number[]}>} by `performance.now`
   */
  async function loudness(track, duration_ms) {
    const { MediaStreamTrackProcessor: Processor } = /** @type {any} */ (window);
    const reader = new Processor({ track, maxBufferSize: 100 }).readable.getReader();
    /** @type {number[]} */
    const levels = [];
    let from_ms = Infinity;
    let length_ms = 0;
    try {
      while (length_ms < duration_ms) {
        const { done, value: data } = await reader.read();
        if (done) break;
        const cameAt_ms = performance.now();
        const { numberOfFrames, sampleRate } = data;
        const samples = new Float32Array(numberOfFrames);
        data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        data.close();
        for (const [index, sample] of samples.entries()) {
          const at_ms = Math.floor(length_ms + (1000 * index) / sampleRate);
          levels[at_ms] = (levels[at_ms] ?? 0) + Math.abs(sample);
        }
        length_ms += (1000 * numberOfFrames) / sampleRate;
        // Never early, and late only where this thread was busy.
        from_ms = Math.min(from_ms, cameAt_ms - length_ms);
      }
    } finally {
      reader.cancel().catch(() => {});
    }
    return { from_ms, levels };
  }

  /** @param {number[]} one @param {number[]} other @returns {number} -1 to 1, 0 where one does not change */
  function likeness(one, other) {
    const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [meanOne, meanOther] = [mean(one), mean(other)];
    let [product, squaresOne, squaresOther] = [0, 0, 0];
    one.forEach((value, index) => {
      const [a, b] = [value - meanOne, other[index] - meanOther];
      product += a * b;
      squaresOne += a * a;
      squaresOther += b * b;
    });
    return product / Math.sqrt(squaresOne * squaresOther) || 0;
  }

  /** @returns {Promise<AudioContext | null>} one that runs; null where a page without a gesture may have none */
  async function runningContext() {
    if (!AudioContext || !MediaStreamAudioDestinationNode) return null;
    try {
      // Nothing is to be heard here: no output device, where the browser can do without.
      const context = new AudioContext(/** @type {any} */ ({ sinkId: { type: "none" } }));
      await Promise.race([context.resume().catch(() => {}), pause(AUDIO_START_TIMEOUT_MS)]);
      if (context.state === "running") return context;
      context.close().catch(() => {});
    } catch {
      // As many contexts as the browser allows are there already.
    }
    return null;
  }

  /** A track of the page's in place of a microphone's, which stands behind it as its face. */
  class DelayedMicrophone {
    #microphone;
    #context;
    #on;
    #source;
    #delay;
    #gain;
    #hasEnded = false;

    /**
     * @param {AudioContext} context
     * @param {MediaStreamTrack} microphone
     * @param {{clone: (microphone: MediaStreamTrack) => MediaStreamTrack, stopped: () => void}} on `clone` gives
     *   the page's track for a copy of the microphone's
     */
    constructor(context, microphone, on) {
      this.#context = context;
      this.#microphone = microphone;
      this.#on = on;
      const { channelCount = 1 } = getTrackSettings.call(microphone);
      this.#source = new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([microphone]) });
      this.#delay = new DelayNode(context, { maxDelayTime: LONGEST_AUDIO_DELAY_S });
      this.#gain = new GainNode(context);
      const destination = new MediaStreamAudioDestinationNode(context, { channelCount });
      this.#source.connect(this.#delay).connect(this.#gain).connect(destination);
      [this.track] = destination.stream.getAudioTracks();
      faces.set(this.track, this);
      for (const type of ["mute", "unmute"]) {
        microphone.addEventListener(type, () => this.track.dispatchEvent(new Event(type)));
      }
      microphone.addEventListener("ended", () => this.end());
    }

    /** The microphone is gone: says so to the page. */
    end() {
      if (this.#hasEnded) return;
      this.stop();
      this.track.dispatchEvent(new Event("ended"));
    }

    /** @param {{from_s: number, to_s: number, at_s: number, until_s: number}} path by the context's clock */
    follow({ from_s, to_s, at_s, until_s }) {
      const { delayTime } = this.#delay;
      delayTime.cancelScheduledValues(0);
      if (until_s > at_s) {
        delayTime.setValueAtTime(from_s, at_s);
        delayTime.linearRampToValueAtTime(to_s, until_s);
        return;
      }
      const { gain } = this.#gain;
      const now_s = this.#context.currentTime;
      gain.cancelScheduledValues(0);
      gain.setValueAtTime(1, now_s);
      gain.linearRampToValueAtTime(0, now_s + AUDIO_FADE_S);
      delayTime.setValueAtTime(to_s, now_s + 1.5 * AUDIO_FADE_S);
      gain.setValueAtTime(0, now_s + 2 * AUDIO_FADE_S);
      gain.linearRampToValueAtTime(1, now_s + 3 * AUDIO_FADE_S);
    }

    /**
     * How much later than the microphone this track sounds, by what both sound like for a moment.
     * @param {number} expected_ms
     * @returns {Promise<number | null>} null where that cannot be told: in silence, or in a browser that cannot
     */
    async lateness_ms(expected_ms) {
      if (!("MediaStreamTrackProcessor" in window)) return null;
      const duration_ms = LISTEN_MS + Math.max(expected_ms, 0) + LISTEN_AROUND_MS;
      const listening = [this.#microphone, this.track].map((track) => loudness(track, duration_ms));
      // A microphone that is muted sends nothing at all.
      const heard = await Promise.race([Promise.all(listening), pause(3 * duration_ms)]);
      if (!heard) return null;
      const [said, late] = heard;
      let best = { likeness: LEAST_LIKENESS, late_ms: /** @type {number | null} */ (null) };
      const shift_ms = said.from_ms - late.from_ms;
      const least_ms = Math.max(expected_ms - LISTEN_AROUND_MS, 0);
      for (let late_ms = least_ms; late_ms < expected_ms + LISTEN_AROUND_MS; late_ms += 1) {
        const at = Math.round(shift_ms + late_ms);
        const begin = Math.max(0, -at);
        const length = Math.min(LISTEN_MS / 2, said.levels.length - begin, late.levels.length - begin - at);
        if (length < LISTEN_MS / 2) continue;
        const one = said.levels.slice(begin, begin + length);
        const other = late.levels.slice(begin + at, begin + at + length);
        const now = likeness(one, other);
        if (now > best.likeness) best = { likeness: now, late_ms };
      }
      return best.late_ms;
    }

    // What the page calls

    get label() {
      return this.#microphone.label;
    }
    get muted() {
      return this.#microphone.muted;
    }
    get stats() {
      return /** @type {any} */ (this.#microphone).stats;
    }
    getSettings() {
      return getTrackSettings.call(this.#microphone);
    }
    getCapabilities() {
      return getTrackCapabilities.call(this.#microphone);
    }
    getConstraints() {
      return getTrackConstraints.call(this.#microphone);
    }
    /** @param {MediaTrackConstraints} [constraints] */
    applyConstraints(constraints) {
      return applyTrackConstraints.call(this.#microphone, constraints);
    }
    /** What is said while it is off is not to be heard when it is on again. @param {boolean} isEnabled */
    enable(isEnabled) {
      this.#microphone.enabled = isEnabled;
    }
    clone() {
      if (this.#hasEnded) return cloneTrack.call(this.track);
      const copy = this.#on.clone(cloneTrack.call(this.#microphone));
      copy.contentHint = this.track.contentHint;
      copy.enabled = this.track.enabled;
      return copy;
    }
    stop() {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      stopTrack.call(this.track);
      stopTrack.call(this.#microphone);
      for (const node of [this.#source, this.#delay, this.#gain]) node.disconnect();
      this.#on.stopped();
    }
  }

  // --- a session ------------------------------------------------------------------------------------------

  /**
   * Owns the camera's track, what the page sees, and one connection after another; closes all with the last of
   * the tracks it gave out.
   */
  class CameraSession {
    #camera;
    #settings;
    #signaling;
    #notify;
    /** @type {P2PCameraState} */
    #state = "connecting";
    /** @type {Fault | null} */
    #fault = null;
    /** @type {Link | null} the newest */
    #link = null;
    /** @type {Picture | null} */
    #picture = null;
    /** What the server accepted last. @type {Choice | null} */
    #accepted = null;
    /** The choice before that. @type {Choice | null} */
    #acceptedBefore = null;
    /** @type {readonly string[]} */
    #filters = [];
    /** Whether what the server applies hides what the camera sees, by its own word. */
    #isPrivate = false;
    /** Settled when the server has told what is private, where that decides what is shown. */
    #areFiltersKnown = Promise.resolve();
    /** @type {P2PCameraStats | null} */
    #stats = null;
    /** @type {number | null} */
    latency_ms = null;
    /** @type {number | null} */
    audioDelay_ms = null;
    /** @type {Set<TrackFace>} the page's tracks, until each is stopped */
    #givenOut = new Set();
    /** @type {Promise<void> | null} */
    #opening = null;
    #lookTimer = 0;
    #lookedAt_ms = 0;
    #isChecking = false;
    /** Changes that wait for a connection. @type {((fault: Fault | null) => void)[]} */
    #waiting = [];
    #wake = () => {};
    /** Whether there was a reason to try again at once while a try was under way. */
    #isWoken = false;

    /**
     * @param {MediaStreamTrack} camera
     * @param {Settings} settings
     * @param {(type: string, detail: object) => void} notify
     */
    constructor(camera, settings, notify) {
      this.#camera = camera;
      this.#settings = settings;
      this.#signaling = newSignaling(settings);
      this.#notify = notify;
    }

    get id() {
      return this.#link?.id ?? null;
    }
    get state() {
      return this.#state;
    }
    get isOpen() {
      return ["connecting", "live", "reconnecting"].includes(this.#state);
    }
    get fault() {
      return this.#fault;
    }
    get filters() {
      return this.#filters;
    }
    get stats() {
      return this.#stats;
    }
    get camera() {
      return this.#camera;
    }

    /** What holds: with a private filter, chosen or still applied, no wish for `open` does. */
    get #outage() {
      const isPrivate = this.#isPrivate || privateFilters.includes(this.#settings.filter);
      return isPrivate ? "closed" : this.#settings.outage;
    }

    /** @param {MediaStreamTrack} camera @param {Settings} settings with which it was asked for */
    serves(camera, settings) {
      return this.isOpen && sourceOf(camera, settings) === sourceOf(this.#camera, this.#settings);
    }

    /**
     * @param {MediaStreamTrack} camera a track of the same camera, for the new track alone
     * @param {Place} place
     * @param {() => Promise<RTCIceServer[]>} findIceServers for the first connection
     * @returns {Promise<MediaStreamTrack>} the filtered track, about to show its first frame
     * @throws {Fault} with everything closed, but for the camera under `open`
     */
    async open(camera, place, findIceServers) {
      this.#opening ??= this.#openFirst(findIceServers());
      if (this.#state === "connecting") await this.#opening;
      return this.#giveOut(camera, place).track;
    }

    /** @param {Promise<RTCIceServer[]>} iceServers @throws {Fault} */
    async #openFirst(iceServers) {
      this.#camera.addEventListener("ended", () => {
        if (this.#givenOut.size === 0) this.close();
      });
      this.#notify("statechange", {});
      if (this.#settings.outage === "open") this.#learn();
      try {
        const picture = new Picture();
        this.#picture = picture;
        await this.#connect(iceServers, CONNECT_TIMEOUT_MS);
        if (picture.outlivesItsConnection) this.#lookSoon();
      } catch (error) {
        const fault = error instanceof Fault ? error : new Fault("no_media_path", String(error));
        await this.#areFiltersKnown;
        this.#end(this.#outage === "open" ? "raw" : "failed", fault);
        throw fault;
      }
    }

    #learn() {
      const told = this.#signaling.privateFilters().then(
        (filters) => {
          for (const filter of filters) privateFilters.add(filter);
          this.#obeyOutage();
        },
        () => {},
      );
      this.#areFiltersKnown = Promise.race([told, pause(ICE_SERVERS_TIMEOUT_MS)]);
    }

    #obeyOutage() {
      const picture = this.#picture;
      if (this.#outage !== "closed" || !picture) return;
      if (picture.isRaw && this.#settings.outage === "open") picture.cover();
      else picture.hideRaw();
    }

    /** @param {string | string[]} name @param {object} [params] */
    async setFilter(name, params = {}) {
      this.#requireOpen();
      const before = { filter: this.#settings.filter, params: this.#settings.params };
      // At once, so that an offer made meanwhile asks for it.
      Object.assign(this.#settings, { filter: name, params });
      this.#obeyOutage();
      if (this.#state === "connecting" && !this.#link?.control) return;
      try {
        await this.#choose(name, params);
      } catch (fault) {
        if (this.#settings.params === params) Object.assign(this.#settings, this.#accepted ?? before);
        throw fault;
      }
    }

    /** @param {'closed' | 'open'} outage */
    setOutage(outage) {
      this.#settings.outage = outage;
      if (outage === "open") this.#learn();
      this.#obeyOutage();
      this.#link?.control?.changeOutage(outage).catch(() => {});
    }

    /** @param {string | undefined} token */
    setToken(token) {
      this.#settings.token = token;
    }

    async ping() {
      this.#requireOpen();
      if (!this.#link?.control) throw new Fault("closed", "the session has no connection yet");
      return this.#link.control.ping();
    }

    async getStats() {
      const report = this.#link?.getStats();
      if (!report) throw new Fault("closed", "the session has no connection yet");
      return report;
    }

    /** Does not wait for the time at which it would look or try again. */
    lookNow() {
      if (this.#state === "live" && this.#lookTimer) this.#look();
      this.#isWoken = true;
      this.#wake();
    }

    /** @param {Place} place that goes away with its tracks */
    leave(place) {
      for (const face of this.#givenOut) if (face.place === place) face.stop();
    }

    close() {
      this.#end("ended", null);
    }

    #requireOpen() {
      if (!this.isOpen) throw this.#fault ?? new Fault("closed", "the session has ended");
    }

    /**
     * Returns when the server has accepted this choice, or a newer one has taken its place.
     * @param {string | string[]} name @param {object} params
     */
    async #choose(name, params) {
      while (this.#settings.params === params) {
        this.#requireOpen();
        if (this.#state === "reconnecting") {
          if (!this.#isPrivate && privateFilters.includes(name)) this.#picture?.cover();
          await this.#connected();
          if (this.#link?.asked?.params === params) return;
        }
        try {
          const link = /** @type {Link} */ (this.#link);
          const wasPrivate = this.#isPrivate;
          const { filters, isPrivate, first } = await link.changeFilter(name, params);
          this.#filters = Object.freeze([...filters]);
          this.#acceptedBefore = this.#accepted;
          this.#accepted = { filter: name, params };
          this.#notePrivate(name, isPrivate);
          if (isPrivate && !wasPrivate) await this.#picture?.showFrom(first);
          return;
        } catch (error) {
          if (/** @type {Fault} */ (error).code !== "connection_lost") throw error;
        }
      }
    }

    /** @param {Promise<RTCIceServer[]>} iceServers @param {number} timeout_ms @throws {Fault} */
    async #connect(iceServers, timeout_ms) {
      const link = newLink(this.#settings, {
        track: (track) => this.#picture?.show(track),
        message: (message) => this.#receive(message),
        loss: () => this.#lose(link),
      });
      this.#link = link;
      await link.open(this.#camera, iceServers, timeout_ms);
      this.#send(link);
      this.#filters = link.filters;
      this.#accepted = link.asked;
      this.#notePrivate(link.asked?.filter ?? null, link.isPrivate);
      this.#fault = null;
      this.#become("live");
    }

    /** @param {string | string[] | null} filter that applies now @param {boolean} isPrivate by the server's word */
    #notePrivate(filter, isPrivate) {
      if (isPrivate) privateFilters.add(filter);
      this.#isPrivate = isPrivate;
      this.#obeyOutage();
    }

    /** @param {any} message of the server's own accord */
    #receive(message) {
      if (message.type === "stats") {
        this.#stats = Object.freeze(message);
        if (typeof message.private === "boolean" && message.private !== this.#isPrivate) {
          this.#isPrivate = message.private;
          this.#obeyOutage();
        }
        this.#notify("stats", { stats: this.#stats });
      } else if (message.type === "progress") {
        this.#notify("progress", { filter: message.filter, fraction: message.fraction });
      } else if (message.type === "error") {
        const fault = faultFromError(message.error);
        this.#notify("fault", message.filter ? { fault, ...this.#goBack(message) } : { fault });
      }
    }

    /** The worker has refused parameters, and the server goes on with others. @param {any} message @returns {Choice} */
    #goBack({ filter, params, private: isPrivate }) {
      const names = [filter].flat();
      // Parameters that are too long for a message are those of before.
      const known = params ?? this.#acceptedBefore?.params ?? {};
      const choice = { filter: names.length > 1 ? names : names[0], params: known };
      // Unless another choice is on its way.
      if (this.#accepted?.params === this.#settings.params) Object.assign(this.#settings, choice);
      this.#accepted = choice;
      this.#filters = Object.freeze(names);
      this.#notePrivate(choice.filter, isPrivate === true);
      return choice;
    }

    // A connection that is lost, and the next

    #lookSoon() {
      clearTimeout(this.#lookTimer);
      this.#lookTimer = setTimeout(() => {
        const wasHeldUp = performance.now() - this.#lookedAt_ms > 2 * LOOK_MS;
        // What came while the page stood still, or slept, is not read yet.
        if (wasHeldUp) setTimeout(() => this.#look(), 0);
        else this.#look();
      }, LOOK_MS);
    }

    /** Looks for frames and messages that stay away. */
    #look() {
      const picture = this.#picture;
      if (picture === null || (this.#state !== "live" && this.#state !== "reconnecting")) return;
      const now_ms = performance.now();
      this.#lookedAt_ms = now_ms;
      const silence_ms = picture.silence_ms(now_ms);
      const isMissed = picture.seesFrames && silence_ms > RAW_AFTER_MS;
      if (isMissed && this.#outage === "open") picture.showRaw(this.#camera);
      if (this.#state === "reconnecting") picture.repeat(now_ms);
      else if (this.#silence_ms() > CHECK_AFTER_MS) this.#check();
      else if (silence_ms > PING_AFTER_MS) this.#link?.control?.askForWord();
      this.#lookSoon();
    }

    /** @returns {number} for how long neither a frame nor a message has come */
    #silence_ms() {
      const now_ms = performance.now();
      const sinceMessage_ms = now_ms - (this.#link?.heardAt_ms ?? now_ms);
      return Math.min(this.#picture?.silence_ms(now_ms) ?? 0, sinceMessage_ms);
    }

    /** Asks the server for a session that has fallen silent. */
    async #check() {
      const link = this.#link;
      if (this.#isChecking || !link?.id) return;
      this.#isChecking = true;
      /** @type {Fault | null} */
      const fault = await this.#signaling.check(link.id).then(
        () => null,
        (error) => error,
      );
      this.#isChecking = false;
      const limit_ms = fault === null ? BROKEN_AFTER_MS : UNREACHABLE_AFTER_MS;
      if (fault?.status === 404 || this.#silence_ms() > limit_ms) this.#lose(link);
    }

    /** @param {Link} link */
    #lose(link) {
      if (link !== this.#link || this.#state !== "live") return;
      const fault = new Fault("connection_lost", "the connection to the server was lost");
      if (!this.#picture?.outlivesItsConnection) return this.#end("failed", fault);
      this.#fault = fault;
      this.#state = "reconnecting";
      link.close(fault);
      this.#notify("statechange", {});
      this.#reconnect();
    }

    async #reconnect() {
      const lostAt_ms = performance.now();
      let awayAt_ms = lostAt_ms;
      while (this.#state === "reconnecting") {
        this.#isWoken = false;
        try {
          await this.#connect(this.#signaling.iceServersOrFault(), RECONNECT_TIMEOUT_MS);
          return this.#settleWaiting(null);
        } catch (error) {
          if (this.#state !== "reconnecting") return;
          const fault = /** @type {Fault} */ (error);
          this.#fault = fault;
          const now_ms = performance.now();
          if (!fault.status) awayAt_ms = now_ms;
          const isStarting = now_ms - awayAt_ms < SERVICE_START_MS;
          if (isFinal(fault) && !(isStarting && fault.code === "unknown_filter")) {
            if (!this.#takeBack(fault)) return this.#refused(fault);
            continue;
          }
          const mustWait = fault.retryAfterS !== null && !(isStarting && fault.code === "no_worker");
          const asked_ms = mustWait ? 1000 * /** @type {number} */ (fault.retryAfterS) : 0;
          const growing_ms = Math.min((now_ms - lostAt_ms) * PAUSE_PART, LONGEST_PAUSE_MS);
          // Each page its own, lest all come back at once.
          const spread = 1 + Math.random() / 4;
          await this.#pause(Math.max(asked_ms, growing_ms, SHORTEST_PAUSE_MS) * spread, !mustWait);
        }
      }
    }

    /** @param {number} duration_ms @param {boolean} canWake @returns {Promise<void>} */
    #pause(duration_ms, canWake) {
      if (canWake && this.#isWoken) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, duration_ms);
        this.#wake = () => {
          if (!canWake && this.#state === "reconnecting") return;
          clearTimeout(timer);
          resolve();
        };
      });
    }

    /** Gives up a filter that was chosen in the outage and is refused. @param {Fault} fault */
    #takeBack(fault) {
      if (this.#accepted === null || this.#accepted.params === this.#settings.params) return false;
      Object.assign(this.#settings, this.#accepted);
      this.#settleWaiting(fault);
      return true;
    }

    /** @param {Fault} fault that no waiting mends */
    #refused(fault) {
      if (this.#outage === "open") this.#picture?.showRaw(this.#camera);
      this.#end(this.#outage === "open" ? "raw" : "failed", fault);
    }

    /** @returns {Promise<void>} rejects where what the offer asked for was refused, or the session ends */
    #connected() {
      return new Promise((resolve, reject) => {
        this.#waiting.push((fault) => (fault ? reject(fault) : resolve()));
      });
    }

    /** @param {Fault | null} fault */
    #settleWaiting(fault) {
      for (const settle of this.#waiting.splice(0)) settle(fault);
    }

    // The page's tracks

    /** @param {MediaStreamTrack} camera @param {Place} place @returns {TrackFace} */
    #giveOut(camera, place) {
      const picture = this.#picture;
      if (picture === null) throw this.#fault ?? new Fault("closed", "the session has ended");
      const track = picture.newTrack(place.window, () => this.#shapeFor(camera));
      const face = new TrackFace(track, camera, place, {
        changed: () => this.#chooseCamera(),
        stopped: () => this.#takeBackTrack(face),
        clone: () => this.#giveOut(cloneTrack.call(camera), place),
      });
      this.#givenOut.add(face);
      this.#chooseCamera();
      return face;
    }

    /** @param {MediaStreamTrack} camera @returns {Shape} */
    #shapeFor(camera) {
      const { width, height, frameRate = 0 } = getTrackSettings.call(camera);
      const isSlower = camera !== this.#camera && frameRate < getTrackSettings.call(this.#camera).frameRate;
      return { width, height, frameRate: isSlower ? frameRate : null };
    }

    /** @param {TrackFace} face */
    #takeBackTrack(face) {
      const picture = this.#picture;
      if (!this.#givenOut.delete(face) || picture === null) return;
      picture.endTrack(face.track);
      if (this.#givenOut.size === 0) return this.close();
      this.#chooseCamera();
      // Opened as large as the largest track, the camera need not stay so.
      if (this.#givenOut.size === 1) for (const last of this.#givenOut) last.reapply();
    }

    /** Of several tracks of the camera, the one with the largest picture is sent. */
    #chooseCamera() {
      const cameras = [...this.#givenOut].map((face) => face.camera);
      const most = Math.max(...cameras.map(pixels));
      if (!cameras.includes(this.#camera) || pixels(this.#camera) < most) {
        const largest = cameras.find((camera) => pixels(camera) === most);
        if (!largest) return;
        this.#camera = largest;
        if (this.#picture?.showsRaw) {
          this.#picture.hideRaw();
          this.#picture.showRaw(largest);
        }
      }
      if (this.#state === "live") this.#send(this.#link);
    }

    /** @param {Link | null} link */
    #send(link) {
      link?.send(this.#camera).catch((error) => console.warn(`p2pcamera: ${error.message}`));
    }

    /** @param {'raw' | 'failed' | 'ended'} state @param {Fault | null} fault */
    #end(state, fault) {
      // The raw camera in a track of the page's is ours to close, too.
      const isLate = this.#state === "raw" && this.#picture !== null;
      if (!this.isOpen && !isLate) return;
      const reason = fault ?? new Fault("closed", "the session was closed");
      if (!isLate) this.#fault = fault;
      const keepsPicture = state === "raw" && this.#givenOut.size > 0;
      clearTimeout(this.#lookTimer);
      this.#lookTimer = 0;
      this.#state = state;
      this.#link?.close(reason);
      this.#wake();
      this.#settleWaiting(reason);
      if (!keepsPicture) {
        if (state === "raw") this.#camera.contentHint = "";
        else stopTrack.call(this.#camera);
        const picture = this.#picture;
        this.#picture = null;
        for (const face of this.#givenOut) face.end();
        // Last, since a track that is stopped already is not told once more.
        picture?.close();
      }
      this.#notify("statechange", {});
    }

    /** @param {P2PCameraState} state */
    #become(state) {
      this.#state = state;
      this.#notify("statechange", {});
    }
  }

  /**
   * @param {MediaStreamTrack} camera @param {Settings} settings
   * @returns {string} equal where one session serves both
   */
  function sourceOf(camera, { server, filter, params }) {
    return JSON.stringify([getTrackSettings.call(camera).deviceId, server, filter, params]);
  }

  /** @param {MediaStreamTrack} camera @returns {number} of a frame, 0 while none comes; the rate decides a tie */
  function pixels(camera) {
    const { width = 0, height = 0, frameRate = 0 } = getTrackSettings.call(camera);
    return camera.muted || camera.readyState === "ended" ? 0 : width * height + frameRate / 1000;
  }

  /** @param {Fault} fault @returns {boolean} whether trying again would be of no use */
  function isFinal({ status, code }) {
    return [401, 403, 422].includes(status) || code === "unknown_filter" || code === "bad_settings";
  }

  /** @param {MediaTrackSettings} settings @returns {number} bits per second */
  function bitrateCap({ width = 640, height = 480 }) {
    // Measured best at 640x480: a sender capped where the server's codec is finds no queue in its own pacer.
    return width * height > 640 * 480 ? 2_500_000 : 1_500_000;
  }

  /** @param {RTCPeerConnection} peer @param {MediaStreamTrack} track @returns {Promise<void>} */
  function firstFrame(peer, track) {
    return new Promise((resolve) => {
      const limitWait = () => {
        if (peer.connectionState === "connected") setTimeout(resolve, FIRST_FRAME_TIMEOUT_MS);
      };
      track.addEventListener("unmute", () => resolve(), { once: true });
      peer.addEventListener("connectionstatechange", limitWait);
      limitWait();
      if (!track.muted) resolve();
    });
  }

  // --- the page's side ------------------------------------------------------------------------------------

  /** @implements {P2PCameraMembers} */
  class Page extends EventTarget {
    #settings;
    /** @type {Set<CameraSession>} */
    #sessions = new Set();
    /** Those that have ended with the raw camera in the page's tracks. @type {Set<CameraSession>} */
    #raw = new Set();
    /** @type {Set<Sound>} */
    #sounds = new Set();

    /** @param {Settings} settings */
    constructor(settings) {
      super();
      this.#settings = settings;
    }

    get sessions() {
      return Object.freeze([...this.#sessions]);
    }
    get server() {
      return this.#settings.server;
    }
    set server(server) {
      this.#settings.server = serverFromText(server, "");
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
    get token() {
      return undefined;
    }
    set token(token) {
      this.#settings.token = token || undefined;
      for (const session of this.#sessions) session.setToken(this.#settings.token);
    }

    /** @param {string | string[]} name @param {object} [params] */
    async setFilter(name, params = {}) {
      const { filter, params: paramsBefore } = this;
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

    /** Ends tracks in which the camera cannot be hidden any more, as if it were unplugged. */
    #endRaw() {
      for (const session of this.#raw) session.close();
      this.#raw.clear();
      for (const face of rawFaces) face.end();
    }

    /** @param {MediaStreamConstraints} [constraints] */
    originalGetUserMedia(constraints) {
      return home.getUserMedia.call(navigator.mediaDevices, constraints);
    }

    uninstall() {
      for (const place of places.values()) place.uninstall();
      places.clear();
      removeEventListener("pagehide", closeAll);
      this.closeAll();
      for (const sound of this.#sounds) sound.end();
    }

    /**
     * @param {Place} place
     * @param {MediaStreamConstraints} asked with video
     * @param {(constraints: MediaStreamConstraints) => Promise<MediaStream>} openCamera the browser's own call,
     *   made here and once
     */
    async filteredStream(place, asked, openCamera) {
      const findIceServers = () => newSignaling({ ...this.#settings }).iceServers();
      // Before the camera, since a session that is to be made does not wait for it then.
      const foundEarly = this.#sessions.size === 0 ? findIceServers() : null;
      const names = isObject(asked.video) && ("deviceId" in asked.video || "advanced" in asked.video);
      const stream = await openCamera(names ? { ...asked, video: widened(asked.video) } : asked);
      const [camera] = stream.getVideoTracks();
      if (asksForRaw(asked.video, camera)) return stream;
      const session = this.#sessionFor(camera);
      const microphones = stream.getAudioTracks();
      const context = this.audio === "sync" && microphones.length > 0 ? runningContext() : null;
      try {
        if (!place.isInstalled) throw new Fault("closed", "p2pcamera was uninstalled");
        const filtered = await session.open(camera, place, () => foundEarly ?? findIceServers());
        const running = await context;
        const sound = running && new Sound(session, running, () => this.#sounds.delete(/** @type {Sound} */ (sound)));
        if (sound) this.#sounds.add(sound);
        return new place.window.MediaStream([
          ...microphones.map((track) => sound?.add(track) ?? track),
          filtered,
        ]);
      } catch (error) {
        context?.then((unused) => unused?.close());
        const { message } = /** @type {Fault} */ (error);
        console.warn(`p2pcamera: ${message}`);
        if (session.state === "raw") {
          rawFace(camera, place);
          return stream;
        }
        for (const track of stream.getTracks()) stopTrack.call(track);
        const text = `The filtered camera could not start: ${message}`;
        throw new place.window.DOMException(text, "NotReadableError");
      }
    }

    /** @param {MediaStreamTrack} camera @returns {CameraSession} one for all tracks of one camera */
    #sessionFor(camera) {
      // Read only now: the question for permission may have stood there while the filter was changed.
      const settings = { ...this.#settings };
      const open = [...this.#sessions].find((session) => session.serves(camera, settings));
      if (open) return open;
      const session = new CameraSession(camera, settings, (type, detail) =>
        this.#notify(session, type, detail),
      );
      this.#sessions.add(session);
      return session;
    }

    closeAll() {
      for (const session of this.#sessions) session.close();
    }

    /** @param {Place} place that goes away */
    leave(place) {
      for (const session of this.#sessions) session.leave(place);
    }

    /** Something has changed that may have brought the network back, or taken it away. */
    lookAtAll() {
      for (const session of this.#sessions) session.lookNow();
    }

    /** @param {CameraSession} session @param {string} type @param {object} detail */
    #notify(session, type, detail) {
      if (!session.isOpen) this.#sessions.delete(session);
      if (session.state === "raw") this.#raw.add(session);
      else this.#raw.delete(session);
      this.dispatchEvent(new CustomEvent(type, { detail: { session, ...detail } }));
    }
  }

  // --- the browser's functions, replaced ------------------------------------------------------------------

  /** A window with functions of its own, which are replaced: the page's, or one of a frame in it. */
  class Place {
    /** @type {(() => void)[]} */
    #undos = [];
    #isInstalled = false;
    /** Looks for frames. */
    #observer = new MutationObserver(() => this.#reachFrames());
    /** @type {Document | null} where it looks */
    #watched = null;
    /** @type {WeakSet<HTMLIFrameElement>} */
    #reached = new WeakSet();

    /** @param {Window & typeof globalThis} window */
    constructor(window) {
      this.window = window;
      /** The browser's own. */
      this.getUserMedia = window.MediaDevices.prototype.getUserMedia;
    }

    get isInstalled() {
      return this.#isInstalled;
    }

    async #isOn() {
      return this.#isInstalled && (!embedder || (await embedder.isOn()));
    }

    install() {
      this.#isInstalled = true;
      const { MediaDevices, MediaDeviceInfo, InputDeviceInfo } = this.window;
      const { MediaStreamTrack, MediaStream, HTMLIFrameElement } = this.window;
      this.#replaceCalls(MediaDevices.prototype);
      this.#replaceOldCalls();
      this.#askFaces(MediaStreamTrack.prototype, TrackFace);
      this.#askFaces(MediaDeviceInfo.prototype, DeviceFace);
      if (InputDeviceInfo) this.#askFaces(InputDeviceInfo.prototype, DeviceFace);
      this.#replace(MediaStream.prototype, "clone", (native) => ({
        /** @this {MediaStream} */
        clone() {
          const tracks = this.getTracks();
          if (!tracks.some((track) => faces.has(track))) return native.call(this);
          return new MediaStream(tracks.map((track) => faces.get(track)?.clone() ?? cloneTrack.call(track)));
        },
      }));
      for (const name of ["contentWindow", "contentDocument"]) {
        const place = this;
        this.#replace(HTMLIFrameElement.prototype, name, (native) => ({
          /** @this {HTMLIFrameElement} */
          [name]() {
            place.#reach(this);
            return native.call(this);
          },
        }));
      }
      this.#replaceSetter(MediaStreamTrack.prototype);
      this.watch(this.window.document);
      const value = embedder ? true : page;
      Object.defineProperty(this.window, mark, { value, enumerable: !embedder, configurable: true });
      this.window.navigator.mediaDevices?.dispatchEvent(new Event("devicechange"));
    }

    uninstall() {
      this.#isInstalled = false;
      this.#observer.disconnect();
      for (const undo of this.#undos.splice(0)) undo();
      Reflect.deleteProperty(this.window, mark);
      this.window.navigator.mediaDevices?.dispatchEvent(new Event("devicechange"));
    }

    /** @param {Document} document of this place, another once the first empty one of a frame is replaced */
    watch(document) {
      if (this.#watched === document) return;
      this.#watched = document;
      this.#observer.observe(document, { childList: true, subtree: true });
      this.#reachFrames();
    }

    #reachFrames() {
      for (const frame of this.#watched?.getElementsByTagName("iframe") ?? []) this.#reach(frame);
    }

    /**
     * Replaces a frame's functions too, before what it loads can call them: a frame is empty at first, and keeps
     * its window for the first page it loads. Called whenever it is seen, since later pages bring new windows.
     * @param {HTMLIFrameElement} frame
     */
    #reach(frame) {
      const window = this.#isInstalled ? contentWindowOf.call(frame) : null;
      if (!window) return;
      if (!this.#reached.has(frame)) {
        this.#reached.add(frame);
        frame.addEventListener("load", () => this.#reach(frame));
      }
      try {
        if (!window.navigator.mediaDevices) return;
      } catch {
        // One of another origin is its own affair.
        return;
      }
      const key = window.MediaDevices.prototype;
      if (!places.has(key)) {
        // Its own script came first.
        if (mark in window) return;
        const place = new Place(window);
        places.set(key, place);
        place.install();
        const leave = () => {
          page.leave(place);
          // The next page's window is there in the next task, in which none of its scripts has run yet.
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => {
            port1.close();
            if (contentWindowOf.call(frame)?.MediaDevices?.prototype !== key) places.delete(key);
            this.#reach(frame);
          };
          port2.postMessage(null);
        };
        window.addEventListener("pagehide", leave);
      }
      places.get(key)?.watch(window.document);
    }

    /** @param {MediaDevices} prototype */
    #replaceCalls(prototype) {
      const place = this;
      this.#replace(prototype, "getUserMedia", (native) => ({
        /** @this {MediaDevices} @param {[MediaStreamConstraints?]} asked */
        async getUserMedia(...asked) {
          const [constraints] = asked;
          if (!constraints?.video || !(await place.#isOn())) return native.apply(this, asked);
          return page.filteredStream(place, constraints, (widened) => native.call(this, widened));
        },
      }));
      this.#replace(prototype, "enumerateDevices", (native) => ({
        /** @this {MediaDevices} */
        async enumerateDevices() {
          const devices = await native.call(this);
          return (await place.#isOn()) ? withFilteredCameras(devices) : devices;
        },
      }));
    }

    /** The callback forms would hand out the raw camera. */
    #replaceOldCalls() {
      for (const name of ["getUserMedia", "webkitGetUserMedia"]) {
        this.#replace(this.window.Navigator.prototype, name, () => ({
          /**
           * @this {Navigator} @param {MediaStreamConstraints} constraints
           * @param {(stream: MediaStream) => void} onStream @param {(error: DOMException) => void} onError
           */
          [name](constraints, onStream, onError) {
            this.mediaDevices.getUserMedia(constraints).then(onStream, onError);
          },
        }));
      }
    }

    /** @param {object} prototype of tracks: a delayed sound is switched off at its beginning, too */
    #replaceSetter(prototype) {
      const make = (/** @type {Function} */ native) => ({
        /** @param {unknown} isEnabled */
        enabled(isEnabled) {
          native.call(this, isEnabled);
          const face = faces.get(this);
          if (face instanceof DelayedMicrophone) face.enable(Boolean(isEnabled));
        },
      });
      this.#replace(prototype, "enabled", make, "set");
    }

    /**
     * @param {object} prototype whose members answer by the face of an object that has one
     * @param {{prototype: object}} Face
     */
    #askFaces(prototype, Face) {
      for (const name of Object.getOwnPropertyNames(prototype)) {
        if (name === "constructor" || !(name in Face.prototype)) continue;
        this.#replace(prototype, name, (native) => ({
          /** @param {any[]} given */
          [name](...given) {
            const face = faces.get(this);
            if (!face) return native.apply(this, given);
            return typeof face[name] === "function" ? face[name](...given) : face[name];
          },
        }));
      }
    }

    /**
     * Puts a function or a getter in a native one's place, equal to it in name, length and attributes.
     * @param {object} prototype
     * @param {string} name
     * @param {(native: Function) => Record<string, Function>} make an object with a method of that name, since
     *   such a one is no constructor, as native ones are not
     * @param {'get' | 'set' | 'value'} [wanted] the getter goes before the setter
     */
    #replace(prototype, name, make, wanted) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
      if (!descriptor) return;
      const kind = wanted ?? (descriptor.get ? "get" : "value");
      const native = descriptor[kind];
      const ours = make(native)[name];
      const about = { configurable: true, enumerable: false, writable: false };
      Object.defineProperty(ours, "name", { ...about, value: kind === "value" ? name : `${kind} ${name}` });
      Object.defineProperty(ours, "length", { ...about, value: native.length });
      Object.defineProperty(prototype, name, { ...descriptor, [kind]: ours });
      this.#undos.push(() => {
        // A later script may have put its own there, which calls ours.
        const isOurs = Object.getOwnPropertyDescriptor(prototype, name)?.[kind] === ours;
        if (isOurs) Object.defineProperty(prototype, name, descriptor);
      });
    }
  }

  const privateFilters = new PrivateFilters();
  /** The page's tracks that are the camera's own. @type {Set<TrackFace>} */
  const rawFaces = new Set();

  if (embedder?.connect) {
    embedder.connect({ Link, Signaling });
    return;
  }

  const page = new Page(embedder?.settings ?? readSettings(document.currentScript));
  const home = new Place(window);
  /** By what each has of its own; a frame's window seems the same one when it has gone to another page. */
  const places = new Map([[MediaDevices.prototype, home]]);
  const closeAll = () => page.closeAll();

  Object.freeze(page);
  home.install();
  embedder?.begin(page, Fault);
  addEventListener("pagehide", closeAll);
  for (const type of ["online", "pageshow"]) addEventListener(type, () => page.lookAtAll());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) page.lookAtAll();
  });
})();
