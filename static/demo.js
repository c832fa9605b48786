/**
 * The demo page: it connects the controls, the call, and the panels that show its results.
 *
 * The page calls `getUserMedia` like any other page. The shim makes the answer a filtered camera.
 */

import { Call, detailOf } from "./demo/call.js";
import { Cameras } from "./demo/cameras.js";
import { DoctorPanel } from "./demo/doctor_panel.js";
import { CAMERA_ONLY, FilterList } from "./demo/filter_list.js";
import { tokenFailure } from "./demo/failures.js";
import { Gallery } from "./demo/gallery.js";
import { LANGUAGES, PageLanguage } from "./demo/language.js";
import { keepToken, takeToken } from "./demo/kept_token.js";
import { readLink } from "./demo/link.js";
import { MeasuredPanel } from "./demo/measured_panel.js";
import { Sharing } from "./demo/sharing.js";
import { Stage } from "./demo/stage.js";
import { followTheme } from "./demo/theme.js";
import { pageElements } from "./demo/view.js";

/** @import { P2PCamera, P2PCameraSession, P2PCameraStats } from "./p2pcamera.js" */
import { phrase } from "./shared/language.js";
import { Parameters } from "./shared/parameters.js";

/**
 * @typedef {import('./demo/call.js').Mood} Mood
 * @typedef {import('./shared/language.js').Phrase} Phrase
 */

const LIVE_PICTURE_MS = 3_000;
const STATS_OVERDUE_MS = 2_500;
const WHISPER_MS = 6_000;

class Demo {
  #view;
  #language;
  #list;
  #gallery;
  #parameters;
  #cameras;
  #stage;
  #measured;
  #sharing;
  #call;
  #shim;
  /** What the server applies. @type {{name: string, params: Record<string, unknown>} | null} */
  #accepted = null;
  /** What a link asked for, until the list of filters has come. */
  #asked = readLink(location.hash);
  /** @type {P2PCameraSession | null} */
  #measuredSession = null;
  /** The key of the last message about the list. @type {string} */
  #listKey = "";
  #overdueTimer = 0;
  #whisperTimer = 0;

  /** @param {P2PCamera} shim @param {ReturnType<typeof pageElements>} view @param {PageLanguage} language */
  constructor(shim, view, language) {
    this.#view = view;
    this.#shim = shim;
    this.#language = language;
    this.#list = new FilterList(shim.server);
    this.#gallery = new Gallery(view.filters, language, () => this.#chosen());
    this.#parameters = new Parameters(view.parameters, language, () => this.#changed());
    this.#cameras = new Cameras(view.camera, language, () => this.#call.restart());
    this.#stage = new Stage(view, language, (said) => this.#whisper(said));
    this.#measured = new MeasuredPanel(view.measured, language);
    this.#sharing = new Sharing(view, language, {
      wanted: () => this.#wanted,
      whisper: (said) => this.#whisper(said),
      follow: (filter, params) => this.#follow(filter, params),
    });
    this.#call = new Call(shim, () => this.#wanted);
    this.#bringToken(takeToken());
  }

  run() {
    const { start, parameterForm, filterForm, tokenForm, token } = this.#view;
    followTheme(this.#view.theme, () => this.#measured.redraw());
    start.addEventListener("click", () =>
      this.#call.state === "idle" ? this.#call.start() : this.#call.stop(),
    );
    parameterForm.addEventListener("reset", (event) => {
      event.preventDefault();
      this.#parameters.reset();
    });
    for (const form of [parameterForm, filterForm]) {
      form.addEventListener("submit", (event) => event.preventDefault());
    }
    tokenForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#useToken(token.value);
    });
    addEventListener("hashchange", () => {
      if (location.hash.includes("token=")) this.#useToken(takeToken());
    });
    this.#followCall();
    this.#list.addEventListener("answer", () => this.#listed());
    new DoctorPanel(
      this.#view.doctor,
      this.#language,
      () => this.#patient,
      () => this.#whisper(phrase("doctor.copied")),
    );
    this.#say("info", phrase("message.looking"));
    this.#stage.showChoice(CAMERA_ONLY, phrase("stage.filtered-short"));
    this.#stage.showPictures(null, null);
    setInterval(() => this.#showLiveCard(), LIVE_PICTURE_MS);
    this.#cameras.refresh();
    this.#list.follow();
  }

  get #wanted() {
    const { chosen } = this.#gallery;
    const { values: params } = this.#parameters;
    const camera = this.#cameras.constraints(chosen.name !== CAMERA_ONLY);
    return { name: chosen.name, title: this.#title, params, camera };
  }

  get #title() {
    return this.#gallery.titleOf(this.#gallery.chosen);
  }

  /** @returns {import('./demo/doctor.js').Patient} */
  get #patient() {
    const { chosen: offer } = this.#gallery;
    const { values: params } = this.#parameters;
    const { session } = this.#call;
    return { shim: this.#shim, list: this.#list, offer, title: this.#title, params, session };
  }

  #followCall() {
    const call = this.#call;
    call.addEventListener("state", () => this.#showCall());
    call.addEventListener("say", (event) => this.#say(detailOf(event).mood, detailOf(event).phrase));
    call.addEventListener("stats", (event) => this.#statsCame(detailOf(event).stats));
    call.addEventListener("progress", (event) => {
      const { filter, fraction } = detailOf(event);
      this.#gallery.showProgress(filter, fraction);
    });
    call.addEventListener("accepted", (event) => {
      const { name, params } = detailOf(event);
      this.#accepted = { name, params };
      if (name === this.#gallery.chosen.name) this.#parameters.accept(params);
    });
    call.addEventListener("refused", (event) => this.#refused(event));
  }

  /** Takes an answer of the list of filters. */
  #listed() {
    const { offers, status, defaultName } = this.#list;
    this.#gallery.show(offers);
    if (!this.#gallery.isReady && offers.length > 0) {
      const wanted = [this.#asked.filter, defaultName, offers[0].name];
      const name = wanted.find((one) => one !== null && one !== undefined && this.#gallery.has(one));
      this.#gallery.choose(name ?? CAMERA_ONLY);
      const { filter, params } = this.#asked;
      this.#showChoice(filter === name ? params : {});
      if (filter !== null && filter !== name) {
        this.#listKey = "ready";
        return this.#say("wait", phrase("message.unknown-filter", { filter }));
      }
    }
    this.#sayOfList(status, offers.filter(({ workers }) => workers > 0).length);
  }

  /**
   * Shows a message about the list where it is another one than before: the list is asked for often.
   * @param {number | null} status
   * @param {number} count
   */
  #sayOfList(status, count) {
    const isRefused = status === 401 || status === 403;
    const key = isRefused
      ? `token ${status}`
      : status !== 200
        ? "no-server"
        : count === 0
          ? "no-worker"
          : "ready";
    if (this.#call.state !== "idle" || key === this.#listKey) return;
    this.#listKey = key;
    this.#view.tokenForm.hidden = !isRefused;
    if (isRefused) this.#say("wait", tokenFailure(status));
    else this.#say(key === "ready" ? "info" : "wait", phrase(`message.${key}`));
  }

  /** Takes the user's choice of a filter. */
  #chosen() {
    this.#showChoice({});
    this.#sharing.note();
    this.#call.apply(true);
  }

  /** Takes a parameter that the user has changed. */
  #changed() {
    this.#sharing.note();
    this.#call.apply(false);
  }

  /** @param {Record<string, unknown>} params of it that are not its defaults */
  #showChoice(params) {
    const { chosen } = this.#gallery;
    this.#parameters.show(chosen.name, chosen.schema, params);
    this.#view.parameterForm.hidden = this.#parameters.isEmpty;
    this.#view.start.disabled = false;
    this.#stage.showChoice(chosen.name, this.#title);
  }

  /** @param {Event} event */
  #refused(event) {
    const { fault } = detailOf(event);
    this.#view.tokenForm.hidden = fault.status !== 401 && fault.status !== 403;
    const said = fault.field ? this.#parameters.refuse(fault.field, fault.message) : null;
    if (said) return event.preventDefault();
    // The picture still shows the old choice, so the page shows it as chosen, too.
    if (this.#call.state !== "running" || !this.#accepted) return;
    this.#gallery.choose(this.#accepted.name);
    this.#showChoice(this.#accepted.params);
    this.#sharing.note();
  }

  #showCall() {
    const { state, stream, session } = this.#call;
    document.body.dataset.state = state;
    this.#language.write(this.#view.start, phrase(state === "idle" ? "start" : "stop"));
    if (state === "idle") this.#accepted = null;
    const camera = session?.camera ?? stream?.getVideoTracks()[0] ?? null;
    this.#stage.showPictures(camera, stream);
    this.#stage.showFacing(this.#cameras.isOfTheUser);
    if (state === "running") this.#cameras.refresh();
    const measured = state === "running" ? session : null;
    if (measured === this.#measuredSession) return;
    this.#measuredSession = measured;
    if (measured) this.#measured.begin(measured, this.#view.filtered);
    else this.#measured.end();
    this.#awaitStats();
  }

  /** @param {P2PCameraStats} stats */
  #statsCame(stats) {
    this.#awaitStats();
    this.#measured.take(stats);
  }

  #awaitStats() {
    clearTimeout(this.#overdueTimer);
    if (!this.#measuredSession) return;
    this.#overdueTimer = setTimeout(() => {
      this.#measured.miss();
      this.#awaitStats();
    }, STATS_OVERDUE_MS);
  }

  #showLiveCard() {
    const { session, state } = this.#call;
    const isItsPicture = state === "running" && session?.state === "live" && session.stats?.state === "live";
    if (isItsPicture && !document.hidden && this.#accepted?.name === this.#gallery.chosen.name) {
      this.#gallery.showLive(this.#view.filtered);
    }
  }

  /** @param {string} filter @param {Record<string, unknown>} params that an address asks for */
  #follow(filter, params) {
    if (!this.#gallery.has(filter)) return;
    this.#gallery.choose(filter);
    this.#showChoice(params);
    this.#call.apply(true);
  }

  /** @param {string} token */
  #useToken(token) {
    keepToken(token);
    this.#bringToken(token);
    this.#view.tokenForm.hidden = true;
    this.#listKey = "";
    this.#list.follow();
  }

  /** @param {string} token */
  #bringToken(token) {
    this.#list.token = token;
    this.#shim.token = token;
  }

  /** @param {Mood} mood @param {Phrase} said */
  #say(mood, said) {
    const { message } = this.#view;
    this.#language.write(message, said);
    message.dataset.kind = mood;
  }

  /** Shows a message for a moment, beside the main one. @param {Phrase} said */
  #whisper(said) {
    const { whispered } = this.#view;
    this.#language.write(whispered, said);
    whispered.dataset.new = "true";
    clearTimeout(this.#whisperTimer);
    this.#whisperTimer = setTimeout(() => delete whispered.dataset.new, WHISPER_MS);
  }
}

/** @param {ReturnType<typeof pageElements>} view @param {PageLanguage} language */
function offerLanguages({ language: select }, language) {
  language.start(readLink(location.hash).language);
  language.translate(document);
  select.append(...Object.entries(LANGUAGES).map(([code, name]) => new Option(name, code)));
  select.value = language.code;
  select.addEventListener("change", () => {
    language.choose(/** @type {import('./demo/language.js').Code} */ (select.value));
  });
}

const view = pageElements();
const language = new PageLanguage();
offerLanguages(view, language);
const shim = window.p2pcamera;
if (shim) {
  new Demo(shim, view, language).run();
} else {
  followTheme(view.theme, () => {});
  language.write(view.message, phrase("message.insecure"));
  view.message.dataset.kind = "bad";
  const list = new FilterList(new URL(".", document.baseURI).href);
  const offer = { name: CAMERA_ONLY, workers: 0, schema: {} };
  const patient = {
    shim,
    list,
    offer,
    title: phrase("filters.camera-only.title"),
    params: {},
    session: null,
  };
  new DoctorPanel(
    view.doctor,
    language,
    () => patient,
    () => {},
  );
}
