// @ts-check
/**
 * The list of filters: asked for from the server again and again, shown as one radio group.
 */

/**
 * @typedef {{name: string, title?: string, description?: string, keeps_state?: boolean, state?: string,
 *   workers: number, schema: import('./parameters.js').Schema}} FilterOffer as `GET /filters` gives it
 */

/** The choice that opens the camera without any server. */
export const CAMERA_ONLY = "";

const REFRESH_MS = 4_000;

const STATE_WORDS = new Map([
  ["loadable", "loads at first use"],
  ["loading", "loading"],
  ["failed", "failed to load"],
]);

/** @type {FilterOffer} */
const CAMERA_ONLY_OFFER = {
  name: CAMERA_ONLY,
  title: "Camera only",
  description: "No server: the camera as it is.",
  workers: 1,
  schema: {},
};

export class FilterChoice {
  #container;
  #onChoice;
  #onList;
  /** @type {Map<string, FilterOffer>} all that were ever listed: a worker that left may come back */
  #offers = new Map();
  #shown = "";
  /** @type {string | null} null until the list is there */
  #chosen = null;
  #timer = 0;

  /**
   * @param {HTMLElement} container
   * @param {(offer: FilterOffer) => void} onChoice by the user, and once for the server's default
   * @param {(outcome: {count: number, status: number}) => void} onList after each request; status 0: no answer
   */
  constructor(container, onChoice, onList) {
    this.#container = container;
    this.#onChoice = onChoice;
    this.#onList = onList;
    container.addEventListener("change", ({ target }) => {
      if (target instanceof HTMLInputElement) this.#choose(target.value);
    });
  }

  /** @returns {FilterOffer} */
  get chosen() {
    return this.#offers.get(this.#chosen ?? CAMERA_ONLY) ?? CAMERA_ONLY_OFFER;
  }

  /** @returns {boolean} whether the list has been there once */
  get isReady() {
    return this.#chosen !== null;
  }

  /** @param {string} server @param {() => string | undefined} token read at each request */
  follow(server, token) {
    const ask = async () => {
      if (!document.hidden) await this.refresh(server, token());
      this.#timer = setTimeout(ask, REFRESH_MS);
    };
    clearTimeout(this.#timer);
    ask();
  }

  /** @param {string} server @param {string | undefined} token */
  async refresh(server, token) {
    /** @type {Record<string, string>} */
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(new URL("filters", server), { headers, cache: "no-store" }).catch(
      () => null,
    );
    const body = response?.ok ? await response.json().catch(() => null) : null;
    const filters = /** @type {FilterOffer[]} */ (body?.filters ?? []);
    if (body) this.#show(filters, body.default);
    this.#onList({
      count: filters.filter(({ workers }) => workers > 0).length,
      status: response?.status ?? 0,
    });
  }

  /** @param {FilterOffer[]} filters @param {string | undefined} defaultName */
  #show(filters, defaultName) {
    const shown = JSON.stringify(filters);
    if (shown === this.#shown) return;
    this.#shown = shown;
    for (const [name, offer] of this.#offers) this.#offers.set(name, { ...offer, workers: 0 });
    for (const offer of filters) this.#offers.set(offer.name, offer);
    const isFirst = this.#chosen === null;
    if (isFirst && filters.length > 0) {
      this.#chosen = (filters.find(({ name }) => name === defaultName) ?? filters[0]).name;
    }
    const hadFocus = this.#container.contains(document.activeElement);
    const offers = [...this.#offers.values(), CAMERA_ONLY_OFFER];
    this.#container.replaceChildren(...offers.map((offer) => optionOf(offer, offer.name === this.#chosen)));
    if (hadFocus) /** @type {HTMLElement | null} */ (this.#container.querySelector("input:checked"))?.focus();
    if (isFirst && this.#chosen !== null) this.#onChoice(this.chosen);
  }

  /** @param {string} name */
  #choose(name) {
    this.#chosen = name;
    this.#onChoice(this.chosen);
  }
}

/** @param {FilterOffer} offer @param {boolean} isChosen */
function optionOf(offer, isChosen) {
  const label = document.createElement("label");
  label.className = "option";
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "filter";
  input.value = offer.name;
  input.checked = isChosen;
  const title = document.createElement("b");
  title.textContent = offer.title ?? offer.name;
  label.append(input, title);
  const word = offer.workers > 0 ? STATE_WORDS.get(offer.state ?? "") : "no worker now";
  if (word) {
    const badge = document.createElement("em");
    badge.textContent = word;
    label.append(badge);
  }
  if (offer.description) {
    const description = document.createElement("small");
    description.textContent = offer.description;
    label.append(description);
  }
  return label;
}
