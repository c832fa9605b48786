/**
 * The filters as cards, one of which is chosen. A card has an example until its filter has been used.
 *
 * What cannot run here, or does not keep up with a camera, stands apart, with the reason and what to do.
 */

import { CAMERA_ONLY } from "./filter_list.js";
import { drawCard } from "./examples.js";
import { phrase } from "../shared/language.js";
import { hasFailed, runsWell, sizeWords, troubleOf, troubleWords } from "../shared/trouble.js";

/**
 * @typedef {import('./filter_list.js').FilterOffer} FilterOffer
 * @typedef {{element: HTMLElement, input: HTMLInputElement, picture: HTMLCanvasElement, state: HTMLElement, why: HTMLElement}} Card
 * @typedef {{well: HTMLElement, apart: HTMLElement, ill: HTMLElement}} Places `apart`, with a heading, holds `ill`
 */

/** Filters whose example has a person that another network has found (docs/gallery.md). */
const EXAMPLES_OF_ANOTHER = ["detection", "segmentation"];
const PICTURE_WIDTH = 384;
const PICTURE_HEIGHT = 288;

/** @type {FilterOffer} */
const CAMERA_ONLY_OFFER = {
  name: CAMERA_ONLY,
  title: "Camera only",
  state: "local",
  workers: 1,
  schema: {},
};

export class Gallery {
  #places;
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
   * @param {Places} places
   * @param {import('./language.js').PageLanguage} language
   * @param {() => void} onChoice by the user
   * @param {(offer: FilterOffer) => void} onRefused of a filter that cannot run, which the user would have chosen
   */
  constructor(places, language, onChoice, onRefused) {
    this.#places = places;
    this.#language = language;
    this.#onChoice = onChoice;
    for (const container of [places.well, places.ill]) {
      container.addEventListener("change", ({ target }) => {
        if (!(target instanceof HTMLInputElement)) return;
        this.#chosen = target.value;
        this.#onChoice();
      });
    }
    places.ill.addEventListener("click", ({ target }) => {
      const input = target instanceof Element ? target.closest(".card")?.querySelector("input") : null;
      const offer = this.#offers.get(input?.value ?? "");
      // A disabled input tells of no click itself.
      if (input?.disabled && offer) onRefused(offer);
    });
  }

  /** @returns {FilterOffer} */
  get chosen() {
    return this.offerOf(this.#chosen ?? CAMERA_ONLY) ?? CAMERA_ONLY_OFFER;
  }

  /** @returns {readonly FilterOffer[]} those that can run, without the camera alone */
  get usable() {
    return [...this.#offers.values()].filter((offer) => offer.name !== CAMERA_ONLY && !hasFailed(offer));
  }

  /** @returns {boolean} whether a filter, or the camera only, is chosen */
  get isReady() {
    return this.#chosen !== null;
  }

  /** @param {string} name @returns {FilterOffer | undefined} */
  offerOf(name) {
    return this.#offers.get(name);
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
      const card = this.#cards.get(offer.name) ?? this.#newCard(offer);
      this.#cards.set(offer.name, card);
      this.#place(card, offer);
      if (offer.state !== "loading") this.#loaded.delete(offer.name);
      this.#showState(offer, card);
    }
    this.#places.apart.hidden = this.#places.ill.childElementCount === 0;
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

  /** Puts a card where it belongs, in the order of the list. @param {Card} card @param {FilterOffer} offer */
  #place({ element }, offer) {
    const container = runsWell(offer) ? this.#places.well : this.#places.ill;
    if (element.parentElement === container) return;
    const names = [...this.#offers.keys()];
    const later = names
      .slice(names.indexOf(offer.name) + 1)
      .map((name) => this.#cards.get(name)?.element)
      .find((other) => other?.parentElement === container);
    // A radio button that moves loses its mark.
    const isChosen = this.#chosen === offer.name;
    container.insertBefore(element, later ?? null);
    if (isChosen) this.choose(offer.name);
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
    drawCard(picture, offer.name, () => !picture.dataset.live);
    const title = document.createElement("b");
    this.#language.write(title, this.titleOf(offer));
    const state = document.createElement("em");
    const why = document.createElement("strong");
    const description = document.createElement("small");
    this.#language.write(description, descriptionOf(offer));
    element.append(input, picture, title, state, why, description);
    if (EXAMPLES_OF_ANOTHER.includes(offer.name)) {
      const note = document.createElement("small");
      this.#language.write(note, phrase("filters.example-of-another"));
      element.append(note);
    }
    return { element, input, picture, state, why };
  }

  /** @param {FilterOffer} offer @param {Card} card */
  #showState(offer, { element, input, state: place, why }) {
    const { name, state = "loaded", workers, size_bytes = 0, has_weights = true } = offer;
    const shown = workers > 0 ? state : "away";
    element.dataset.state = shown;
    input.disabled = shown === "failed";
    const fraction = this.#loaded.get(name);
    const isPart = shown === "loading" && fraction !== undefined;
    if (isPart) element.style.setProperty("--loaded", String(fraction));
    const percent = Math.round((fraction ?? 0) * 100);
    const needsDownload = shown === "loadable" && !has_weights && size_bytes > 0;
    if (isPart) this.#language.write(place, phrase("filters.state.loading-part", { percent }));
    else if (needsDownload) {
      this.#language.write(place, phrase("filters.state.downloads", { size: sizeWords(size_bytes) }));
    } else this.#language.write(place, phrase(`filters.state.${shown}`, {}, shown));
    // That something is downloaded first is said above, and keeps nobody from choosing it.
    const trouble = shown === "away" || offer.reason_code === "needs_weights" ? null : troubleOf(offer);
    why.hidden = trouble === null;
    this.#language.write(why, trouble ? troubleWords(trouble, size_bytes) : "");
  }
}

/** @param {FilterOffer} offer */
function descriptionOf({ name, description = "" }) {
  if (name === CAMERA_ONLY) return phrase("filters.camera-only.description");
  return phrase(`filter.${name}.description`, {}, description);
}
