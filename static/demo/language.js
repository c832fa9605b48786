/**
 * The language of the page: which one, and what elements say in it.
 *
 * Whatever is written by `write` and `label` is written anew when the language changes.
 */

import english from "./text/en.js";
import japanese from "./text/ja.js";

/**
 * `otherwise` is said where no dictionary has the key, as with the filters of somebody else's.
 * @typedef {{key: string, values: Record<string, Text>, otherwise?: string}} Phrase
 * @typedef {Phrase | string | number} Text
 */

/** Each with its name in itself. */
export const LANGUAGES = Object.freeze({ en: "English", ja: "日本語" });
/** @typedef {keyof typeof LANGUAGES} Code */

/** @type {Record<Code, Readonly<Record<string, string>>>} */
const DICTIONARIES = { en: english, ja: japanese };
const STORED = "language";

/**
 * @param {string} key @param {Record<string, Text>} [values] @param {string} [otherwise]
 * @returns {Phrase}
 */
export function phrase(key, values = {}, otherwise = undefined) {
  return { key, values, otherwise };
}

/** Tells of another choice by the event `change`. */
export class Language extends EventTarget {
  /** @type {Code} */
  #code = "en";
  /** By attribute, the empty one for the content. @type {WeakMap<Element, Map<string, Text>>} */
  #written = new WeakMap();

  get code() {
    return this.#code;
  }

  /** @param {Text} text @returns {string} */
  say(text) {
    if (typeof text === "string") return text;
    if (typeof text === "number") return text.toLocaleString(this.#code, { maximumSignificantDigits: 6 });
    const { key, values, otherwise } = text;
    const found = DICTIONARIES[this.#code][key] ?? otherwise;
    if (found === undefined) throw new Error(`no language has the key ${key}`);
    return found.replace(/\{(\w+)\}/g, (_, name) => this.say(values[name] ?? ""));
  }

  /** @param {Element} element whose whole content this becomes @param {Text} text */
  write(element, text) {
    this.#put(element, "", text);
  }

  /** The name that screen readers give it, and, of what is drawn as an icon, its tooltip.
   * @param {Element} element @param {Text} text */
  label(element, text) {
    this.#put(element, "aria-label", text);
    if (element.matches("button")) this.#put(element, "title", text);
  }

  /** @param {ParentNode} root all below it with `data-text` or `data-label` */
  translate(root) {
    for (const element of root.querySelectorAll("[data-text]")) {
      this.write(element, phrase(/** @type {HTMLElement} */ (element).dataset.text ?? ""));
    }
    for (const element of root.querySelectorAll("[data-label]")) {
      this.label(element, phrase(/** @type {HTMLElement} */ (element).dataset.label ?? ""));
    }
  }

  /** Takes what was chosen last time, else what the browser prefers. @param {string | null} [asked] */
  start(asked = null) {
    const wanted = [asked, localStorage.getItem(STORED), ...navigator.languages];
    const codes = wanted.map((one) => /** @type {Code} */ (one?.slice(0, 2).toLowerCase()));
    this.#use(codes.find((code) => code in DICTIONARIES) ?? "en");
  }

  /** @param {Code} code */
  choose(code) {
    localStorage.setItem(STORED, code);
    this.#use(code);
  }

  /** @param {Code} code */
  #use(code) {
    this.#code = code;
    document.documentElement.lang = code;
    for (const element of document.querySelectorAll("[data-said]")) {
      for (const [attribute, text] of this.#written.get(element) ?? []) this.#show(element, attribute, text);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Element} element @param {string} attribute empty: its content @param {Text} text */
  #put(element, attribute, text) {
    const texts = this.#written.get(element) ?? new Map();
    this.#written.set(element, texts.set(attribute, text));
    element.setAttribute("data-said", "");
    this.#show(element, attribute, text);
  }

  /** @param {Element} element @param {string} attribute @param {Text} text */
  #show(element, attribute, text) {
    const said = this.say(text);
    if (attribute) element.setAttribute(attribute, said);
    // A screen reader would read the same words of a live region again.
    else if (element.textContent !== said) element.textContent = said;
  }
}
