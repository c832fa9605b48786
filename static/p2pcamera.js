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
 *
 * `getUserMedia` then answers a call for video with the filtered track and the untouched audio tracks. A
 * call without video goes to the browser as it is. `window.p2pcamera` (type `P2PCamera` below) is the
 * page's way to change the filter in mid-call and to read measurements; no page needs it.
 */

/**
 * Why there is no filtered picture: code and message of the server's JSON error, or a code of this script's
 * own: `unreachable`, `no_media_path`, `timeout`, `connection_lost`, `closed`, `bad_answer`, `bad_settings`.
 * `status` is the HTTP status, 0 where there was none; `retryAfterS` the server's `Retry-After`.
 * @typedef {Error & {code: string, status: number, retryAfterS: number | null}} P2PCameraFault
 */

/**
 * `connecting` -> `live` -> `ended` (the page, or the camera, stopped) or `failed` (see `fault`). `raw`:
 * connecting failed under the outage policy `open`, and the page was given the camera as it is.
 * @typedef {'connecting' | 'live' | 'raw' | 'failed' | 'ended'} P2PCameraState
 */

/**
 * What the server measured in the last second. `state` says what its picture is just now: the filter's,
 * still waiting for the first, the card that says so (`closed`) or the raw camera (`open`). Times are in
 * milliseconds on the server's clock: `transport` to the worker and back, `wait` for a batch, the `batch`,
 * of it the `filter`, and `total` from the decoded frame to its result.
 * @typedef {Readonly<{
 *   type: 'stats', session: string, filters: string[], state: 'live' | 'waiting' | 'card' | 'raw',
 *   outage: 'closed' | 'open', frames_in: number, frames_out: number, fps_in: number, fps_out: number,
 *   worker: string, latency_ms: Readonly<Record<string, number>>,
 * }>} P2PCameraStats
 */

/**
 * One camera on its way through the server. `camera` is the raw track; `ping` measures the round trip on
 * the data channel in milliseconds; `getStats` is the connection's. `close` is safe to call twice.
 * @typedef {object} P2PCameraSession
 * @property {string | null} id
 * @property {P2PCameraState} state
 * @property {P2PCameraFault | null} fault
 * @property {readonly string[]} filters
 * @property {P2PCameraStats | null} stats
 * @property {MediaStreamTrack} camera
 * @property {(name: string | string[], params?: object) => Promise<void>} setFilter
 * @property {() => Promise<number>} ping
 * @property {() => Promise<RTCStatsReport>} getStats
 * @property {() => void} close
 */

/**
 * `window.p2pcamera`. The settings hold for calls still to come; `setFilter` changes every open session
 * too, and is settled when the server has answered for all: it rejects with a `P2PCameraFault`. `token` can
 * be set and reads as undefined. Events are `CustomEvent`s with `detail.session`: `statechange`, `stats`
 * (`detail.stats`), `progress` of a loading filter (`detail.filter`, `detail.fraction` from 0 to 1), and
 * `fault` when a filter fails in mid-call (`detail.fault`), where the session goes on.
 * @typedef {object} P2PCameraMembers
 * @property {readonly P2PCameraSession[]} sessions those that are connecting or live
 * @property {string} server
 * @property {string | string[] | null} filter null: the server's own default
 * @property {object} params
 * @property {'closed' | 'open'} outage
 * @property {string | undefined} token
 * @property {(name: string | string[], params?: object) => Promise<void>} setFilter
 * @property {(constraints?: MediaStreamConstraints) => Promise<MediaStream>} originalGetUserMedia
 *
 * @typedef {EventTarget & P2PCameraMembers} P2PCamera
 */

(() => {
  "use strict";

  // Loaded twice, the first keeps the camera; outside a secure context there is none.
  if ("p2pcamera" in window || !navigator.mediaDevices) return;

  const CONNECT_TIMEOUT_MS = 10_000;
  const ICE_SERVERS_TIMEOUT_MS = 3_000;
  // The offer takes along what is found this soon, which is the host candidates; the rest follows by PATCH.
  const FIRST_CANDIDATE_TIMEOUT_MS = 100;
  const CANDIDATE_BATCH_MS = 10;
  // Under `closed` the server's card comes 2 s into an outage, so a track silent for longer is given as it is.
  const FIRST_FRAME_TIMEOUT_MS = 3_000;

  // Taken now, before a later script of the page replaces them.
  const { fetch } = window;
  const { stop: stopTrack, clone: cloneTrack } = MediaStreamTrack.prototype;
  const { getUserMedia } = MediaDevices.prototype;

  class Fault extends Error {
    status = 0;
    /** @type {number | null} */
    retryAfterS = null;

    /** @param {string} code @param {string} message */
    constructor(code, message) {
      super(message);
      this.code = code;
    }
  }

  // --- settings -------------------------------------------------------------------------------------------

  /**
   * @typedef {{server: string, filter: string | string[] | null, params: object, outage: 'closed' | 'open',
   *   token: string | undefined, fault: Fault | null}} Settings
   */

  /**
   * Reads the script tag. A page with a wrong attribute must not get another picture than it asked for, so
   * the fault is kept and answers its calls for video.
   * @param {HTMLOrSVGScriptElement | null} script
   * @returns {Settings}
   */
  function readSettings(script) {
    const { filter, params, outage, token, server } = script?.dataset ?? {};
    const source = script instanceof HTMLScriptElement ? script.src : "";
    /** @type {Settings} */
    const settings = {
      server: "",
      filter: null,
      params: {},
      outage: "closed",
      token: token || undefined,
      fault: null,
    };
    try {
      settings.outage = checkedOutage(outage ?? "closed");
      settings.filter = filterFromText(filter ?? "");
      settings.params = paramsFromText(params ?? "{}");
      settings.server = serverFromText(server ?? "", source);
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
    throw new Fault("bad_settings", "the script tag needs src or data-server");
  }

  /**
   * @param {string} value
   * @returns {'closed' | 'open'}
   */
  function checkedOutage(value) {
    if (value === "closed" || value === "open") return value;
    throw new Fault("bad_settings", `outage is closed or open, not ${value}`);
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

  // --- HTTP calls -----------------------------------------------------------------------------------------

  class Signaling {
    #settings;

    /** @param {Settings} settings as they were when the camera was asked for */
    constructor(settings) {
      this.#settings = settings;
    }

    /** @returns {Promise<RTCIceServer[]>} none where the server does not say, since a direct path may do */
    async iceServers() {
      try {
        const response = await this.#call("ice-servers", {
          signal: AbortSignal.timeout(ICE_SERVERS_TIMEOUT_MS),
        });
        const { iceServers } = await response.json();
        return Array.isArray(iceServers) ? iceServers : [];
      } catch {
        return [];
      }
    }

    /**
     * @param {RTCSessionDescription} description
     * @param {AbortSignal} signal
     * @returns {Promise<{id: string, sdp: string, filters: string[]}>}
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
      return { id: answer.session, sdp: answer.sdp, filters: [answer.filter ?? []].flat() };
    }

    /** @param {string} id @param {string} body */
    async trickle(id, body) {
      const headers = { "Content-Type": "application/trickle-ice-sdpfrag" };
      await this.#call(`sessions/${id}`, { method: "PATCH", headers, body });
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

  /** @param {any} error of the server's JSON, whatever came */
  function faultFromError(error) {
    return new Fault(String(error?.code ?? "error"), String(error?.message ?? "the server gives no reason"));
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
    /** @type {((outcome: {type: string, filter: string[]} | Fault) => void)[]} */
    #changes = [];
    /** @type {Map<string, (outcome: null | Fault) => void>} */
    #pings = new Map();
    #pingCount = 0;

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

    /** @param {string | string[]} name @param {object} params @returns {Promise<string[]>} what is applied now */
    async changeFilter(name, params) {
      const outcome = await new Promise((resolve) => {
        this.#changes.push(resolve);
        this.#send(JSON.stringify({ type: "filter", name, params }));
      });
      if (outcome instanceof Fault) throw outcome;
      return outcome.filter;
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

    /** @param {Fault} fault for all who still wait */
    close(fault) {
      this.#channel.close();
      for (const settle of [...this.#changes.splice(0), ...this.#pings.values()]) settle(fault);
      this.#pings.clear();
    }

    /** @param {string} text */
    #send(text) {
      if (this.#channel.readyState === "open") this.#channel.send(text);
      else this.#unsent.push(text);
    }

    /** @param {unknown} text */
    #receive(text) {
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

  // --- a session ------------------------------------------------------------------------------------------

  /** Owns the camera's track and the connection; closes both with the last of the tracks it gave out. */
  class CameraSession {
    #camera;
    #settings;
    #signaling;
    #notify;
    /** @type {P2PCameraState} */
    #state = "connecting";
    /** @type {Fault | null} */
    #fault = null;
    /** @type {string | null} */
    #id = null;
    /** @type {readonly string[]} */
    #filters = [];
    /** @type {P2PCameraStats | null} */
    #stats = null;
    /** @type {RTCPeerConnection | null} */
    #peer = null;
    /** @type {Control | null} */
    #control = null;
    #abort = new AbortController();
    /** @type {Set<MediaStreamTrack>} the returned track and its clones, until each is stopped */
    #givenOut = new Set();

    /**
     * @param {MediaStreamTrack} camera
     * @param {Settings} settings
     * @param {(type: string, detail: object) => void} notify
     */
    constructor(camera, settings, notify) {
      this.#camera = camera;
      this.#settings = settings;
      this.#signaling = new Signaling(settings);
      this.#notify = notify;
    }

    get id() {
      return this.#id;
    }
    get state() {
      return this.#state;
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

    /**
     * @param {Promise<RTCIceServer[]>} iceServers
     * @returns {Promise<MediaStreamTrack>} the filtered track, about to show its first frame
     * @throws {Fault} with everything closed, but for the camera under `open`
     */
    async open(iceServers) {
      const { signal } = this.#abort;
      const aborted = new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      const timer = setTimeout(
        () =>
          this.#abort.abort(
            new Fault("timeout", `no picture came back within ${CONNECT_TIMEOUT_MS / 1000} s`),
          ),
        CONNECT_TIMEOUT_MS,
      );
      this.#camera.addEventListener("ended", () => this.close());
      this.#notify("statechange", {});
      try {
        const track = await Promise.race([this.#connect(iceServers), aborted]);
        this.#become("live");
        return this.#giveOut(track);
      } catch (error) {
        const fault = error instanceof Fault ? error : new Fault("no_media_path", String(error));
        this.#end(this.#settings.outage === "open" ? "raw" : "failed", fault);
        throw fault;
      } finally {
        clearTimeout(timer);
      }
    }

    /** @param {string | string[]} name @param {object} [params] */
    async setFilter(name, params = {}) {
      this.#requireOpen();
      if (this.#control === null) {
        // The offer is still to be made, and will ask for this one.
        Object.assign(this.#settings, { filter: name, params });
        return;
      }
      this.#filters = Object.freeze([...(await this.#control.changeFilter(name, params))]);
    }

    async ping() {
      this.#requireOpen();
      if (this.#control === null) throw new Fault("closed", "the session has no connection yet");
      return this.#control.ping();
    }

    async getStats() {
      if (this.#peer === null) throw new Fault("closed", "the session has no connection yet");
      return this.#peer.getStats();
    }

    close() {
      this.#end("ended", null);
    }

    #requireOpen() {
      if (this.#state === "connecting" || this.#state === "live") return;
      throw this.#fault ?? new Fault("closed", "the session has ended");
    }

    /** @param {Promise<RTCIceServer[]>} iceServers @returns {Promise<MediaStreamTrack>} */
    async #connect(iceServers) {
      if (this.#settings.fault) throw this.#settings.fault;
      const peer = new RTCPeerConnection({ iceServers: await iceServers, bundlePolicy: "max-bundle" });
      if (this.#abort.signal.aborted) {
        peer.close();
        throw this.#abort.signal.reason;
      }
      this.#peer = peer;
      const candidates = new Candidates(peer);
      // An answer cannot add a data channel, so it is in the offer.
      const channel = peer.createDataChannel("control");
      this.#control = new Control(channel, (message) => this.#receive(message));
      peer.addEventListener("connectionstatechange", () => {
        if (peer.connectionState === "failed") this.#lose();
      });
      channel.addEventListener("close", () => this.#lose());

      const { receiver } = await this.#addCamera(peer);
      await peer.setLocalDescription(await peer.createOffer());
      const answer = await this.#signaling.offer(await candidates.offer(), this.#abort.signal);
      this.#id = answer.id;
      this.#filters = Object.freeze(answer.filters);
      candidates.follow((fragment) => {
        this.#signaling
          .trickle(answer.id, fragment)
          .catch((error) => console.warn(`p2pcamera: ${error.message}`));
      });
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      await firstFrame(peer, receiver.track);
      return receiver.track;
    }

    /** @param {RTCPeerConnection} peer */
    async #addCamera(peer) {
      const camera = this.#camera;
      camera.contentHint = "motion";
      const transceiver = peer.addTransceiver(camera, {
        direction: "sendrecv",
        sendEncodings: [{ maxBitrate: bitrateCap(camera.getSettings()) }],
      });
      if ("jitterBufferTarget" in transceiver.receiver) transceiver.receiver.jitterBufferTarget = 0;
      // The filter sees, and gives back, as many pixels as the camera has: sharpness gives way first.
      const parameters = transceiver.sender.getParameters();
      Object.assign(parameters, { degradationPreference: "maintain-resolution" });
      await transceiver.sender.setParameters(parameters).catch(() => {});
      return transceiver;
    }

    /** @param {any} message of the server's own accord */
    #receive(message) {
      if (message.type === "stats") {
        this.#stats = Object.freeze(message);
        this.#notify("stats", { stats: this.#stats });
      } else if (message.type === "progress") {
        this.#notify("progress", { filter: message.filter, fraction: message.fraction });
      } else if (message.type === "error") {
        this.#notify("fault", { fault: faultFromError(message.error) });
      }
    }

    /** The connection broke: the page's track ends as a camera's does when it is unplugged. */
    #lose() {
      if (this.#state === "connecting") {
        this.#abort.abort(
          new Fault("no_media_path", "the server answered, but no picture can travel to it and back"),
        );
      } else {
        this.#end("failed", new Fault("connection_lost", "the connection to the server was lost"));
      }
    }

    /** @param {MediaStreamTrack} track */
    #giveOut(track) {
      this.#givenOut.add(track);
      track.stop = () => {
        stopTrack.call(track);
        this.#givenOut.delete(track);
        if (this.#givenOut.size === 0) this.close();
      };
      track.clone = () => this.#giveOut(cloneTrack.call(track));
      return track;
    }

    /** @param {'raw' | 'failed' | 'ended'} state @param {Fault | null} fault */
    #end(state, fault) {
      if (this.#state !== "connecting" && this.#state !== "live") return;
      const reason = fault ?? new Fault("closed", "the session was closed");
      this.#fault = fault;
      // First of all, since what follows makes the connection report its end.
      this.#become(state);
      this.#abort.abort(reason);
      this.#control?.close(reason);
      this.#peer?.close();
      if (state === "raw") this.#camera.contentHint = "";
      else stopTrack.call(this.#camera);
      if (this.#id !== null) this.#signaling.end(this.#id).catch(() => {});
      for (const track of this.#givenOut) {
        stopTrack.call(track);
        track.dispatchEvent(new Event("ended"));
      }
      this.#givenOut.clear();
    }

    /** @param {P2PCameraState} state */
    #become(state) {
      this.#state = state;
      this.#notify("statechange", {});
    }
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
    }
    get token() {
      return undefined;
    }
    set token(token) {
      this.#settings.token = token || undefined;
    }

    /** @param {string | string[]} name @param {object} [params] */
    async setFilter(name, params = {}) {
      const { filter, params: paramsBefore } = this;
      // Before the answers, so that a camera asked for meanwhile never shows the filter that is given up.
      this.filter = name;
      this.params = params;
      try {
        await Promise.all([...this.#sessions].map((session) => session.setFilter(name, params)));
      } catch (error) {
        if (this.params === params) [this.filter, this.params] = [filter, paramsBefore];
        throw error;
      }
    }

    /** @param {MediaStreamConstraints} [constraints] */
    originalGetUserMedia(constraints) {
      return getUserMedia.call(navigator.mediaDevices, constraints);
    }

    /** @param {() => Promise<MediaStream>} openCamera the browser's own call, made here and once */
    async filteredStream(openCamera) {
      const iceServers = new Signaling({ ...this.#settings }).iceServers();
      const stream = await openCamera();
      const [camera] = stream.getVideoTracks();
      // Read only now: the question for permission may have stood there while the filter was changed.
      const settings = { ...this.#settings };
      const session = new CameraSession(camera, settings, (type, detail) =>
        this.#notify(session, type, detail),
      );
      this.#sessions.add(session);
      try {
        const filtered = await session.open(iceServers);
        return streamOf([...stream.getAudioTracks(), filtered]);
      } catch (error) {
        const { message } = /** @type {Fault} */ (error);
        console.warn(`p2pcamera: ${message}`);
        if (session.state === "raw") return stream;
        for (const track of stream.getTracks()) stopTrack.call(track);
        throw new DOMException(`The filtered camera could not start: ${message}`, "NotReadableError");
      }
    }

    closeAll() {
      for (const session of this.#sessions) session.close();
    }

    /** @param {CameraSession} session @param {string} type @param {object} detail */
    #notify(session, type, detail) {
      if (session.state !== "connecting" && session.state !== "live") this.#sessions.delete(session);
      this.dispatchEvent(new CustomEvent(type, { detail: { session, ...detail } }));
    }
  }

  /** @param {MediaStreamTrack[]} tracks @returns {MediaStream} */
  function streamOf(tracks) {
    const stream = new MediaStream(tracks);
    // The browser's own would copy the track where its session cannot count it.
    stream.clone = () => streamOf(stream.getTracks().map((track) => track.clone()));
    return stream;
  }

  /**
   * Puts a function in a native one's place, equal to it in name, length and attributes.
   * @param {object} prototype @param {string} name @param {Function} value
   */
  function replaceMethod(prototype, name, value) {
    Object.defineProperty(value, "name", { value: name, configurable: true });
    Object.defineProperty(prototype, name, { ...Object.getOwnPropertyDescriptor(prototype, name), value });
  }

  const page = new Page(readSettings(document.currentScript));

  replaceMethod(
    MediaDevices.prototype,
    "getUserMedia",
    {
      /** @this {MediaDevices} @param {[MediaStreamConstraints?]} constraints */
      async getUserMedia(...constraints) {
        const openCamera = () => getUserMedia.apply(this, constraints);
        return constraints[0]?.video ? page.filteredStream(openCamera) : openCamera();
      },
    }.getUserMedia,
  );

  for (const name of ["getUserMedia", "webkitGetUserMedia"]) {
    // The callback forms of old would hand out the raw camera.
    if (!(name in Navigator.prototype)) continue;
    replaceMethod(
      Navigator.prototype,
      name,
      {
        /**
         * @this {Navigator} @param {MediaStreamConstraints} constraints
         * @param {(stream: MediaStream) => void} onStream @param {(error: DOMException) => void} onError
         */
        legacy(constraints, onStream, onError) {
          this.mediaDevices.getUserMedia(constraints).then(onStream, onError);
        },
      }.legacy,
    );
  }

  /** @type {P2PCamera} */
  const api = Object.freeze(page);
  Object.defineProperty(window, "p2pcamera", { value: api, enumerable: true });
  addEventListener("pagehide", () => page.closeAll());
})();
