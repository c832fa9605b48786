/**
 * Makes the connections for the shim in the page's world. It runs in the extension's own world, right before
 * the shim.
 *
 * Here every function is the browser's own, whatever the page has replaced. The page reaches no object of
 * this world but the port that is handed over (messages: see `page_world.js`). The service worker makes the
 * calls to the server: it alone knows the address and the token.
 */
(() => {
  "use strict";

  if (!navigator.mediaDevices) return;

  const MAX_LINKS = 16;
  const MAX_TIMEOUT_MS = 60_000;
  const SETTINGS_PAUSE_MS = 1_000;
  const FAULT_SHOWN_MS = 5_000;
  const UNREACHABLE = "the server that the extension is set to cannot be reached";
  const REPORTED = new Set(["outbound-rtp", "inbound-rtp"]);

  /**
   * @typedef {{code: string, message: string, status: number, retryAfterS: number | null, trouble: object | null}} PlainFault
   * @typedef {{link: any, settings: any, opened: Promise<object>}} Connection
   */

  /**
   * The shim's `fetch`, by way of the service worker.
   * @param {RequestInfo | URL} url of which the path counts
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   */
  async function relayed(url, { method = "GET", headers, body, signal } = {}) {
    const message = { type: "call", method, path: new URL(String(url)).pathname.slice(1) };
    const contentType = new Headers(headers).get("Content-Type");
    const call = chrome.runtime.sendMessage({
      ...message,
      ...(contentType && { contentType, body }),
    });
    // Wait for the answer to an offer in any case: its session has to be closed.
    const { fault, status, text, retryAfter } = await (signal && method !== "POST"
      ? Promise.race([call, aborted(signal)])
      : call);
    if (fault) throw new Error(fault);
    /** @type {Record<string, string>} */
    const answerHeaders = retryAfter === null ? {} : { "Retry-After": retryAfter };
    return new Response(text === "" ? null : text, { status, headers: answerHeaders });
  }

  /** @param {AbortSignal} signal @returns {Promise<never>} */
  function aborted(signal) {
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  /** @param {any} fault @returns {PlainFault} without the address that the shim's words have */
  function plain({ code = "error", message = "", status = 0, retryAfterS = null, trouble = null }) {
    return { code, message: code === "unreachable" ? UNREACHABLE : message, status, retryAfterS, trouble };
  }

  /** All connections of one frame. */
  class Connections {
    #Link;
    #signaling;
    #port;
    /** The end that the page's world holds. Events on it carry tracks from world to world. */
    #far;
    /** @type {Map<number, Connection>} */
    #connections = new Map();
    /** @type {MediaStreamTrack[]} cameras that wait for the messages to which they belong, in their order */
    #cameras = [];
    /** @type {Promise<RTCIceServer[]> | null} */
    #iceServers = null;
    /** @type {any} */
    #stats = null;
    /** @type {PlainFault | null} the last one, until a connection or a choice succeeds */
    #fault = null;
    #faultAt_ms = 0;
    /** The server's last refusal of a choice. @type {{filter: any, fault: PlainFault} | null} */
    #refusal = null;
    /**
     * The same for the popup, once it is known whether the picture is covered for it: the popup takes back a
     * choice that was refused and hides nobody.
     * @type {{filter: any, fault: PlainFault} | null}
     */
    #refused = null;
    /** A private choice that could not be kept, so that the picture is covered. @type {any} */
    #covered = null;

    /** @param {any} Link @param {any} Signaling @param {MessagePort} port @param {MessagePort} far */
    constructor(Link, Signaling, port, far) {
      this.#Link = Link;
      this.#signaling = new Signaling(settingsOf({}));
      this.#port = port;
      this.#far = far;
    }

    /** @param {object} message */
    post(message) {
      this.#port.postMessage(message);
    }

    /** @param {any} message of the page's world: whatever a page may have made of it */
    receive(message) {
      const { type, key, link: number } = message ?? {};
      if (type === "prepare") {
        this.#iceServers = this.#signaling.iceServers();
      } else if (type === "private") {
        // This call never fails.
        this.#signaling
          .privateFilters()
          .then((/** @type {any} */ value) => this.post({ type: "answer", key, value }));
      } else if (type === "chosen") {
        this.#refused = message.isRefused ? this.#refusal : null;
        this.#covered = message.covered;
      } else if (!Number.isSafeInteger(number)) {
        return;
      } else if (type === "open") {
        this.#open(number, message);
      } else if (type === "close") {
        this.#close(number);
      } else {
        this.#act(number, message).then(
          (value) => this.post({ type: "answer", key, value }),
          (fault) => this.post({ type: "answer", key, fault: plain(fault) }),
        );
      }
    }

    /** @param {MediaStreamTrack} track */
    takeCamera(track) {
      if (this.#cameras.length < MAX_LINKS) this.#cameras.push(track);
    }

    closeAll() {
      for (const number of this.#connections.keys()) this.#close(number);
    }

    /** @returns {Promise<object>} what the popup shows */
    async report() {
      const connection = [...this.#connections.values()].at(-1);
      if (!connection) return { state: "idle", fault: this.#fault };
      const { link } = connection;
      if (!link.id) return { state: "connecting", fault: this.#fault };
      const sentAt_ms = performance.now();
      const [stats] = await Promise.all([link.getStats(), link.control.ping()]);
      const ping_ms = performance.now() - sentAt_ms;
      const entries = [...stats.values()].filter(({ type }) => REPORTED.has(type));
      // A fault of a filter that works again is shown for a moment only.
      if (performance.now() - this.#faultAt_ms > FAULT_SHOWN_MS) this.#fault = null;
      return {
        state: "live",
        fault: this.#fault,
        refused: this.#refused,
        covered: this.#covered,
        filters: link.filters,
        stats: this.#stats,
        ping_ms,
        entries,
      };
    }

    /** @param {number} number @param {any} message */
    async #open(number, { filter, params, outage, timeout_ms }) {
      const camera = this.#cameras.shift();
      if (!camera || this.#connections.has(number) || this.#connections.size >= MAX_LINKS) return;
      const settings = settingsOf({ filter, params, outage });
      const link = new this.#Link(settings, {
        track: (/** @type {MediaStreamTrack} */ track) => {
          this.#far.dispatchEvent(new MediaStreamTrackEvent(`track-${number}`, { track }));
        },
        message: (/** @type {any} */ heard) => {
          if (heard.type === "stats") this.#stats = heard;
          else if (heard.type === "error") this.#note(plain(heard.error ?? {}));
          if (heard.type === "error" && heard.filter) this.post({ type: "said", link: number, said: heard });
          this.post({ type: "heard", link: number });
        },
        loss: () => this.post({ type: "lost", link: number }),
      });
      const iceServers = this.#iceServers ?? this.#signaling.iceServersOrFault();
      this.#iceServers = null;
      const limit_ms = Math.min(Number(timeout_ms) || 0, MAX_TIMEOUT_MS);
      const opened = link.open(camera, iceServers, limit_ms).then(() => ({
        filters: link.filters,
        isPrivate: link.isPrivate,
        first: null,
      }));
      this.#connections.set(number, { link, settings, opened });
      try {
        const applied = await opened;
        this.#fault = null;
        this.post({ type: "opened", link: number, applied });
      } catch (fault) {
        const wasWanted = this.#connections.delete(number);
        if (wasWanted) this.#note(plain(/** @type {any} */ (fault)));
        this.post({ type: "failed", link: number, fault: plain(/** @type {any} */ (fault)) });
      }
    }

    /** @param {number} number */
    #close(number) {
      const connection = this.#connections.get(number);
      this.#connections.delete(number);
      if (this.#connections.size === 0) this.#stats = null;
      connection?.link.close(new Error("closed"));
    }

    /** @param {any} link @param {any} filter @param {any} params @returns {Promise<object>} what applies */
    async #choose(link, filter, params) {
      this.#refused = null;
      try {
        const applied = await link.changeFilter(filter, params);
        this.#fault = null;
        return applied;
      } catch (fault) {
        this.#refusal = { filter, fault: plain(/** @type {any} */ (fault)) };
        this.#note(this.#refusal.fault);
        throw fault;
      }
    }

    /** @param {PlainFault} fault for the popup */
    #note(fault) {
      this.#fault = fault;
      this.#faultAt_ms = performance.now();
    }

    /** @param {number} number @param {any} message @returns {Promise<unknown>} */
    async #act(number, { type, filter, params, outage }) {
      const camera = type === "send" ? this.#cameras.shift() : null;
      const connection = this.#connections.get(number);
      if (!connection) throw { code: "connection_lost", message: "there is no such connection" };
      const { link, settings, opened } = connection;
      if (type === "filter") {
        Object.assign(settings, { filter, params });
        // A connection without an offer reads its settings when it makes one.
        return link.control ? this.#choose(link, filter, params) : opened;
      }
      if (type === "outage") {
        settings.outage = outage;
        return link.control?.changeOutage(outage);
      }
      if (camera) return link.send(camera);
      if (type === "check") return this.#signaling.check((await opened) && link.id);
      if (type !== "ping") throw { code: "bad_message", message: `there is no ${type}` };
      await link.control?.ping();
      this.post({ type: "heard", link: number });
      return undefined;
    }
  }

  /** @param {{filter?: any, params?: any, outage?: any}} chosen @returns {object} the shim's settings */
  function settingsOf({ filter = null, params = {}, outage = "closed" }) {
    // No real address: the service worker has it.
    const none = { audio: "untouched", mirror: "off", token: undefined, fault: null };
    return { server: "p2pcamera:/", filter, params, outage, ...none };
  }

  /**
   * Tells the page's world what the user has chosen. Asks again while the service worker does not answer.
   * @param {Connections} connections
   */
  async function tellSettings(connections) {
    for (;;) {
      try {
        const settings = await chrome.runtime.sendMessage({ type: "settings" });
        connections.post({ ...settings, type: "settings" });
        return;
      } catch {
        // Without an id, the extension was updated or removed, and nothing answers any more.
        if (!chrome.runtime?.id) return;
        await new Promise((resolve) => {
          setTimeout(resolve, SETTINGS_PAUSE_MS);
        });
      }
    }
  }

  /** @param {{Link: any, Signaling: any}} shim */
  function connect({ Link, Signaling }) {
    const { port1: near, port2: far } = new MessageChannel();
    const connections = new Connections(Link, Signaling, near, far);
    near.addEventListener("message", ({ data }) => connections.receive(data));
    near.start();
    far.addEventListener("camera", (event) => {
      connections.takeCamera(/** @type {MediaStreamTrackEvent} */ (event).track);
    });
    dispatchEvent(new MessageEvent("p2pcamera-port", { ports: [far], cancelable: true }));

    tellSettings(connections);
    chrome.runtime.onMessage.addListener((message) => {
      if (message.type === "changed") tellSettings(connections);
    });
    chrome.runtime.onConnect.addListener((popup) => {
      popup.onMessage.addListener(() => {
        connections.report().then(
          (report) => popup.postMessage(report),
          // The connection was closed during the measurement.
          () => popup.postMessage({ state: "idle", fault: null }),
        );
      });
    });
    addEventListener("pagehide", (event) => {
      // A page can make events, too.
      if (!event.isTrusted) return;
      connections.closeAll();
      if (chrome.runtime?.id) chrome.runtime.sendMessage({ type: "gone" }).catch(() => {});
    });
  }

  /** @type {any} */ (window)[Symbol.for("p2pcamera.embedder")] = { fetch: relayed, connect };
})();
