/**
 * Tries each step between the camera and its filtered picture, in the order in which they depend on each
 * other.
 *
 * It guesses nothing: every outcome comes from a trial. A step is skipped where an earlier step that it needs
 * has failed.
 */

import { cameraFailure, cannotRun, pictureTrouble } from "./failures.js";
import { phrase } from "../shared/language.js";
import { troubleOf, troubleWords } from "../shared/trouble.js";
import { answerOf } from "./probes.js";
import { reachServer, relaysOf, tryRelay } from "./relays.js";

/**
 * @import { P2PCamera, P2PCameraEvents, P2PCameraFault } from "../p2pcamera.js"
 * @import { P2PCameraSession, P2PCameraStats } from "../p2pcamera.js"
 */

/**
 * @typedef {'ok' | 'fail' | 'note' | 'skip' | 'wait' | 'busy'} Outcome
 * @typedef {'secure' | 'server' | 'token' | 'worker' | 'filter' | 'camera' | 'path' | 'turn' | 'picture'} StepName
 * @typedef {{outcome: Outcome, said: import('../shared/language.js').Phrase | null}} Finding
 * @typedef {import('./filter_list.js').FilterOffer} FilterOffer
 * @typedef {{shim: P2PCamera | undefined, list: import('./filter_list.js').FilterList, names: readonly string[],
 *   title: import('../shared/language.js').Phrase, params: object, session: P2PCameraSession | null}} Patient
 */

/** @type {readonly StepName[]} */
export const STEPS = Object.freeze([
  "secure",
  "server",
  "token",
  "worker",
  "filter",
  "camera",
  "path",
  "turn",
  "picture",
]);

const PICTURE_TIMEOUT_MS = 10_000;

/** @type {Finding} */
const SKIPPED = { outcome: "skip", said: null };

export class Doctor {
  #patient;
  /** @type {Partial<Record<StepName, Finding>>} */
  #found = {};
  /** The doctor's own call, where no other runs. @type {MediaStream | null} */
  #stream = null;
  /** @type {P2PCameraSession | null} */
  #session;
  /** @type {P2PCameraFault | null} */
  #fault = null;
  #server;

  /** @param {Patient} patient as it is when the check begins */
  constructor(patient) {
    this.#patient = patient;
    this.#session = patient.session;
    this.#server = patient.shim?.server ?? new URL(".", document.baseURI).href;
  }

  /**
   * @param {(name: StepName, finding: Finding) => void} tell before and after each step
   * @returns {Promise<StepName | null>} the first that fails
   */
  async run(tell) {
    /** @type {Record<StepName, () => Promise<Finding>>} */
    const steps = {
      secure: () => this.#secure(),
      server: () => this.#reachable(),
      token: () => this.#token(),
      worker: () => this.#worker(),
      filter: () => this.#filter(),
      camera: () => this.#camera(),
      path: () => this.#path(),
      turn: () => this.#turn(),
      picture: () => this.#picture(),
    };
    try {
      for (const name of STEPS) {
        tell(name, { outcome: "busy", said: null });
        const finding = await steps[name]().catch((error) =>
          fail("failure.refused", { reason: error.message }),
        );
        this.#found[name] = finding;
        tell(name, finding);
      }
    } finally {
      for (const track of this.#stream?.getTracks() ?? []) track.stop();
    }
    return STEPS.find((name) => this.#found[name]?.outcome === "fail") ?? null;
  }

  /** @param {...StepName} names */
  #isWell(...names) {
    return names.every((name) => ["ok", "note"].includes(this.#found[name]?.outcome ?? ""));
  }

  async #secure() {
    return isSecureContext && this.#patient.shim ? ok("doctor.secure.ok") : fail("doctor.secure.fail");
  }

  async #reachable() {
    const server = this.#server;
    const address = new URL("healthz", server);
    const began_ms = performance.now();
    const response = await answerOf(address);
    const ms = Math.round(performance.now() - began_ms);
    if (response) {
      const { ok: isGood, status } = response;
      return isGood ? ok("doctor.server.ok", { ms }) : fail("doctor.server.status", { server, status });
    }
    // An opaque answer only tells that there is one.
    const isThere = (await answerOf(address, { mode: "no-cors" })) !== null;
    return fail(isThere ? "doctor.server.cors" : "doctor.server.fail", { server });
  }

  async #token() {
    if (!this.#isWell("server")) return SKIPPED;
    const { status } = await this.#patient.list.ask();
    if (status === 401) return fail("doctor.token.needed");
    return status === 403 ? fail("doctor.token.refused") : ok("doctor.token.ok");
  }

  async #worker() {
    if (!this.#isWell("token")) return SKIPPED;
    const { status, body } = await this.#patient.list.ask();
    const offers = /** @type {FilterOffer[] | undefined} */ (body?.filters);
    if (!offers) return fail("doctor.worker.status", { status });
    if (!offers.some(({ workers }) => workers > 0)) return fail("doctor.worker.none");
    const { names, title } = this.#patient;
    if (names.length === 0) return note("doctor.picture.raw");
    const count = Math.min(...names.map((name) => offers.find((one) => one.name === name)?.workers ?? 0));
    return count > 0
      ? ok("doctor.worker.ok", { count, filter: title })
      : fail("doctor.worker.other", { filter: title });
  }

  async #filter() {
    const { names, title, list } = this.#patient;
    if (!this.#isWell("worker") || names.length === 0) return SKIPPED;
    const { body } = await list.ask();
    const offers = /** @type {FilterOffer[]} */ (body?.filters ?? []).filter(({ name }) =>
      names.includes(name),
    );
    const failed = offers.find(({ state }) => state === "failed");
    if (failed) {
      const trouble = troubleOf(failed) ?? { code: "failed", text: "", detail: "", remedy: "" };
      return {
        outcome: /** @type {Outcome} */ ("fail"),
        said: cannotRun({ ...trouble, filter: failed.name }),
      };
    }
    const said = { filter: title };
    if (offers.some(({ state }) => state === "loading")) return note("doctor.filter.loading", said);
    const hindered = offers.find((one) => troubleOf(one) !== null);
    const trouble = hindered && troubleOf(hindered);
    if (hindered && trouble) {
      const why = troubleWords(trouble, hindered.size_bytes);
      return note("doctor.filter.hindered", { ...said, why });
    }
    const isLoaded = offers.every(({ state = "loaded" }) => state === "loaded");
    return isLoaded ? ok("doctor.filter.loaded", said) : note("doctor.filter.loadable", said);
  }

  async #camera() {
    const { shim } = this.#patient;
    if (!shim || !this.#isWell("secure")) return SKIPPED;
    const running = this.#session?.camera;
    if (running?.readyState === "live") return ok("doctor.camera.ok", describe(running));
    try {
      const stream = await shim.originalGetUserMedia({ video: true });
      const [track] = stream.getVideoTracks();
      const said = describe(track);
      track.stop();
      return ok("doctor.camera.ok", said);
    } catch (error) {
      return { outcome: /** @type {Outcome} */ ("fail"), said: cameraFailure(/** @type {Error} */ (error)) };
    }
  }

  async #path() {
    if (!this.#isWell("worker", "camera") || this.#patient.names.length === 0) return SKIPPED;
    if (this.#found.filter?.outcome === "fail") return SKIPPED;
    if (this.#session?.state !== "live") await this.#call();
    const session = this.#session;
    if (session?.state === "live") return this.#describePath(session);
    const fault = this.#fault;
    if (fault?.trouble) return fail("doctor.path.refused", { reason: cannotRun(fault.trouble) });
    if (fault?.status) return fail("doctor.path.refused", { reason: fault.message });
    return fault?.code === "unreachable" ? fail("failure.unreachable") : fail("doctor.path.fail");
  }

  /** Opens the camera as any page does. */
  async #call() {
    const shim = /** @type {P2PCamera} */ (this.#patient.shim);
    const { names, params } = this.#patient;
    const keep = (/** @type {P2PCameraEvents["statechange"]} */ event) => {
      const { session } = event.detail;
      this.#session = session;
      this.#fault = session.fault;
    };
    shim.filter = names.length === 1 ? names[0] : [...names];
    shim.params = params;
    shim.addEventListener("statechange", keep);
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: true });
    } catch {
      // The session's fault tells the reason.
    } finally {
      shim.removeEventListener("statechange", keep);
    }
  }

  /** @param {P2PCameraSession} session */
  async #describePath(session) {
    const report = await session.getStats();
    const transport = [...report.values()].find(({ type }) => type === "transport");
    const pair = report.get(transport?.selectedCandidatePairId);
    const local = report.get(pair?.localCandidateId);
    const remote = report.get(pair?.remoteCandidateId);
    const isRelayed = [local, remote].some((candidate) => candidate?.candidateType === "relay");
    const ping_ms = await session.ping();
    return ok("doctor.path.ok", {
      protocol: String(local?.protocol ?? "udp").toUpperCase(),
      kind: phrase(isRelayed ? "doctor.path.relay" : "doctor.path.direct"),
      ms: ping_ms.toFixed(1),
    });
  }

  async #turn() {
    if (!this.#isWell("token")) return SKIPPED;
    const { status, body } = await this.#patient.list.ask("ice-servers");
    if (status !== 200) return SKIPPED;
    /** @type {RTCIceServer[]} */
    const relays = relaysOf(body?.iceServers ?? []);
    if (relays.length === 0) return note("doctor.turn.none");
    const trials = await Promise.all(relays.map(tryRelay));
    const named = (/** @type {typeof trials} */ some) => some.map(({ url }) => url).join(", ");
    const good = trials.filter(({ outcome }) => outcome === "ok");
    const bad = trials.filter(({ outcome }) => outcome !== "ok");
    if (good.length === 0) {
      // What a relay has said tells more than the silence of another.
      const [told] = bad.filter(({ outcome }) => outcome !== "unreachable");
      return fail(`doctor.turn.${told?.outcome ?? "unreachable"}`, {
        server: told?.url ?? named(bad),
        reason: told?.reason ?? "",
      });
    }
    const goodServers = good.map(({ server }) => server);
    if ((await this.#isReachedBy(goodServers)) === false) {
      return fail("doctor.turn.no_way", { server: named(good) });
    }
    return bad.length === 0
      ? ok("doctor.turn.ok", { server: named(good) })
      : note("doctor.turn.some", { good: named(good), bad: named(bad) });
  }

  /**
   * Opens a session of its own, and ends it.
   * @param {RTCIceServer[]} relays
   * @returns {Promise<boolean | null>} null where the server has opened none
   */
  async #isReachedBy(relays) {
    if (!this.#isWell("worker")) return null;
    const { names, list } = this.#patient;
    const headers = { "Content-Type": "application/json" };
    /** @type {string | undefined} */
    let session;
    try {
      return await reachServer(relays, async ({ type, sdp }) => {
        const said = JSON.stringify({ type, sdp, filter: names.length > 0 ? names : undefined });
        const { body } = await list.ask("offer", { method: "POST", headers, body: said });
        session = body?.session;
        return body?.sdp ?? null;
      });
    } finally {
      if (session) await list.ask(`sessions/${session}`, { method: "DELETE" });
    }
  }

  async #picture() {
    const session = this.#session;
    const shim = this.#patient.shim;
    if (!shim || !session || !this.#isWell("path")) return SKIPPED;
    /** @type {import('../shared/language.js').Text} */
    let reason = "";
    const types = ["stats", "fault"];
    const listening = new AbortController();
    /** @type {P2PCameraStats | null} */
    const stats = await new Promise((resolve) => {
      setTimeout(() => resolve(null), PICTURE_TIMEOUT_MS);
      const heard = (/** @type {Event} */ event) => {
        const { detail } = /** @type {CustomEvent} */ (event);
        if (detail.session !== session) return;
        if (event.type === "fault") {
          const { fault } = detail;
          reason = fault.trouble ? cannotRun(fault.trouble) : fault.message;
        } else if (detail.stats.state === "live") resolve(detail.stats);
        else reason ||= pictureTrouble(detail.stats) ?? "";
      };
      for (const type of types) shim.addEventListener(type, heard, { signal: listening.signal });
    });
    listening.abort();
    const { names, title } = this.#patient;
    const filter = stats?.filters.join() === names.join() ? title : (stats?.filters.join(", ") ?? "");
    if (stats) return ok("doctor.picture.ok", { filter, worker: stats.worker });
    return fail("doctor.picture.fail", { seconds: PICTURE_TIMEOUT_MS / 1000, reason });
  }
}

/** @param {MediaStreamTrack} track */
function describe(track) {
  const { width, height } = track.getSettings();
  return { name: track.label, size: `${width} × ${height}` };
}

/**
 * @param {string} key
 * @param {Record<string, import('../shared/language.js').Text>} [values]
 * @returns {Finding}
 */
function ok(key, values = {}) {
  return { outcome: "ok", said: phrase(key, values) };
}

/**
 * @param {string} key
 * @param {Record<string, import('../shared/language.js').Text>} [values]
 * @returns {Finding}
 */
function fail(key, values = {}) {
  return { outcome: "fail", said: phrase(key, values) };
}

/**
 * @param {string} key
 * @param {Record<string, import('../shared/language.js').Text>} [values]
 * @returns {Finding}
 */
function note(key, values = {}) {
  return { outcome: "note", said: phrase(key, values) };
}
