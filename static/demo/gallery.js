/**
 * The filters as cards, one of which is chosen. A card has a drawn picture until its filter has been used.
 */

import { CAMERA_ONLY } from "./filter_list.js";
import { phrase } from "../shared/language.js";
import { drawScene } from "./scene.js";

/**
 * @typedef {import('./filter_list.js').FilterOffer} FilterOffer
 * @typedef {{element: HTMLElement, input: HTMLInputElement, picture: HTMLCanvasElement, state: HTMLElement}} Card
 */

const PICTURE_WIDTH = 256;
const PICTURE_HEIGHT = 192;

/** @type {FilterOffer} */
const CAMERA_ONLY_OFFER = {
  name: CAMERA_ONLY,
  title: "Camera only",
  state: "local",
  workers: 1,
  schema: {},
};

export class Gallery {
  #container;
  #language;
  #onChoice;
  /** @type {Map<string, Card>} */
  #cards = new Map();
  /** @type {Map<string, FilterOffer>} */
  #offers = new Map([[CAMERA_ONLY, CAMERA_ONLY_OFFER]]);
  /** @type {Map<string, number>} of a filter that is being loaded, from 0 to 1 */
  #loaded = new Map();
  /** @type {string | null} null until there is a list to choose from */
  #chosen = null;

  /**
   * @param {HTMLElement} container
   * @param {import('./language.js').PageLanguage} language
   * @param {() => void} onChoice by the user
   */
  constructor(container, language, onChoice) {
    this.#container = container;
    this.#language = language;
    this.#onChoice = onChoice;
    container.addEventListener("change", ({ target }) => {
      if (!(target instanceof HTMLInputElement)) return;
      this.#chosen = target.value;
      this.#onChoice();
    });
  }

  /** @returns {FilterOffer} */
  get chosen() {
    return this.#offers.get(this.#chosen ?? CAMERA_ONLY) ?? CAMERA_ONLY_OFFER;
  }

  /** @returns {boolean} whether a filter, or the camera only, is chosen */
  get isReady() {
    return this.#chosen !== null;
  }

  /** @param {string} name */
  has(name) {
    return this.#offers.has(name);
  }

  /** @param {string} name of an offer */
  choose(name) {
    this.#chosen = name;
    const card = this.#cards.get(name);
    if (card) card.input.checked = true;
  }

  /** @param {readonly FilterOffer[]} offers */
  show(offers) {
    this.#offers = new Map([...offers, CAMERA_ONLY_OFFER].map((offer) => [offer.name, offer]));
    for (const name of [...this.#cards.keys()]) {
      if (this.#offers.has(name)) continue;
      this.#cards.get(name)?.element.remove();
      this.#cards.delete(name);
    }
    for (const offer of this.#offers.values()) {
      const isNew = !this.#cards.has(offer.name);
      const card = this.#cards.get(offer.name) ?? this.#newCard(offer);
      if (isNew) this.#place(card, offer);
      if (offer.state !== "loading") this.#loaded.delete(offer.name);
      this.#showState(offer, card);
    }
  }

  /** @param {string} name @param {number} fraction of its loading, from 0 to 1 */
  showProgress(name, fraction) {
    this.#loaded.set(name, fraction);
    const offer = this.#offers.get(name);
    const card = this.#cards.get(name);
    if (offer && card) this.#showState({ ...offer, state: "loading" }, card);
  }

  /** Puts what a video shows on the chosen filter's card. @param {HTMLVideoElement} video */
  showLive(video) {
    const card = this.#cards.get(this.#chosen ?? "");
    if (!card || !video.videoWidth) return;
    const { picture } = card;
    const scale = Math.max(PICTURE_WIDTH / video.videoWidth, PICTURE_HEIGHT / video.videoHeight);
    const [width, height] = [video.videoWidth * scale, video.videoHeight * scale];
    const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
    context.resetTransform();
    context.drawImage(video, (PICTURE_WIDTH - width) / 2, (PICTURE_HEIGHT - height) / 2, width, height);
    picture.dataset.live = "true";
  }

  /** @param {FilterOffer} offer @returns {import('../shared/language.js').Phrase} */
  titleOf({ name, title }) {
    if (name === CAMERA_ONLY) return phrase("filters.camera-only.title");
    return phrase(`filter.${name}.title`, {}, title ?? name);
  }

  /** @param {Card} card @param {FilterOffer} offer in the order of the list */
  #place(card, offer) {
    const names = [...this.#offers.keys()];
    const later = names.slice(names.indexOf(offer.name) + 1).map((name) => this.#cards.get(name)?.element);
    this.#container.insertBefore(card.element, later.find((element) => element !== undefined) ?? null);
    this.#cards.set(offer.name, card);
  }

  /** @param {FilterOffer} offer @returns {Card} */
  #newCard(offer) {
    const element = document.createElement("label");
    element.className = "card";
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "filter", value: offer.name });
    input.checked = offer.name === this.#chosen;
    const picture = document.createElement("canvas");
    Object.assign(picture, { width: PICTURE_WIDTH, height: PICTURE_HEIGHT });
    picture.setAttribute("aria-hidden", "true");
    drawScene(picture, offer.name);
    const title = document.createElement("b");
    this.#language.write(title, this.titleOf(offer));
    const state = document.createElement("em");
    const description = document.createElement("small");
    this.#language.write(description, descriptionOf(offer));
    element.append(input, picture, title, state, description);
    return { element, input, picture, state };
  }

  /** @param {FilterOffer} offer @param {Card} card */
  #showState({ name, state = "loaded", workers }, { element, state: place }) {
    const shown = workers > 0 ? state : "away";
    element.dataset.state = shown;
    const fraction = this.#loaded.get(name);
    const isPart = shown === "loading" && fraction !== undefined;
    if (isPart) element.style.setProperty("--loaded", String(fraction));
    const percent = Math.round((fraction ?? 0) * 100);
    this.#language.write(
      place,
      isPart
        ? phrase("filters.state.loading-part", { percent })
        : phrase(`filters.state.${shown}`, {}, shown),
    );
  }
}

/** @param {FilterOffer} offer */
function descriptionOf({ name, description = "" }) {
  if (name === CAMERA_ONLY) return phrase("filters.camera-only.description");
  return phrase(`filter.${name}.description`, {}, description);
}
