/**
 * The filters of the server. The page asks for them regularly, since workers come and go.
 */

/**
 * @typedef {{name: string, title?: string, description?: string, keeps_state?: boolean, private?: boolean,
 *   workers: number, schema: import('../shared/schema.js').Schema
 *   } & import('../shared/trouble.js').Told} FilterOffer as `GET /filters` gives it
 */

/** The choice that opens the camera without any server. */
export const CAMERA_ONLY = "";

const REFRESH_MS = 4_000;
// While a filter loads or no worker is there, the page asks more often.
const REFRESH_SOON_MS = 1_000;

/** Tells of each answer by the event `answer`. */
export class FilterList extends EventTarget {
  #server;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {string | undefined} */
  token;
  /** Status of the last request; 0: no answer; null: still waiting. @type {number | null} */
  status = null;
  /** @type {string | undefined} */
  defaultName;
  /**
   * All filters that were ever listed, the default first: a worker that left may come back.
   * @type {readonly FilterOffer[]}
   */
  offers = [];

  /** @param {string} server */
  constructor(server) {
    super();
    this.#server = server;
  }

  /** Asks now, and regularly from now on. */
  follow() {
    const ask = async () => {
      if (!document.hidden) await this.refresh();
      const isSettled = this.offers.length > 0 && this.offers.every(({ state }) => state !== "loading");
      this.#timer = setTimeout(ask, isSettled ? REFRESH_MS : REFRESH_SOON_MS);
    };
    clearTimeout(this.#timer);
    ask();
  }

  async refresh() {
    const { status, body } = await this.ask();
    this.status = status;
    const filters = /** @type {FilterOffer[]} */ (body?.filters ?? []);
    if (body) {
      this.defaultName = body.default;
      const away = this.offers.filter(({ name }) => !filters.some((offer) => offer.name === name));
      const all = [...filters, ...away.map((offer) => ({ ...offer, workers: 0 }))];
      const isDefault = (/** @type {FilterOffer} */ { name }) => name === this.defaultName;
      this.offers = Object.freeze([...all.filter(isDefault), ...all.filter((offer) => !isDefault(offer))]);
    }
    this.dispatchEvent(new Event("answer"));
  }

  /**
   * Makes any call.
   * @param {string} [path]
   * @param {RequestInit} [init]
   * @returns {Promise<{status: number, body: any}>} status 0: no answer; body null: not readable
   */
  async ask(path = "filters", init = {}) {
    const headers = new Headers(init.headers);
    if (this.token) headers.set("Authorization", `Bearer ${this.token}`);
    const address = new URL(path, this.#server);
    const response = await fetch(address, { cache: "no-store", ...init, headers }).catch(() => null);
    const body = response?.ok ? await response.json().catch(() => null) : null;
    return { status: response?.status ?? 0, body };
  }
}
