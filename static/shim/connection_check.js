/**
 * Tries each step between the camera and its filtered picture, in the order in which they depend on each other.
 *
 * Every outcome comes from a trial. A step is skipped where one that it needs has failed.
 */

import { Fault } from "./fault.js";
import { asList } from "./json.js";
import { fetchNative, RTCPeerConnection } from "./natives.js";
import { newSignaling, Signaling } from "./signaling.js";

/**
 * @import { P2PCamera, P2PCameraCheck, P2PCameraCheckOptions, P2PCameraSession, P2PCameraStep } from "./api.js"
 * @import { Settings } from "./settings.js"
 * @typedef {Omit<P2PCameraStep, 'name'>} Finding
 */

const ANSWER_TIMEOUT_MS = 5_000;
const RELAY_TIMEOUT_MS = 6_000;
const PICTURE_TIMEOUT_MS = 10_000;

/** @type {Finding} */
const SKIPPED = { outcome: "skip", code: "", message: "", detail: {} };

export class ConnectionCheck {
  #page;
  #settings;
  #options;
  /** @type {Map<string, Finding>} */
  #found = new Map();
  /** @type {P2PCameraSession | null} */
  #session;
  /** The check's own call, where no other runs. @type {MediaStream | null} */
  #stream = null;
  /** @type {any} */
  #offers = null;

  /** @param {P2PCamera} page @param {Settings} settings @param {P2PCameraCheckOptions} options */
  constructor(page, settings, options) {
    this.#page = page;
    this.#settings = settings;
    this.#options = options;
    this.#session = page.sessions.find(({ state }) => state === "live") ?? null;
  }

  /** @returns {Promise<P2PCameraCheck>} */
  async run() {
    /** @type {[P2PCameraStep["name"], string[], () => Promise<Finding>][]} */
    const steps = [
      ["server", [], () => this.#server()],
      ["token", ["server"], () => this.#token()],
      ["filter", ["token"], () => this.#filter()],
      ["relay", ["token"], () => this.#relay()],
      ["camera", [], () => this.#camera()],
      ["path", ["filter", "camera"], () => this.#path()],
      ["picture", ["path"], () => this.#picture()],
    ];
    const told = [];
    try {
      for (const [name, needs, work] of steps) {
        const isReady = needs.every((need) => ["ok", "note"].includes(this.#found.get(need)?.outcome ?? ""));
        const isWanted = this.#options.camera !== false || !["camera", "path", "picture"].includes(name);
        const finding = isReady && isWanted ? await work().catch(failed) : SKIPPED;
        this.#found.set(name, finding);
        const step = Object.freeze({ name, ...finding });
        told.push(step);
        this.#options.onStep?.(step);
      }
    } finally {
      for (const track of this.#stream?.getTracks() ?? []) track.stop();
    }
    const failure = told.find(({ outcome }) => outcome === "fail") ?? null;
    return Object.freeze({ ok: failure === null, failure, steps: Object.freeze(told) });
  }

  async #server() {
    const { server } = this.#settings;
    if (this.#settings.fault) throw this.#settings.fault;
    if (!server) throw new Fault("bad_settings", "p2pcamera.server is not set");
    const began_ms = performance.now();
    const response = await answerOf(new URL("healthz", server));
    const ms = Math.round(performance.now() - began_ms);
    if (response?.ok) return ok({ ms });
    if (response) throw new Fault("bad_answer", `${server} answers ${response.status}`);
    // An opaque answer only tells that there is one.
    if (await answerOf(new URL("healthz", server), { mode: "no-cors" })) {
      throw refusal("origin_refused", `the service at ${server} does not allow this page's origin`);
    }
    throw new Fault("unreachable", `nothing answers at ${server}`);
  }

  async #token() {
    this.#offers = await new Signaling(this.#settings).filters();
    return ok({});
  }

  async #filter() {
    const { filters, default: preset } = this.#offers;
    const names = asList(this.#settings.filter ?? preset);
    for (const name of names) {
      const offer = filters.find((/** @type {any} */ one) => one.name === name);
      if (!offer) throw refusal("unknown_filter", `no worker serves ${name}`);
      if (offer.state === "failed") {
        throw refusal("cannot_run", `${name}: ${offer.reason}; ${offer.remedy}`);
      }
      if (offer.workers === 0) throw refusal("no_worker", `no live worker serves ${name}`);
      if (offer.state !== "loaded") {
        return note(offer.state, `${name} is loaded when it is first used`, { names });
      }
    }
    return ok({ names });
  }

  async #relay() {
    const servers = await newSignaling(this.#settings).iceServersOrFault();
    const relays = servers.filter(({ urls }) => asList(urls).some((url) => url.startsWith("turn")));
    if (relays.length === 0) return note("no_relay", "the service names no TURN server", {});
    const reason = await whyNoRelay(relays);
    if (reason !== null) throw new Fault("no_relay", reason || "no TURN server has answered");
    return ok({ urls: asList(relays[0].urls) });
  }

  async #camera() {
    const running = this.#session?.camera;
    if (running?.readyState === "live") return ok(describe(running));
    const stream = await this.#page.originalGetUserMedia({ video: this.#options.video ?? true });
    const [track] = stream.getVideoTracks();
    const detail = describe(track);
    track.stop();
    return ok(detail);
  }

  async #path() {
    if (this.#session === null) {
      const keep = (/** @type {any} */ { detail }) => {
        this.#session = detail.session;
      };
      this.#page.addEventListener("statechange", keep);
      try {
        this.#stream = await navigator.mediaDevices.getUserMedia({ video: this.#options.video ?? true });
      } finally {
        this.#page.removeEventListener("statechange", keep);
      }
    }
    const session = /** @type {P2PCameraSession} */ (this.#session);
    const report = await session.getStats();
    const entries = [...report.values()];
    const transport = entries.find(({ type }) => type === "transport");
    const pair = report.get(transport?.selectedCandidatePairId) ?? entries.find(({ nominated }) => nominated);
    const ends = [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => report.get(id));
    const isRelayed = ends.some((candidate) => candidate?.candidateType === "relay");
    return ok({ ms: Math.round(await session.ping()), isRelayed, protocol: ends[0]?.protocol ?? "" });
  }

  async #picture() {
    const session = this.#session;
    const page = this.#page;
    /** @type {any} */
    let quality = null;
    const isLive = await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), PICTURE_TIMEOUT_MS);
      page.addEventListener("quality", function heard({ detail }) {
        if (detail.session !== session) return;
        quality = detail.quality;
        if (quality.picture !== "live" || quality.latency_ms === null) return;
        page.removeEventListener("quality", heard);
        clearTimeout(timer);
        resolve(true);
      });
    });
    if (isLive) return ok({ ...quality });
    const { trouble } = session?.stats ?? {};
    throw trouble
      ? refusal("cannot_run", trouble.text)
      : new Fault("timeout", "no filtered picture has come back");
  }
}

/** @param {string} code of the service's errors @param {string} message */
function refusal(code, message) {
  return new Fault(code, message);
}

/** @param {object} detail @returns {Finding} */
function ok(detail) {
  return { outcome: "ok", code: "", message: "", detail };
}

/** @param {string} code @param {string} message @param {object} detail @returns {Finding} */
function note(code, message, detail) {
  return { outcome: "note", code, message, detail };
}

/** @param {any} error @returns {Finding} */
function failed(error) {
  // The browser's own errors have a name; of ours, the code says more.
  const code = typeof error?.code === "string" ? error.code : String(error?.name ?? "error");
  return { outcome: "fail", code, message: String(error?.message ?? error), detail: {} };
}

/** @param {URL} address @param {RequestInit} [init] */
function answerOf(address, init = {}) {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  return fetchNative(address, { cache: "no-store", credentials: "omit", signal, ...init }).catch(() => null);
}

/** @param {RTCIceServer[]} iceServers with TURN @returns {Promise<string | null>} null: one relays; empty: no answer */
async function whyNoRelay(iceServers) {
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  let reason = "";
  try {
    peer.createDataChannel("probe");
    const outcome = new Promise((resolve) => {
      setTimeout(() => resolve(false), RELAY_TIMEOUT_MS);
      peer.addEventListener("icecandidate", ({ candidate }) => {
        if (candidate?.candidate) resolve(true);
        else if (candidate === null) resolve(false);
      });
    });
    peer.addEventListener("icecandidateerror", ({ errorCode, errorText }) => {
      reason = `${errorCode} ${errorText}`.trim();
    });
    await peer.setLocalDescription();
    return (await outcome) ? null : reason;
  } finally {
    peer.close();
  }
}

/** @param {MediaStreamTrack} track */
function describe(track) {
  const { width = 0, height = 0 } = track.getSettings();
  return { label: track.label, width, height };
}
