/**
 * The language of the page: what was asked for, chosen last time, or preferred by the browser.
 */

import { Language } from "../shared/language.js";
import english from "./text/en.js";
import japanese from "./text/ja.js";

/** @import { Dictionary } from "../shared/language.js" */

/** The name of each language, in that language. */
export const LANGUAGES = Object.freeze({ en: "English", ja: "日本語" });
/** @typedef {keyof typeof LANGUAGES} Code */

/** @type {Record<Code, Dictionary>} */
const DICTIONARIES = { en: english, ja: japanese };
const STORED = "language";

/** @extends {Language<Code>} */
export class PageLanguage extends Language {
  constructor() {
    super(DICTIONARIES, "en");
  }

  /** @param {string | null} [asked] by a link */
  start(asked = null) {
    const wanted = [asked, localStorage.getItem(STORED), ...navigator.languages];
    const codes = wanted.map((one) => /** @type {Code} */ (one?.slice(0, 2).toLowerCase()));
    this.use(codes.find((code) => code in DICTIONARIES) ?? "en");
  }

  /** @param {Code} code */
  choose(code) {
    localStorage.setItem(STORED, code);
    this.use(code);
  }
}
