/**
 * The camera of this page, from start to stop, and its changes while it runs.
 *
 * The page asks for it as any page does. The shim makes the answer a filtered camera.
 */

import { failureOf } from "./failures.js";
import { faultWords } from "../shared/fault_words.js";
import { phrase } from "../shared/language.js";
import { LiveChange } from "./live_change.js";
import { PictureNews } from "./picture_news.js";

/**
 * @import { P2PCamera, P2PCameraEvents, P2PCameraFault } from "../p2pcamera.js"
 * @import { P2PCameraSession, P2PCameraStats } from "../p2pcamera.js"
 */

/**
 * @typedef {'idle' | 'starting' | 'running' | 'retrying'} CallState
 * @typedef {import('./picture_news.js').Mood} Mood
 * @typedef {import('../shared/language.js').Phrase} Phrase
 *
 * `names` are filters in order; none: the camera alone.
 * @typedef {{names: string[], title: Phrase, params: Record<string, unknown>, camera: MediaTrackConstraints}} Wanted
 */

const SIZE = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
const DEFAULT_RETRY_S = 3;

/**
 * Events: `state` after a change of `state`, `stream` or `session`; `say` with `mood` and `phrase`; `stats`
 * with `stats`; `progress` with `filter` and `fraction`; `accepted` with `names` and `params`; `refused` with
 * `fault`. A listener that shows the fault beside a field prevents the default of `refused`.
 */
export class Call extends EventTarget {
  #shim;
  #wanted;
  /** @type {CallState} */
  #state = "idle";
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {P2PCameraSession | null} */
  #session = null;
  /** @type {P2PCameraFault | null} */
  #fault = null;
  /** @type {LiveChange<Wanted> | null} */
  #change = null;
  /** Grows with each start and each end: an answer with another number is late. */
  #attempt = 0;
  #retryTimer = 0;
  #news = new PictureNews();
  /** The filters that apply, as far as the page has heard. */
  #applied = "";

  /** @param {P2PCamera} shim @param {() => Wanted} wanted what is chosen on the page now */
  constructor(shim, wanted) {
    super();
    this.#shim = shim;
    this.#wanted = wanted;
    shim.addEventListener("statechange", ({ detail }) => this.#sessionChanged(detail.session));
    shim.addEventListener("stats", ({ detail }) => this.#statsCame(detail));
    shim.addEventListener("progress", ({ detail }) => this.#progressed(detail));
    shim.addEventListener("fault", ({ detail }) => this.#filterFailed(detail));
  }

  get state() {
    return this.#state;
  }
  /** What the page was given; null while nothing runs. */
  get stream() {
    return this.#stream;
  }
  get session() {
    return this.#session;
  }

  async start() {
    clearTimeout(this.#retryTimer);
    const attempt = ++this.#attempt;
    this.#fault = null;
    this.#become("starting", "info", phrase("message.waiting-for-camera"));
    const { names, params, camera } = this.#wanted();
    const constraints = { video: { ...SIZE, ...camera } };
    try {
      const stream = await (names.length === 0
        ? this.#shim.originalGetUserMedia(constraints)
        : this.#filtered(names, params, constraints));
      // The user stopped or started again while the browser asked for permission.
      if (attempt !== this.#attempt) return stopAll(stream);
      stream.getVideoTracks()[0].addEventListener("ended", () => {
        if (attempt !== this.#attempt) return;
        this.#close();
        this.#become(
          "idle",
          "bad",
          this.#fault ? failureOf(this.#fault, this.#fault) : phrase("failure.ended"),
        );
      });
      this.#begun(stream, names, params);
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(/** @type {Error} */ (error));
    }
  }

  stop() {
    this.#close();
    this.#become("idle", "info", phrase("message.ready"));
  }

  /** Applies what is chosen now to a camera that runs. @param {boolean} isOtherFilter */
  apply(isOtherFilter) {
    if (this.#state === "idle") return;
    const wanted = this.#wanted();
    const isFiltered = this.#session !== null && this.#state === "running";
    if (isFiltered && wanted.names.length > 0) this.#change?.want(wanted);
    else if (isOtherFilter) this.restart();
  }

  /** Starts again, as for another camera. */
  restart() {
    if (this.#state === "idle") return;
    this.#close();
    this.start();
  }

  /** @param {string[]} names @param {object} params @param {MediaStreamConstraints} constraints */
  #filtered(names, params, constraints) {
    this.#shim.filter = filterOf(names);
    this.#shim.params = params;
    return navigator.mediaDevices.getUserMedia(constraints);
  }

  /** @param {MediaStream} stream @param {string[]} names @param {Record<string, unknown>} params */
  #begun(stream, names, params) {
    this.#stream = stream;
    if (names.length === 0) return this.#become("running", "good", phrase("message.camera-only"));
    this.#change = new LiveChange((wanted) => this.#apply(wanted));
    this.#accepted(names, params);
    const { mood, said } = this.#news.await();
    this.#become("running", mood, said);
    // The user may have changed the choice while the camera started.
    const wanted = this.#wanted();
    if (JSON.stringify([wanted.names, wanted.params]) !== JSON.stringify([names, params])) {
      this.#change.want(wanted);
    }
  }

  /** @param {Wanted} wanted */
  async #apply({ names, params }) {
    const attempt = this.#attempt;
    const before = this.#applied;
    try {
      await this.#shim.setFilter(filterOf(names), params);
      if (attempt !== this.#attempt) return;
      this.#accepted(names, params);
      // Other settings of the same filters are seen as the user moves them.
      if (names.join() === before) return;
      const { mood, said } = this.#news.await();
      this.#say(mood, said);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      const fault = /** @type {P2PCameraFault} */ (error);
      if (this.#tell("refused", { fault })) this.#say("bad", failureOf(fault, fault));
    }
  }

  /** @param {Error} error */
  #failed(error) {
    this.#close();
    const fault = this.#fault;
    const said = failureOf(error, fault);
    if (fault) this.#tell("refused", { fault });
    if (fault?.status !== 503 || fault.trouble) return this.#become("idle", "bad", said);
    const seconds = fault.retryAfterS ?? DEFAULT_RETRY_S;
    this.#become("retrying", "bad", phrase("message.again", { what: said, seconds }));
    this.#retryTimer = setTimeout(() => this.start(), seconds * 1000);
  }

  /** Frees camera, connection and timers. */
  #close() {
    this.#attempt += 1;
    clearTimeout(this.#retryTimer);
    this.#change?.close();
    this.#change = null;
    if (this.#stream) stopAll(this.#stream);
    this.#stream = null;
    this.#session?.close();
    this.#session = null;
  }

  /** @param {P2PCameraSession} session */
  #sessionChanged(session) {
    if (session.state === "connecting" && this.#state === "starting" && this.#session === null) {
      this.#session = session;
      this.#become("starting", "info", phrase("message.connecting"));
    }
    if (session !== this.#session) return;
    this.#fault = session.fault;
    if (this.#state !== "running") return;
    if (session.state === "reconnecting") this.#say("wait", phrase("message.reconnecting"));
    else if (session.state === "live") {
      const { mood, said } = this.#news.await();
      this.#say(mood, said);
    }
  }

  /** @param {P2PCameraEvents['stats']['detail']} detail */
  #statsCame({ session, stats }) {
    if (session !== this.#session || this.#state !== "running") return;
    this.#tell("stats", { stats });
    // Of a choice whose acceptance the page has not heard of yet, nothing is said.
    if (stats.filters.join() !== this.#applied) return;
    const news = this.#news.of(stats, this.#wanted().title);
    if (news) this.#say(news.mood, news.said);
  }

  /** @param {P2PCameraEvents['progress']['detail']} detail */
  #progressed({ session, filter, fraction }) {
    if (session !== this.#session) return;
    this.#tell("progress", { filter, fraction });
    const percent = Math.round(fraction * 100);
    this.#say("wait", phrase("message.loading", { filter: this.#wanted().title, percent }));
  }

  /** @param {P2PCameraEvents['fault']['detail']} detail */
  #filterFailed({ session, fault, filter, params }) {
    if (session !== this.#session) return;
    // The worker has refused what the server had accepted, and the server uses the choice before.
    if (params && [filter].flat().join() === this.#wanted().names.join()) {
      this.#accepted([filter].flat(), params);
      if (!this.#tell("refused", { fault })) return;
    }
    if (fault.trouble) return this.#say("bad", failureOf(fault, fault));
    this.#say(
      "wait",
      phrase("message.filter-failed", { filter: this.#wanted().title, reason: faultWords(fault) }),
    );
  }

  /** @param {(string | undefined)[]} names @param {object} params that the server applies */
  #accepted(names, params) {
    this.#applied = names.join();
    this.#tell("accepted", { names, params });
  }

  /** @param {CallState} state @param {Mood} mood @param {Phrase} said */
  #become(state, mood, said) {
    this.#state = state;
    this.dispatchEvent(new Event("state"));
    this.#say(mood, said);
  }

  /** @param {Mood} mood @param {Phrase} said */
  #say(mood, said) {
    this.#news.note(mood);
    this.#tell("say", { mood, phrase: said });
  }

  /**
   * @param {string} type
   * @param {object} detail
   * @returns {boolean} false where a listener has shown it already
   */
  #tell(type, detail) {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: true }));
  }
}

/** @param {string[]} names @returns {string | string[]} as the shim takes them */
function filterOf(names) {
  return names.length === 1 ? names[0] : names;
}

/** @param {Event} event @returns {any} */
export function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}

/** @param {MediaStream} stream */
function stopAll(stream) {
  for (const track of stream.getTracks()) track.stop();
}
