/**
 * The demo page: it connects the controls, the call, and the panels that show its results.
 *
 * The page calls `getUserMedia` like any other page. The shim makes the answer a filtered camera.
 */

import { Call, detailOf } from "./demo/call.js";
import { Cameras } from "./demo/cameras.js";
import { Chain } from "./demo/chain.js";
import { DoctorPanel } from "./demo/doctor_panel.js";
import { CAMERA_ONLY, FilterList } from "./demo/filter_list.js";
import { cannotRun, tokenFailure } from "./demo/failures.js";
import { Gallery } from "./demo/gallery.js";
import { LANGUAGES, PageLanguage } from "./demo/language.js";
import { keepToken, takeToken } from "./demo/kept_token.js";
import { readLink } from "./demo/link.js";
import { LivePanel } from "./demo/live_panel.js";
import { MeasuredPanel } from "./demo/measured_panel.js";
import { Message } from "./demo/message.js";
import { Sharing } from "./demo/sharing.js";
import { Stage } from "./demo/stage.js";
import { followTheme } from "./demo/theme.js";
import { pageElements } from "./demo/view.js";

/** @import { P2PCamera, P2PCameraSession, P2PCameraStats } from "./p2pcamera.js" */
import { isOfTheToken } from "./shared/fault_words.js";
import { phrase } from "./shared/language.js";
import { hasFailed, runsWell, troubleOf } from "./shared/trouble.js";

/**
 * @typedef {import('./demo/call.js').Mood} Mood
 * @typedef {import('./shared/language.js').Phrase} Phrase
 * @typedef {import('./demo/filter_list.js').FilterOffer} FilterOffer
 */

const LIVE_PICTURE_MS = 3_000;
const STATS_OVERDUE_MS = 2_500;
const WHISPER_MS = 6_000;

class Demo {
  #view;
  #language;
  #list;
  #gallery;
  #chain;
  #cameras;
  #stage;
  #measured;
  #sharing;
  #message;
  #live;
  #call;
  #shim;
  /** What the server applies. @type {{names: string[], params: Record<string, unknown>} | null} */
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
    this.#message = new Message(view.message, view.messageOnPicture, language);
    this.#list = new FilterList(shim.server);
    this.#gallery = new Gallery(
      view.filters,
      language,
      () => this.#chosen(),
      (offer) => this.#sayWhyNot(offer),
    );
    this.#chain = new Chain(view.chain, language, this.#gallery, (isOther) => this.#changed(isOther));
    this.#cameras = new Cameras(view.camera, language, () => this.#call.restart());
    this.#stage = new Stage(view, language, (said) => this.#whisper(said));
    this.#measured = new MeasuredPanel(view.measured, language);
    this.#sharing = new Sharing(view, language, {
      wanted: () => this.#wanted,
      whisper: (said) => this.#whisper(said),
      follow: (filters, params) => this.#follow(filters, params),
    });
    this.#call = new Call(shim, () => this.#wanted);
    this.#live = new LivePanel(
      view.live,
      language,
      {
        shim,
        call: this.#call,
        token: () => this.#list.token ?? "",
        whisper: (said) => this.#whisper(said),
        wanted: () => this.#wanted,
      },
      this.#asked.publish,
    );
    this.#bringToken(takeToken());
  }

  run() {
    const { start, chain, filterForm, tokenForm, token } = this.#view;
    followTheme(this.#view.theme, () => this.#measured.redraw());
    start.addEventListener("click", () =>
      this.#call.state === "idle" ? this.#call.start() : this.#call.stop(),
    );
    for (const form of [chain.form, filterForm]) {
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
    this.#stage.showChoice([], phrase("stage.filtered-short"));
    this.#stage.showPictures(null, null);
    setInterval(() => this.#showLiveCard(), LIVE_PICTURE_MS);
    this.#cameras.refresh();
    this.#list.follow();
  }

  get #wanted() {
    const { names, title, params } = this.#chain;
    return { names, title, params, camera: this.#cameras.constraints(names.length > 0) };
  }

  /** @returns {import('./demo/doctor.js').Patient} */
  get #patient() {
    const { names, title, params } = this.#chain;
    return { shim: this.#shim, list: this.#list, names, title, params };
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
      const { names, params } = detailOf(event);
      this.#accepted = { names, params };
      if (names.join() === this.#chain.names.join()) this.#chain.accept(params);
    });
    call.addEventListener("refused", (event) => this.#refused(event));
  }

  /** Takes an answer of the list of filters. */
  #listed() {
    const { offers, status, defaultName } = this.#list;
    this.#gallery.show(offers);
    if (!this.#gallery.isReady && offers.length > 0) {
      const { filters, params } = this.#asked;
      const isUsable = (/** @type {string} */ name) =>
        this.#gallery.has(name) && !hasFailed(this.#gallery.offerOf(name) ?? {});
      const isGranted = filters !== null && filters.every(isUsable);
      const preset = [defaultName ?? "", ...offers.filter(runsWell).map(({ name }) => name)].find(isUsable);
      const names = isGranted ? filters : [preset ?? CAMERA_ONLY];
      this.#showChoice(names, isGranted ? params : {});
      if (filters !== null && !isGranted) {
        this.#listKey = "ready";
        const unusable = filters.find((name) => !isUsable(name)) ?? "";
        const offer = this.#gallery.offerOf(unusable);
        if (offer) return this.#sayWhyNot(offer);
        return this.#say("wait", phrase("message.unknown-filter", { filter: unusable }));
      }
    }
    this.#chain.offer();
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
    this.#showChoice([this.#gallery.chosen.name]);
    this.#sharing.note();
    this.#live.follow();
    this.#call.apply(true);
  }

  /** Says that the user cannot have a filter, and why; what was chosen stays. @param {FilterOffer} offer */
  #sayWhyNot(offer) {
    const trouble = troubleOf(offer) ?? { code: "failed", text: "", cause: "", detail: "", remedy: "" };
    this.#say("bad", cannotRun({ ...trouble, filter: offer.name }, this.#gallery.titleOf(offer)));
  }

  /** Takes settings, or an order of filters, that the user has changed. @param {boolean} isOtherFilter */
  #changed(isOtherFilter) {
    const { names, title } = this.#chain;
    if (isOtherFilter) this.#stage.showChoice(names, title);
    this.#sharing.note();
    this.#live.follow();
    this.#call.apply(isOtherFilter);
  }

  /**
   * @param {readonly string[]} names in order; the empty one is the camera alone
   * @param {Record<string, unknown>} [params] that are not the defaults
   */
  #showChoice(names, params = {}) {
    this.#gallery.choose(names[0]);
    this.#chain.show(names, params);
    this.#view.start.disabled = false;
    this.#stage.showChoice(this.#chain.names, this.#chain.title);
    this.#live.follow();
  }

  /** @param {Event} event */
  #refused(event) {
    const { fault } = detailOf(event);
    this.#view.tokenForm.hidden = !isOfTheToken(fault);
    const said = fault.field ? this.#chain.refuse(fault.field, fault.message) : null;
    if (said) return event.preventDefault();
    // The picture still shows the old choice, so the page shows it as chosen, too.
    if (this.#call.state !== "running" || !this.#accepted) return;
    this.#showChoice(this.#accepted.names, this.#accepted.params);
    this.#sharing.note();
  }

  #showCall() {
    const { state, stream, session } = this.#call;
    document.body.dataset.state = state;
    this.#language.write(this.#view.start, phrase(state === "idle" ? "start" : "stop"));
    if (state === "idle") this.#accepted = null;
    const camera = session?.camera ?? stream?.getVideoTracks()[0] ?? null;
    this.#stage.showPictures(camera, stream);
    this.#stage.showCard(false);
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
    this.#stage.showCard(stats.state === "card");
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
    if (isItsPicture && !document.hidden && session.filters.join() === this.#gallery.chosen.name) {
      this.#gallery.showLive(this.#view.filtered);
    }
  }

  /** @param {string[]} filters @param {Record<string, unknown>} params that an address asks for */
  #follow(filters, params) {
    if (!filters.every((name) => this.#gallery.has(name))) return;
    this.#showChoice(filters, params);
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
    this.#message.say(mood, said);
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
  new Message(view.message, view.messageOnPicture, language).say("bad", phrase("message.insecure"));
  const list = new FilterList(new URL(".", document.baseURI).href);
  const patient = {
    shim,
    list,
    names: [],
    title: phrase("filters.camera-only.title"),
    params: {},
  };
  new DoctorPanel(
    view.doctor,
    language,
    () => patient,
    () => {},
  );
}
