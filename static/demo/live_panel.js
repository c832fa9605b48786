/**
 * "Go live": others watch the filtered picture by a link, or a telephone's camera becomes a source of OBS.
 */

import { phrase } from "../shared/language.js";
import { failureOf } from "./failures.js";
import { linkTo } from "./link.js";
import { pathOf, qrCode } from "./qr.js";

/**
 * @import { P2PCamera, P2PCameraFault } from "../p2pcamera.js"
 * @import { Call } from "./call.js"
 * @import { PageLanguage } from "./language.js"
 */

/**
 * @typedef {import('../shared/language.js').Phrase} Phrase
 * @typedef {{begin: HTMLButtonElement, sound: HTMLInputElement, message: HTMLElement, link: HTMLElement,
 *   code: SVGElement, address: HTMLAnchorElement, viewers: HTMLElement, copy: HTMLButtonElement,
 *   phone: HTMLButtonElement, phonePart: HTMLElement, phoneCode: SVGElement, phoneAddress: HTMLElement,
 *   phoneCopy: HTMLButtonElement, phoneNote: HTMLElement}} Places
 * @typedef {{shim: P2PCamera, call: Call, token: () => string, whisper: (said: Phrase) => void,
 *   wanted: () => {names: string[], params: Record<string, unknown>}}} Page
 */

const SVG = "http://www.w3.org/2000/svg";
/** Light modules around a code (ISO/IEC 18004 section 6.3.8). */
const QUIET = 4;
const STORED = "p2pcamera.telephone";
const NAME_BYTES = 12;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const OWN_FAULTS = new Set(["stream_forbidden", "stream_taken", "taken_over"]);

export class LivePanel {
  #places;
  #language;
  #page;
  /** The name that the address asks for. @type {string | null} */
  #name;
  /** The microphone, as long as it is sent. @type {MediaStream | null} */
  #sound = null;
  #isBusy = false;

  /** @param {Places} places @param {PageLanguage} language @param {Page} page @param {string | null} name of the address */
  constructor(places, language, page, name) {
    this.#places = places;
    this.#language = language;
    this.#page = page;
    this.#name = name;
    const { shim, call } = page;
    places.begin.addEventListener("click", () => (shim.publication ? this.#end() : this.#begin()));
    places.copy.addEventListener("click", () => this.#copy(places.address.href));
    places.phone.addEventListener("click", () => this.#showPhone(places.phonePart.hidden === true));
    places.phoneCopy.addEventListener("click", () => this.#copy(places.phoneAddress.textContent ?? ""));
    shim.addEventListener("publication", ({ detail }) => {
      if (detail.fault) this.#say("bad", failure(detail.fault));
      this.#show();
    });
    call.addEventListener("state", () => {
      // Without a filter there is nothing to publish, and a later start shall not surprise anybody.
      if (call.state === "idle" || (call.state === "running" && !call.session)) this.#end();
      this.#show();
    });
    if (name) this.#say("info", phrase("live.asked"));
    document.body.dataset.sends = `${name !== null}`;
    this.#show();
  }

  /** Follows the choice of filters, which the telephone's link has. */
  follow() {
    if (!this.#places.phonePart.hidden) this.#drawPhone();
    this.#show();
  }

  async #begin() {
    const { shim, call } = this.#page;
    this.#isBusy = true;
    this.#say("wait", phrase("live.beginning"));
    this.#show();
    try {
      if (call.state === "idle") await call.start();
      if (call.state !== "running" || !call.session) return this.#say("info", "");
      const hasSound = this.#places.sound.checked && (await this.#openSound());
      await shim.publish(this.#name, { sound: hasSound });
      this.#say("info", hasSound || !this.#places.sound.checked ? "" : phrase("live.no-microphone"));
    } catch (error) {
      this.#closeSound();
      this.#say("bad", failure(/** @type {P2PCameraFault} */ (error)));
    } finally {
      this.#isBusy = false;
      this.#show();
    }
  }

  #end() {
    this.#closeSound();
    this.#page.shim.unpublish();
  }

  /** @returns {Promise<boolean>} whether there is a microphone */
  async #openSound() {
    this.#closeSound();
    this.#sound = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => null);
    return this.#sound !== null;
  }

  #closeSound() {
    for (const track of this.#sound?.getTracks() ?? []) track.stop();
    this.#sound = null;
  }

  #show() {
    const { shim, wanted } = this.#page;
    const { begin, sound, link, code, address, viewers } = this.#places;
    const { publication } = shim;
    const toDo = publication ? "live.end" : this.#name ? "live.send" : "live.begin";
    this.#language.write(begin, phrase(toDo));
    begin.disabled = this.#isBusy || (!publication && wanted().names.length === 0);
    begin.dataset.live = `${publication !== null}`;
    sound.disabled = publication !== null;
    link.hidden = publication === null;
    if (publication === null) return this.#closeSound();
    if (address.href !== publication.watchUrl) {
      address.href = address.textContent = publication.watchUrl;
      draw(code, publication.watchUrl);
    }
    this.#language.write(viewers, phrase("live.viewers", { count: publication.viewers }));
  }

  /** @param {boolean} isWanted */
  #showPhone(isWanted) {
    this.#places.phonePart.hidden = !isWanted;
    this.#places.phone.setAttribute("aria-expanded", `${isWanted}`);
    if (isWanted) this.#drawPhone();
  }

  #drawPhone() {
    const { phoneCode, phoneAddress, phoneNote } = this.#places;
    const { token, wanted } = this.#page;
    const name = telephoneName();
    const { names, params } = wanted();
    const own = new URL(".", document.baseURI).href;
    const more = `&publish=${name}${token() ? `&token=${encodeURIComponent(token())}` : ""}`;
    // Settings that are too long for a code are left out.
    if (!draw(phoneCode, own + linkTo(names, params) + more)) draw(phoneCode, own + linkTo(names, {}) + more);
    phoneAddress.textContent = `${own}watch/${name}?sound=on&background=transparent`;
    const note = LOOPBACK.test(location.hostname) ? "live.phone-loopback" : token() ? "live.phone-token" : "";
    this.#language.write(phoneNote, note && phrase(note));
  }

  /** @param {string} text */
  async #copy(text) {
    const isCopied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    this.#page.whisper(phrase(isCopied ? "live.copied" : "live.not-copied"));
  }

  /** @param {"info" | "wait" | "bad"} mood @param {Phrase | ""} said */
  #say(mood, said) {
    const { message } = this.#places;
    this.#language.write(message, said);
    message.dataset.kind = mood;
  }
}

/** @param {P2PCameraFault} fault @returns {Phrase} */
function failure(fault) {
  return OWN_FAULTS.has(fault.code) ? phrase(`live.${fault.code}`) : failureOf(fault, fault);
}

/** @returns {string} the name for this browser's telephone: the source of OBS stays as it was set up once */
function telephoneName() {
  const kept = localStorage.getItem(STORED);
  if (kept) return kept;
  const bytes = crypto.getRandomValues(new Uint8Array(NAME_BYTES));
  const made = btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_");
  localStorage.setItem(STORED, made);
  return made;
}

/** @param {SVGElement} picture @param {string} text @returns {boolean} false where it is too long for a code */
function draw(picture, text) {
  const modules = qrCode(text);
  if (modules === null) return false;
  const side = modules.length + 2 * QUIET;
  picture.setAttribute("viewBox", `${-QUIET} ${-QUIET} ${side} ${side}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", pathOf(modules));
  picture.replaceChildren(path);
  return true;
}
