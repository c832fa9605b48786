/**
 * The address of the page as a link to send to somebody, and what somebody else's link asks for.
 */

import { phrase } from "../shared/language.js";
import { linkTo, readLink } from "./link.js";

/**
 * @typedef {import('../shared/language.js').Phrase} Phrase
 * @typedef {{
 *   wanted: () => {name: string, title: Phrase, params: Record<string, unknown>},
 *   whisper: (said: Phrase) => void,
 *   follow: (filter: string, params: Record<string, unknown>) => void,
 * }} Page
 */

export class Sharing {
  #language;
  #page;

  /**
   * @param {{copy: HTMLElement, share: HTMLElement}} buttons
   * @param {import('./language.js').PageLanguage} language
   * @param {Page} page
   */
  constructor({ copy, share }, language, page) {
    this.#language = language;
    this.#page = page;
    copy.addEventListener("click", () => this.#copy());
    share.hidden = !navigator.share;
    share.addEventListener("click", () => this.#share());
    // Somebody has changed the address by hand, or followed a link on this page.
    addEventListener("hashchange", () => {
      const { filter, params } = readLink(location.hash);
      if (filter !== null) page.follow(filter, params);
    });
  }

  /** Puts what is chosen into the address. */
  note() {
    const { name, params } = this.#page.wanted();
    history.replaceState(null, "", linkTo(name, params));
  }

  async #copy() {
    this.note();
    const isCopied = await navigator.clipboard?.writeText(location.href).then(
      () => true,
      () => false,
    );
    this.#page.whisper(phrase(isCopied ? "share.copied" : "share.not-copied"));
  }

  #share() {
    this.note();
    const title = this.#language.say(phrase("share.title", { filter: this.#page.wanted().title }));
    // A share that is given up is no fault.
    navigator.share({ title, url: location.href }).catch(() => {});
  }
}
