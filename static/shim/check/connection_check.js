/**
 * Tries each step between the camera and its filtered picture, in the order in which they depend on each other.
 *
 * Every outcome comes from a trial. A step is skipped where one that it needs has failed.
 */

import { asList } from "../../shared/json.js";
import { Fault } from "../base/fault.js";
import { fetchNative } from "../base/natives.js";
import { newSignaling, Signaling } from "../connection/signaling.js";
import { failed, failure, note, ok } from "./findings.js";
import { reachServer, relaysOf, tryRelay } from "./relays.js";

/**
 * @import { P2PCamera, P2PCameraCheck, P2PCameraCheckOptions, P2PCameraSession } from "../api.js"
 * @import { P2PCameraStep, P2PCameraTrouble } from "../api.js"
 * @import { Settings } from "../settings/settings.js"
 * @import { Finding } from "./findings.js"
 */

const ANSWER_TIMEOUT_MS = 5_000;
const PICTURE_TIMEOUT_MS = 10_000;

/** @type {Finding} */
const SKIPPED = { outcome: "skip", code: "", message: "", detail: {} };

export class ConnectionCheck {
  #page;
  #settings;
  #options;
  /** @type {Map<P2PCameraStep["name"], Finding>} */
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
    /** @type {[P2PCameraStep["name"], P2PCameraStep["name"][], () => Promise<Finding>][]} */
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
        const isReady = needs.every((need) => this.#isWell(need));
        const isWanted = !this.#unwanted.includes(name);
        const finding = isReady && isWanted ? await work().catch(failed) : SKIPPED;
        this.#found.set(name, finding);
        const step = Object.freeze({ name, ...finding });
        told.push(step);
        this.#options.onStep?.(step);
      }
    } finally {
      for (const track of this.#stream?.getTracks() ?? []) track.stop();
    }
    const first = told.find(({ outcome }) => outcome === "fail") ?? null;
    return Object.freeze({ ok: first === null, failure: first, steps: Object.freeze(told) });
  }

  /** @returns {P2PCameraStep["name"][]} */
  get #unwanted() {
    if (this.#options.camera === false) return ["camera", "path", "picture"];
    return this.#options.path === false ? ["path", "picture"] : [];
  }

  /** @param {P2PCameraStep["name"]} name */
  #isWell(name) {
    return ["ok", "note"].includes(this.#found.get(name)?.outcome ?? "");
  }

  async #server() {
    const { server } = this.#settings;
    if (this.#settings.fault) throw this.#settings.fault;
    if (!server) throw new Fault("bad_settings", "p2pcamera.server is not set");
    const began_ms = performance.now();
    const response = await answerOf(new URL("healthz", server));
    const ms = Math.round(performance.now() - began_ms);
    if (response?.ok) return ok({ ms });
    if (response) {
      const { status } = response;
      return failure("bad_answer", `${server} answers ${status}`, { server, status });
    }
    // An opaque answer only tells that there is one.
    if (await answerOf(new URL("healthz", server), { mode: "no-cors" })) {
      const message = `the service at ${server} does not allow this page's origin`;
      return failure("origin_refused", message, { server });
    }
    return failure("unreachable", `nothing answers at ${server}`, { server });
  }

  async #token() {
    this.#offers = await new Signaling(this.#settings).filters();
    return ok({});
  }

  async #filter() {
    /** @type {{filters: any[], default: string}} */
    const { filters, default: preset } = this.#offers;
    const names = asList(this.#settings.filter ?? preset);
    const chosen = names.map((name) => filters.find((one) => one.name === name));
    const workers = Math.min(...chosen.map((offer) => offer?.workers ?? 0));
    const detail = { names, workers, all_workers: Math.max(0, ...filters.map((one) => one.workers)) };
    const absent = names.find((_, place) => !chosen[place]);
    if (absent !== undefined) return failure("unknown_filter", `no worker serves ${absent}`, detail);
    for (const offer of chosen) {
      const trouble = troubleOf(offer);
      if (offer.state === "failed") {
        const message = `${offer.name}: ${offer.reason}; ${offer.remedy}`;
        return failure("cannot_run", message, { ...detail, trouble });
      }
      if (offer.workers === 0) return failure("no_worker", `no live worker serves ${offer.name}`, detail);
      if (trouble && offer.state !== "loading") {
        const { size_bytes } = offer;
        return note(trouble.code, `${offer.name}: ${trouble.text}`, { ...detail, trouble, size_bytes });
      }
      if (offer.state !== "loaded") {
        return note(offer.state, `${offer.name} is loaded when it is first used`, detail);
      }
    }
    return ok(detail);
  }

  async #relay() {
    const relays = relaysOf(await newSignaling(this.#settings).iceServersOrFault());
    if (relays.length === 0) return note("no_relay", "the service names no TURN server", {});
    const trials = await Promise.all(relays.map(tryRelay));
    const good = trials.filter(({ outcome }) => outcome === "ok");
    const urls = good.map(({ url }) => url);
    const detail = { urls, tried: trials.map(({ url, outcome, reason }) => ({ url, outcome, reason })) };
    // What a relay has said tells more than the silence of another.
    const reason = trials.find((one) => one.reason)?.reason;
    if (good.length === 0) return failure("no_relay", reason ?? "no TURN server has answered", detail);
    const servers = good.map(({ server }) => server);
    if (this.#isWell("filter") && (await reachServer(servers, this.#settings)) === false) {
      return failure("relay_blocked", `${urls.join(", ")}: no way to the service`, detail);
    }
    return good.length === trials.length ? ok(detail) : note("some_relays", "not all of them relay", detail);
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
    const session = /** @type {P2PCameraSession} */ (this.#session);
    const page = this.#page;
    const listening = new AbortController();
    /** @type {any} */
    let fault = null;
    /** @type {any} */
    const quality = await new Promise((resolve) => {
      setTimeout(() => resolve(null), PICTURE_TIMEOUT_MS);
      const listen = (/** @type {string} */ type, /** @type {(detail: any) => void} */ hear) => {
        const heard = (/** @type {any} */ { detail }) => {
          if (detail.session === session) hear(detail);
        };
        page.addEventListener(type, heard, { signal: listening.signal });
      };
      listen("fault", (detail) => {
        fault = detail.fault;
      });
      listen("quality", (detail) => {
        if (detail.quality.picture === "live" && detail.quality.latency_ms !== null) resolve(detail.quality);
      });
    });
    listening.abort();
    const { filters, worker, state, trouble = fault?.trouble ?? null } = session.stats ?? {};
    if (quality) return ok({ ...quality, filters, worker });
    const detail = { picture: state ?? "waiting", trouble, seconds: PICTURE_TIMEOUT_MS / 1000 };
    if (trouble) return failure("cannot_run", trouble.text, detail);
    return failure(fault?.code ?? "timeout", fault?.message ?? "no filtered picture has come back", detail);
  }
}

/** @param {any} offer of `GET /filters` @returns {P2PCameraTrouble | null} what is in its way */
function troubleOf(offer) {
  const { name: filter, reason_code: code, reason_cause: cause = "" } = offer;
  const { reason: text = "", reason_detail: detail = "", remedy = "" } = offer;
  return code ? { filter, code, text, cause, detail, remedy } : null;
}

/** @param {URL} address @param {RequestInit} [init] */
function answerOf(address, init = {}) {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  return fetchNative(address, { cache: "no-store", credentials: "omit", signal, ...init }).catch(() => null);
}

/** @param {MediaStreamTrack} track */
function describe(track) {
  const { width = 0, height = 0 } = track.getSettings();
  return { label: track.label, width, height };
}
