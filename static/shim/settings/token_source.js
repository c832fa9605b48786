/**
 * Where the token comes from: the page has it, or asks for it, by a function or an address of its own server.
 */

import { parsedJson } from "../../shared/json.js";
import { Fault } from "../base/fault.js";
import { fetchNative } from "../base/natives.js";

const TIMEOUT_MS = 10_000;

/**
 * A token, or what is asked for one each time that one is needed.
 * @typedef {string | (() => string | Promise<string>)} GivenToken
 */

export class TokenSource {
  /** @type {(() => string | Promise<string>) | null} */
  #ask = null;
  /** The token at hand. @type {string | null} */
  #kept = null;
  /** While one is asked for, whoever needs one waits for the same. @type {Promise<string> | null} */
  #asking = null;

  /** @param {GivenToken} given */
  constructor(given) {
    if (typeof given === "function") this.#ask = given;
    else this.#kept = given;
  }

  /** @returns {boolean} whether another token can be had */
  get canRenew() {
    return this.#ask !== null;
  }

  /** @returns {string | null} the token at hand */
  get kept() {
    return this.#kept;
  }

  /** @returns {Promise<string>} the token at hand, or one that is asked for now @throws {Fault} */
  async token() {
    return this.#kept ?? (this.#asking ??= this.#renew().finally(() => (this.#asking = null)));
  }

  /**
   * Forgets a token, so that the next one is asked for; one that cannot be replaced stays.
   * @param {string | null} [old] the one that was of no use; any, where it is left out
   */
  forget(old = this.#kept) {
    if (this.#ask !== null && old === this.#kept) this.#kept = null;
  }

  async #renew() {
    const ask = /** @type {() => string | Promise<string>} */ (this.#ask);
    /** @type {unknown} */
    let token;
    try {
      token = await withinLimit(ask());
    } catch (error) {
      throw new Fault("token_unavailable", `no token could be had (${/** @type {any} */ (error)?.message})`);
    }
    if (typeof token !== "string" || !token) throw new Fault("token_unavailable", "the token is no text");
    this.#kept = token;
    return token;
  }
}

/** @param {string | undefined} token @param {string | undefined} url @param {string} baseUrl of the page */
export function tokenSource(token, url, baseUrl) {
  if (url) {
    const address = new URL(url, baseUrl).href;
    return new TokenSource(() => fetchToken(address));
  }
  return token ? new TokenSource(token) : undefined;
}

/**
 * Asks the page's own server, with the user's cookies.
 * @param {string} url which answers with `{"token": "..."}` or the token alone
 */
async function fetchToken(url) {
  const response = await fetchNative(url, { credentials: "same-origin", cache: "no-store" });
  if (!response.ok) throw new Error(`${response.status}`);
  const text = (await response.text()).trim();
  return text.startsWith("{") ? parsedJson(text)?.token : text;
}

/** @param {string | Promise<string>} asked @returns {Promise<string>} */
async function withinLimit(asked) {
  /** @type {number | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = window.setTimeout(() => reject(new Error("no answer")), TIMEOUT_MS);
  });
  try {
    return await /** @type {Promise<string>} */ (Promise.race([asked, late]));
  } finally {
    clearTimeout(timer);
  }
}
