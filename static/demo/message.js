/** What the page says: below the picture, and on it while that place is scrolled out of sight. */

/**
 * @import { Phrase } from "../shared/language.js"
 * @import { Mood } from "./call.js"
 * @import { PageLanguage } from "./language.js"
 */

export class Message {
  #places;
  #language;

  /**
   * @param {HTMLElement} below the picture, where it is read aloud
   * @param {HTMLElement} onPicture shown in its place while the picture covers that
   * @param {PageLanguage} language
   */
  constructor(below, onPicture, language) {
    this.#places = [below, onPicture];
    this.#language = language;
    const picture = /** @type {HTMLElement} */ (onPicture.parentElement);
    const look = () => {
      onPicture.hidden = below.getBoundingClientRect().bottom > picture.getBoundingClientRect().bottom;
    };
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
  }

  /** @param {Mood} mood @param {Phrase} said */
  say(mood, said) {
    for (const place of this.#places) {
      this.#language.write(place, said);
      place.dataset.kind = mood;
    }
  }
}
