/**
 * What the shim's `checkConnection` finds, in words for the page's user.
 */

import { cameraFailure, cannotRun, pictureTrouble } from "./failures.js";
import { faultWords } from "../shared/fault_words.js";
import { phrase } from "../shared/language.js";
import { troubleWords } from "../shared/trouble.js";

/** @import { P2PCamera, P2PCameraStep } from "../p2pcamera.js" */

/**
 * @typedef {'ok' | 'fail' | 'note' | 'skip' | 'wait' | 'busy'} Outcome
 * @typedef {'secure' | 'server' | 'token' | 'worker' | 'filter' | 'turn' | 'camera' | 'path' | 'picture'} StepName
 * @typedef {{outcome: Outcome, said: import('../shared/language.js').Phrase | null}} Finding
 * @typedef {{shim: P2PCamera | undefined, list: import('./filter_list.js').FilterList, names: readonly string[],
 *   title: import('../shared/language.js').Phrase, params: object}} Patient
 * @typedef {(name: StepName, finding: Finding) => void} Tell
 */

/** @type {readonly StepName[]} */
export const STEPS = Object.freeze([
  "secure",
  "server",
  "token",
  "worker",
  "filter",
  "turn",
  "camera",
  "path",
  "picture",
]);

/** Those of the shim, with what they are here. @type {Record<P2PCameraStep["name"], StepName[]>} */
const OF_THE_SHIM = {
  server: ["server"],
  token: ["token"],
  filter: ["worker", "filter"],
  relay: ["turn"],
  camera: ["camera"],
  path: ["path"],
  picture: ["picture"],
};
const NAMES = /** @type {P2PCameraStep["name"][]} */ (Object.keys(OF_THE_SHIM));

/** @type {Finding} */
const SKIPPED = { outcome: "skip", said: null };
/** @type {Finding} */
const BUSY = { outcome: "busy", said: null };

export class Doctor {
  #patient;
  /** Whether some worker had the filter ready when the check began. */
  #isLoaded = false;

  /** @param {Patient} patient as it is when the check begins */
  constructor(patient) {
    this.#patient = patient;
  }

  /** @param {Tell} tell before and after each step @returns {Promise<StepName | null>} the first that fails */
  async run(tell) {
    const { shim, names, params } = this.#patient;
    /** @type {Set<StepName>} */
    const failed = new Set();
    /** @type {Tell} */
    const show = (name, finding) => {
      if (finding.outcome === "fail") failed.add(name);
      tell(name, finding);
    };
    const begin = (/** @type {P2PCameraStep["name"] | undefined} */ name) => {
      for (const own of name ? OF_THE_SHIM[name] : []) tell(own, BUSY);
    };
    if (!isSecureContext || !shim) {
      for (const name of STEPS) show(name, SKIPPED);
      show("secure", fail("doctor.secure.fail"));
      show("server", await this.#serverAlone());
      return "secure";
    }
    show("secure", ok("doctor.secure.ok"));
    if (names.length > 0) {
      shim.filter = names.length === 1 ? names[0] : [...names];
      shim.params = params;
    }
    begin("server");
    await shim.checkConnection({
      // The user has chosen that no picture goes to the server.
      path: names.length > 0,
      onStep: (step) => {
        const found = step.outcome === "skip" ? [] : this.#findings(step);
        OF_THE_SHIM[step.name].forEach((own, place) => show(own, found[place] ?? SKIPPED));
        begin(NAMES[NAMES.indexOf(step.name) + 1]);
      },
    });
    return STEPS.find((name) => failed.has(name)) ?? null;
  }

  /** Where the browser gives pages no camera, there is no shim that could try it. @returns {Promise<Finding>} */
  async #serverAlone() {
    const began_ms = performance.now();
    const { status } = await this.#patient.list.ask("healthz");
    const ms = Math.round(performance.now() - began_ms);
    const server = new URL(".", document.baseURI).href;
    return status === 200 ? ok("doctor.server.ok", { ms }) : fail("doctor.server.fail", { server });
  }

  /** @param {P2PCameraStep} step that was tried @returns {Finding[]} in the order of OF_THE_SHIM */
  #findings(step) {
    if (step.name === "filter") return this.#filter(step);
    if (step.name === "relay") return [turn(step)];
    if (step.name === "picture") return [this.#picture(step)];
    const { outcome, detail } = step;
    if (outcome === "fail") return [FAILURES[step.name](step)];
    if (step.name === "camera") {
      return [ok("doctor.camera.ok", { name: detail.label, size: `${detail.width} × ${detail.height}` })];
    }
    if (step.name !== "path") return [ok(`doctor.${step.name}.ok`, detail)];
    const kind = phrase(detail.isRelayed ? "doctor.path.relay" : "doctor.path.direct");
    const protocol = (detail.protocol || "udp").toUpperCase();
    return [ok("doctor.path.ok", { protocol, kind, ms: String(detail.ms) })];
  }

  /** @param {P2PCameraStep} step @returns {Finding[]} of the worker and of the filter */
  #filter({ outcome, code, detail }) {
    const { names, title: filter } = this.#patient;
    this.#isLoaded = outcome === "ok";
    if (detail.all_workers === 0) return [fail("doctor.worker.none")];
    if (names.length === 0) return [note("doctor.picture.raw")];
    const serving = ok("doctor.worker.ok", { count: detail.workers, filter });
    if (code === "cannot_run") {
      const said = cannotRun(detail.trouble);
      return [detail.workers > 0 ? serving : SKIPPED, { outcome: "fail", said }];
    }
    if (outcome === "fail") return [fail("doctor.worker.other", { filter })];
    if (detail.trouble) {
      const why = troubleWords(detail.trouble, detail.size_bytes);
      return [serving, note("doctor.filter.hindered", { filter, why })];
    }
    if (outcome === "ok") return [serving, ok("doctor.filter.loaded", { filter })];
    return [
      serving,
      note(code === "loading" ? "doctor.filter.loading" : "doctor.filter.loadable", { filter }),
    ];
  }

  /** @param {P2PCameraStep} step @returns {Finding} */
  #picture({ outcome, detail, message, code }) {
    if (outcome === "ok") {
      const { names, title } = this.#patient;
      const filter = detail.filters.join() === names.join() ? title : detail.filters.join(", ");
      return ok("doctor.picture.ok", { filter, worker: detail.worker });
    }
    const failed = code === "timeout" ? "" : faultWords({ code, message });
    const why = detail.trouble ? cannotRun(detail.trouble) : failed;
    // Of a filter that is loaded meanwhile no picture can return.
    const silence = this.#isLoaded
      ? pictureTrouble({ state: detail.picture, trouble: detail.trouble })
      : phrase("doctor.filter.loading", { filter: this.#patient.title });
    const reason = why || (silence ?? "");
    return fail("doctor.picture.fail", { seconds: detail.seconds, reason });
  }
}

/** @type {Record<"server" | "token" | "camera" | "path", (step: P2PCameraStep) => Finding>} */
const FAILURES = {
  server({ code, message, detail: { server, status } }) {
    if (status) return fail("doctor.server.status", { server, status });
    if (code === "origin_refused") return fail("doctor.server.cors", { server });
    return code === "unreachable" ? fail("doctor.server.fail", { server }) : refused(code, message);
  },
  token({ code, detail, message }) {
    const { status } = detail;
    if (status === 401) return fail("doctor.token.needed");
    if (status === 403) return fail("doctor.token.refused");
    return status ? fail("doctor.worker.status", { status }) : refused(code, message);
  },
  camera: ({ code: name, message }) => ({ outcome: "fail", said: cameraFailure({ name, message }) }),
  path({ code, message, detail }) {
    if (detail.trouble) return fail("doctor.path.refused", { reason: cannotRun(detail.trouble) });
    if (detail.status) return fail("doctor.path.refused", { reason: faultWords({ code, message }) });
    return fail(code === "unreachable" ? "failure.unreachable" : "doctor.path.fail");
  },
};

/** @param {P2PCameraStep} step @returns {Finding} */
function turn({ outcome, code, message, detail }) {
  const { urls = [], tried = [] } = detail;
  const good = urls.join(", ");
  const bad = tried.filter((/** @type {any} */ one) => one.outcome !== "ok");
  const badUrls = bad.map((/** @type {any} */ { url }) => url).join(", ");
  if (outcome === "ok") return ok("doctor.turn.ok", { server: good });
  if (outcome === "note") {
    return tried.length === 0 ? note("doctor.turn.none") : note("doctor.turn.some", { good, bad: badUrls });
  }
  if (code === "relay_blocked") return fail("doctor.turn.no_way", { server: good });
  if (code !== "no_relay") return refused(code, message);
  // What a relay has said tells more than the silence of another.
  const told = bad.find((/** @type {any} */ one) => one.outcome !== "unreachable");
  const { url: server = badUrls, reason = "" } = told ?? {};
  return fail(`doctor.turn.${told?.outcome ?? "unreachable"}`, { server, reason });
}

/** @param {string} code @param {string} message of a step @returns {Finding} */
function refused(code, message) {
  return fail("failure.refused", { reason: faultWords({ code, message }) });
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
