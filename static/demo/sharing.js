/**
 * Links to the page with the current choice: making them, and following them.
 */

import { phrase } from "../shared/language.js";
import { linkTo, readLink } from "./link.js";

/**
 * @typedef {import('../shared/language.js').Phrase} Phrase
 * @typedef {{
 *   wanted: () => {names: string[], title: Phrase, params: Record<string, unknown>},
 *   whisper: (said: Phrase) => void,
 *   follow: (filters: string[], params: Record<string, unknown>) => void,
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
    // The user has changed the address by hand, or followed a link on this page.
    addEventListener("hashchange", () => {
      const { filters, params } = readLink(location.hash);
      if (filters !== null) page.follow(filters, params);
    });
  }

  /** Puts the current choice into the address. */
  note() {
    const { names, params } = this.#page.wanted();
    history.replaceState(null, "", linkTo(names, params));
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
    // The user may cancel the share.
    navigator.share({ title, url: location.href }).catch(() => {});
  }
}
