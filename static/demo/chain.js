/**
 * The filters that are applied one after the other, each with its settings: one, or several put together here.
 */

import { CAMERA_ONLY } from "./filter_list.js";
import { phrase } from "../shared/language.js";
import { Parameters } from "../shared/parameters.js";

/**
 * @typedef {import('./filter_list.js').FilterOffer} FilterOffer
 * @typedef {import('../shared/language.js').Phrase} Phrase
 * @typedef {{name: string, element: HTMLElement, parameters: Parameters}} Member
 * @typedef {{form: HTMLFormElement, members: HTMLElement, adding: HTMLElement, add: HTMLSelectElement}} Places
 */

/** As many as the server takes. */
const MAX_MEMBERS = 8;

export class Chain {
  #places;
  #language;
  #gallery;
  #onChange;
  /** @type {Member[]} */
  #members = [];

  /**
   * @param {Places} places
   * @param {import('./language.js').PageLanguage} language
   * @param {import('./gallery.js').Gallery} gallery
   * @param {(isOtherFilter: boolean) => void} onChange by the user
   */
  constructor(places, language, gallery, onChange) {
    this.#places = places;
    this.#language = language;
    this.#gallery = gallery;
    this.#onChange = onChange;
    places.form.addEventListener("reset", (event) => {
      event.preventDefault();
      for (const { parameters } of this.#members) parameters.reset();
    });
    places.add.addEventListener("change", () => {
      const name = places.add.value;
      if (name) this.#become([...this.names, name]);
    });
  }

  /** @returns {string[]} none for the camera alone */
  get names() {
    return this.#members.map(({ name }) => name);
  }

  /** @returns {Record<string, unknown>} of the one filter; of several by their names */
  get params() {
    if (this.#members.length === 1) return this.#members[0].parameters.values;
    return Object.fromEntries(this.#members.map(({ name, parameters }) => [name, parameters.values]));
  }

  /** @returns {Phrase} */
  get title() {
    const titles = this.names.map((name) => this.#titleOf(name));
    if (titles.length === 0) return phrase("filters.camera-only.title");
    return titles.reduceRight((next, first) => phrase("chain.then", { first, next }));
  }

  /**
   * @param {readonly string[]} names of offers
   * @param {Record<string, any>} params as `params` gives them, or what a link has made of them
   */
  show(names, params = {}) {
    const wanted = names.filter((name) => name !== CAMERA_ONLY).slice(0, MAX_MEMBERS);
    const isOne = wanted.length === 1;
    this.#members = wanted.map((name, place) => {
      const own = isOne ? params : params[name];
      return this.#newMember(name, place, wanted.length, typeof own === "object" && own ? own : {});
    });
    this.#places.members.replaceChildren(...this.#members.map(({ element }) => element));
    this.offer();
  }

  /** Lists what could follow; to be called when the list of filters has changed. */
  offer() {
    const { form, adding, add } = this.#places;
    const { names } = this;
    const others = this.#gallery.usable.filter(({ name }) => !names.includes(name));
    const first = new Option("", "");
    this.#language.write(first, phrase("chain.add"));
    const options = others.map((offer) => {
      const option = new Option("", offer.name);
      this.#language.write(option, this.#gallery.titleOf(offer));
      return option;
    });
    const listed = [...add.options].map(({ value }) => value).join();
    if (listed !== ["", ...others.map(({ name }) => name)].join()) add.replaceChildren(first, ...options);
    add.value = "";
    adding.hidden = names.length === 0 || names.length >= MAX_MEMBERS || others.length === 0;
    form.hidden =
      names.length === 0 || (adding.hidden && this.#members.every((one) => one.parameters.isEmpty));
  }

  /** @param {Record<string, any>} params that the server has taken */
  accept(params) {
    const isOne = this.#members.length === 1;
    for (const { name, parameters } of this.#members) {
      parameters.accept((isOne ? params : params[name]) ?? {});
    }
  }

  /**
   * Takes a value back that the server has refused.
   * @param {string} field of a parameter, after its filter's name where there are several
   * @param {string} reason
   * @returns {import('../shared/language.js').Text | null} null where there is no such field
   */
  refuse(field, reason) {
    if (this.#members.length === 1) return this.#members[0].parameters.refuse(field, reason);
    const [name, ...rest] = field.split(".");
    const member = this.#members.find((one) => one.name === name);
    return member?.parameters.refuse(rest.join("."), reason) ?? null;
  }

  /** @param {string[]} names of the user's choice */
  #become(names) {
    const kept = Object.fromEntries(this.#members.map(({ name, parameters }) => [name, parameters.values]));
    this.show(names, names.length === 1 ? kept[names[0]] : kept);
    this.#gallery.choose(names[0]);
    this.#onChange(true);
  }

  /**
   * @param {string} name @param {number} place @param {number} count @param {Record<string, unknown>} params
   * @returns {Member}
   */
  #newMember(name, place, count, params) {
    const element = document.createElement("section");
    element.dataset.filter = name;
    const title = this.#titleOf(name);
    this.#language.label(element, title);
    const fields = document.createElement("div");
    fields.className = "parameters";
    // Ids must differ where two filters have a parameter of the same name.
    const prefix = place === 0 ? "parameter" : `parameter-${name}`;
    const parameters = new Parameters(fields, this.#language, () => this.#onChange(false), prefix);
    parameters.show(name, this.#gallery.offerOf(name)?.schema ?? {}, params);
    if (count > 1) element.append(this.#newHead(name, title, place, count));
    element.append(fields);
    return { name, element, parameters };
  }

  /** @param {string} name @param {Phrase} title @param {number} place @param {number} count */
  #newHead(name, title, place, count) {
    const head = document.createElement("header");
    const heading = document.createElement("h3");
    this.#language.write(heading, phrase("chain.place", { number: place + 1, filter: title }));
    const move = (/** @type {number} */ by) => {
      const other = this.names;
      [other[place], other[place + by]] = [other[place + by], other[place]];
      this.#become(other);
    };
    head.append(
      heading,
      this.#newButton("↑", phrase("chain.up", { filter: title }), place === 0, () => move(-1)),
      this.#newButton("↓", phrase("chain.down", { filter: title }), place === count - 1, () => move(1)),
      this.#newButton("✕", phrase("chain.remove", { filter: title }), false, () =>
        this.#become(this.names.filter((one) => one !== name)),
      ),
    );
    return head;
  }

  /** @param {string} sign @param {Phrase} said @param {boolean} isDisabled @param {() => void} act */
  #newButton(sign, said, isDisabled, act) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "icon", textContent: sign, disabled: isDisabled });
    this.#language.label(button, said);
    button.addEventListener("click", act);
    return button;
  }

  /** @param {string} name */
  #titleOf(name) {
    return this.#gallery.titleOf(this.#gallery.offerOf(name) ?? { name, workers: 0, schema: {} });
  }
}
