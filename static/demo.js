// @ts-check
/**
 * The demo page: chooses a filter, starts and stops the camera, shows both pictures and what was measured.
 *
 * The page calls `getUserMedia` like any other; that its answer is filtered is the shim's doing.
 */

import { CAMERA_ONLY, FilterChoice } from "./demo/filter_choice.js";
import { Measurement, NOTHING_MEASURED, showMeasured } from "./demo/measurements.js";
import { Parameters } from "./demo/parameters.js";
import { followTheme, pageElements, sizeOf } from "./demo/view.js";
import * as words from "./demo/words.js";

/** @typedef {'idle' | 'starting' | 'running' | 'retrying'} DemoState */

const CONSTRAINTS = { video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } } };
const PARAMETER_DEBOUNCE_MS = 80;
const MEASURE_MS = 1_000;
const DEFAULT_RETRY_S = 3;

class Demo {
  #shim;
  #view;
  #filters;
  #parameters;
  /** @type {DemoState} */
  #state = "idle";
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {P2PCameraSession | null} */
  #session = null;
  /** @type {P2PCameraFault | null} */
  #fault = null;
  /** @type {string | undefined} */
  #token;
  #listSentence = "";
  /** Raised by each start and each end, so that what comes late is known as such. */
  #attempt = 0;
  #changeTimer = 0;
  #measureTimer = 0;
  #retryTimer = 0;

  /** @param {P2PCamera} shim @param {ReturnType<typeof pageElements>} view */
  constructor(shim, view) {
    this.#shim = shim;
    this.#view = view;
    this.#parameters = new Parameters(view.parameters, () => this.#changeSoon());
    this.#filters = new FilterChoice(
      view.filters,
      () => this.#chosen(),
      (outcome) => this.#listed(outcome),
    );
  }

  run() {
    const { start, parameterForm, filterForm, tokenForm, token, original, filtered } = this.#view;
    start.addEventListener("click", () => (this.#state === "idle" ? this.#start() : this.#stop()));
    parameterForm.addEventListener("reset", (event) => {
      event.preventDefault();
      this.#parameters.reset();
    });
    for (const form of [parameterForm, filterForm])
      form.addEventListener("submit", (event) => event.preventDefault());
    tokenForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#useToken(token.value);
    });
    for (const video of [original, filtered]) video.addEventListener("resize", () => this.#showSizes());
    this.#shim.addEventListener("statechange", (event) => this.#sessionChanged(detailOf(event)));
    this.#shim.addEventListener("stats", (event) => this.#statsCame(detailOf(event)));
    this.#shim.addEventListener("fault", (event) => this.#filterFailed(detailOf(event)));
    this.#shim.addEventListener("progress", (event) => this.#loading(detailOf(event)));
    showMeasured(NOTHING_MEASURED, this.#view.measured);
    this.#filters.follow(this.#shim.server, () => this.#token);
  }

  async #start() {
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#become("starting", "info", "Waiting for the camera…");
    this.#fault = null;
    const { name } = this.#filters.chosen;
    try {
      const stream = await (name === CAMERA_ONLY
        ? this.#shim.originalGetUserMedia(CONSTRAINTS)
        : this.#filtered(name));
      // Stopped, or started anew, while the question for permission stood there.
      if (attempt !== this.#attempt) return stopAll(stream);
      stream.getVideoTracks()[0].addEventListener("ended", () => {
        if (attempt === this.#attempt)
          this.#failed(new DOMException("The camera ended.", "NotReadableError"));
      });
      this.#show(stream, name);
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(/** @type {Error} */ (error));
    }
  }

  /** @param {string} name of the filter */
  #filtered(name) {
    this.#shim.filter = name;
    this.#shim.params = this.#parameters.values;
    return navigator.mediaDevices.getUserMedia(CONSTRAINTS);
  }

  /** @param {MediaStream} stream @param {string} name of the filter */
  #show(stream, name) {
    this.#stream = stream;
    if (name === CAMERA_ONLY) {
      this.#view.original.srcObject = stream;
      this.#become("running", "good", words.CAMERA_ONLY_RUNNING);
      return;
    }
    this.#view.filtered.srcObject = stream;
    this.#become("running", "good", `Live: ${this.#title()}.`);
    this.#measure();
  }

  #stop() {
    this.#close();
    this.#become("idle", "info", words.READY);
  }

  /** Frees camera, connection and timers. */
  #close() {
    this.#attempt += 1;
    clearTimeout(this.#changeTimer);
    clearTimeout(this.#measureTimer);
    clearTimeout(this.#retryTimer);
    if (this.#stream) stopAll(this.#stream);
    this.#stream = null;
    this.#session?.close();
    this.#session = null;
    this.#view.original.srcObject = null;
    this.#view.filtered.srcObject = null;
    showMeasured(NOTHING_MEASURED, this.#view.measured);
  }

  /** @param {Error} error */
  #failed(error) {
    this.#close();
    const fault = this.#fault;
    const sentence = words.wordsForFailure(error, fault);
    this.#view.tokenForm.hidden = !isTokenFault(fault);
    if (fault?.status !== 503) return this.#become("idle", "bad", sentence);
    const retry_s = fault.retryAfterS ?? DEFAULT_RETRY_S;
    this.#become("retrying", "bad", `${sentence} Trying again in ${retry_s} s.`);
    this.#retryTimer = setTimeout(() => this.#start(), retry_s * 1000);
  }

  /** Shows the parameters of the chosen filter, and applies it to a camera that runs. */
  #chosen() {
    const { chosen } = this.#filters;
    this.#parameters.show(chosen.schema);
    this.#view.parameterForm.hidden = this.#parameters.isEmpty;
    this.#view.filteredTitle.textContent = chosen.name === CAMERA_ONLY ? "Filtered" : this.#title();
    this.#view.start.disabled = false;
    this.#showPlaceholders();
    if (this.#state === "idle") return;
    const isRunningFiltered = this.#session !== null && this.#state === "running";
    if (isRunningFiltered && chosen.name !== CAMERA_ONLY) return this.#change();
    this.#close();
    this.#start();
  }

  #changeSoon() {
    clearTimeout(this.#changeTimer);
    this.#changeTimer = setTimeout(() => this.#change(), PARAMETER_DEBOUNCE_MS);
  }

  async #change() {
    if (this.#session === null || this.#state !== "running") return;
    const title = this.#title();
    try {
      await this.#shim.setFilter(this.#filters.chosen.name, this.#parameters.values);
      if (this.#state === "running") this.#say("good", `Live: ${title}.`);
    } catch (error) {
      if (this.#state === "running") this.#say("bad", `${title}: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** @param {{session: P2PCameraSession}} detail */
  #sessionChanged({ session }) {
    if (session.state === "connecting" && this.#state !== "starting") {
      session.close();
    } else if (session.state === "connecting") {
      this.#session = session;
      this.#view.original.srcObject = new MediaStream([session.camera]);
      this.#say("info", "Connecting…");
    } else if (session === this.#session && this.#state === "running") {
      if (session.state === "reconnecting") this.#say("wait", words.RECONNECTING);
      else if (session.state === "live") this.#say("good", `Live: ${this.#title()}.`);
    }
    if (session === this.#session) this.#fault = session.fault;
  }

  /** @param {{session: P2PCameraSession, stats: P2PCameraStats}} detail */
  #statsCame({ session, stats }) {
    if (session !== this.#session || this.#state !== "running") return;
    if (stats.state === "live" && this.#view.message.dataset.kind !== "wait") return;
    this.#say(stats.state === "live" ? "good" : "wait", words.wordsForPicture(stats, this.#title()));
  }

  /** @param {{session: P2PCameraSession, fault: P2PCameraFault}} detail */
  #filterFailed({ session, fault }) {
    if (session === this.#session) this.#say("wait", `${this.#title()}: ${fault.message}`);
  }

  /** @param {{filter: string, fraction: number}} detail */
  #loading({ filter, fraction }) {
    this.#say("wait", `Loading ${filter}: ${Math.round(fraction * 100)} %`);
  }

  /** @param {{count: number, status: number}} outcome of asking for the list */
  #listed({ count, status }) {
    if (this.#state !== "idle") return;
    const isRefused = status === 401 || status === 403;
    const sentence = listSentence(status, count, this.#token !== undefined);
    // Only news: the list is asked for often, and a failure that stands there is still to be read.
    if (sentence === this.#listSentence) return;
    this.#listSentence = sentence;
    this.#view.tokenForm.hidden = !isRefused;
    this.#say(sentence === words.READY ? "info" : "wait", sentence);
  }

  /** @param {string} token */
  #useToken(token) {
    this.#token = token;
    this.#shim.token = token;
    this.#view.tokenForm.hidden = true;
    this.#listSentence = "";
    this.#filters.follow(this.#shim.server, () => this.#token);
  }

  #measure() {
    const session = this.#session;
    if (session === null) return;
    const measurement = new Measurement(session);
    const next = async () => {
      const measured = await measurement.take().catch(() => null);
      if (session !== this.#session || this.#state !== "running") return;
      if (measured) showMeasured(measured, this.#view.measured);
      this.#measureTimer = setTimeout(next, MEASURE_MS);
    };
    this.#measureTimer = setTimeout(next, MEASURE_MS);
  }

  /** @param {DemoState} state @param {string} kind @param {string} sentence */
  #become(state, kind, sentence) {
    this.#state = state;
    document.body.dataset.state = state;
    const { start } = this.#view;
    start.textContent = state === "idle" ? "Start" : "Stop";
    this.#say(kind, sentence);
    this.#showSizes();
    this.#showPlaceholders();
  }

  /** @param {string} kind info, wait, good or bad @param {string} sentence */
  #say(kind, sentence) {
    const { message } = this.#view;
    // A screen reader would read the same sentence again.
    if (message.textContent !== sentence) message.textContent = sentence;
    message.dataset.kind = kind;
  }

  #showSizes() {
    const { original, filtered, originalSize, filteredSize } = this.#view;
    originalSize.textContent = sizeOf(original);
    filteredSize.textContent = sizeOf(filtered);
  }

  #showPlaceholders() {
    const { original, filtered, originalPlaceholder, filteredPlaceholder } = this.#view;
    originalPlaceholder.hidden = original.srcObject !== null;
    filteredPlaceholder.hidden = filtered.srcObject !== null;
    filteredPlaceholder.textContent =
      this.#filters.chosen.name === CAMERA_ONLY && this.#filters.isReady
        ? "No filter is chosen."
        : "The filtered picture shows here.";
  }

  #title() {
    const { title, name } = this.#filters.chosen;
    return title ?? name;
  }
}

/** @param {Event} event @returns {any} */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}

/**
 * @param {number} status of the request for the list, 0: no answer
 * @param {number} count of filters with a live worker
 * @param {boolean} hasToken
 */
function listSentence(status, count, hasToken) {
  if (status === 401 || status === 403) return hasToken ? words.TOKEN_REFUSED : words.TOKEN_NEEDED;
  if (status !== 200) return words.NO_SERVER;
  return count === 0 ? words.NO_WORKER : words.READY;
}

/** @param {P2PCameraFault | null} fault */
function isTokenFault(fault) {
  return fault?.status === 401 || fault?.status === 403;
}

/** @param {MediaStream} stream */
function stopAll(stream) {
  for (const track of stream.getTracks()) track.stop();
}

const view = pageElements();
followTheme(view.theme);
const shim = /** @type {P2PCamera | undefined} */ (Reflect.get(window, "p2pcamera"));
if (shim) {
  new Demo(shim, view).run();
} else {
  view.start.disabled = true;
  view.message.dataset.kind = "bad";
  view.message.textContent = words.INSECURE;
}
