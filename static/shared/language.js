/**
 * What elements say, in one of several languages.
 *
 * Whatever is written by `write` and `label` is written again when the language changes.
 */

/**
 * `otherwise` is used where no dictionary has the key, as with the filters of other packages.
 * @typedef {{key: string, values: Record<string, Text>, otherwise?: string}} Phrase
 * @typedef {Phrase | string | number} Text
 * @typedef {Pick<Language<any>, 'write' | 'label'>} Words what a control speaks with
 * @typedef {Readonly<Record<string, string>>} Dictionary by key; `{name}` stands for a value
 */

/**
 * @param {string} key @param {Record<string, Text>} [values] @param {string} [otherwise]
 * @returns {Phrase}
 */
export function phrase(key, values = {}, otherwise = undefined) {
  return { key, values, otherwise };
}

/** Tells of another choice by the event `change`. @template {string} Code */
export class Language extends EventTarget {
  #dictionaries;
  #code;
  /** By attribute, the empty one for the content. @type {WeakMap<Element, Map<string, Text>>} */
  #written = new WeakMap();

  /** @param {Record<Code, Dictionary>} dictionaries by language @param {Code} code of the first one */
  constructor(dictionaries, code) {
    super();
    this.#dictionaries = dictionaries;
    this.#code = code;
  }

  /** @returns {Code} */
  get code() {
    return this.#code;
  }

  /** @param {Text} text @returns {string} */
  say(text) {
    if (typeof text === "string") return text;
    if (typeof text === "number") return text.toLocaleString(this.#code, { maximumSignificantDigits: 6 });
    const { key, values, otherwise } = text;
    const found = this.#dictionaries[this.#code][key] ?? otherwise;
    if (found === undefined) throw new Error(`no language has the key ${key}`);
    return found.replace(/\{(\w+)\}/g, (_, name) => this.say(values[name] ?? ""));
  }

  /** @param {Element} element whose whole content this becomes @param {Text} text */
  write(element, text) {
    this.#put(element, "", text);
  }

  /**
   * Names an element for screen readers, and a button by its tooltip, too.
   * @param {Element} element
   * @param {Text} text
   */
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

  /** @param {Code} code */
  use(code) {
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
    // A screen reader would read unchanged words of a live region again.
    else if (element.textContent !== said) element.textContent = said;
  }
}
