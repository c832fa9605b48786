/**
 * The HTTP calls to the signaling service.
 */

import { asList, jsonText } from "../../shared/json.js";
import { retryAfter_s } from "../../shared/retry.js";
import { embedder } from "../base/embedder.js";
import { Fault, faultFromError } from "../base/fault.js";
import { fetchNative } from "../base/natives.js";

/**
 * @import { AskedToPublish } from "../publishing/publication.js"
 * @import { Settings } from "../settings/settings.js"
 */

const ICE_SERVERS_TIMEOUT_MS = 3_000;
const CHECK_TIMEOUT_MS = 2_000;
const CHANGE_TIMEOUT_MS = 20_000;
/** How long a call for the list of filters may take. */
export const FILTERS_TIMEOUT_MS = 3_000;

const JSON_TYPE = { "Content-Type": "application/json" };
const fetchFromServer = embedder?.fetch ?? fetchNative;

/**
 * What a session calls; an extension stands in for these.
 * @typedef {Pick<Signaling, 'iceServers' | 'iceServersOrFault' | 'privateFilters' | 'check'>} SignalingCalls
 */

/**
 * What the server applies. `first` is the RTP timestamp of the first frame of it; null where it is unknown or
 * need not be known.
 * @typedef {{filters: string[], isPrivate: boolean, first: number | null}} Applied
 */

export class Signaling {
  #settings;

  /** @param {Settings} settings as they were when the camera was asked for */
  constructor(settings) {
    this.#settings = settings;
  }

  /** @returns {Promise<RTCIceServer[]>} none where the server does not answer, since a direct path may do */
  iceServers() {
    return this.iceServersOrFault().catch(() => []);
  }

  /** @returns {Promise<RTCIceServer[]>} @throws {Fault} */
  async iceServersOrFault() {
    const signal = AbortSignal.timeout(ICE_SERVERS_TIMEOUT_MS);
    const response = await this.#call("ice-servers", { signal });
    const { iceServers } = await response.json().catch(() => ({}));
    return Array.isArray(iceServers) ? iceServers : [];
  }

  /**
   * @param {RTCSessionDescription} description
   * @param {AbortSignal} signal
   * @param {boolean} isReconnection whether it takes up a call again, which the server counts
   * @param {AskedToPublish | null} [asked] null: others see nothing of it
   * @returns {Promise<{id: string, sdp: string, filters: string[], isPrivate: boolean, published: string}>}
   * @throws {Fault}
   */
  async offer({ type, sdp }, signal, isReconnection, asked = null) {
    const { filter, params, outage, server } = this.#settings;
    const reconnect = isReconnection || undefined;
    const publish = asked ? { ...publishing(asked), takes_over: asked.takesOver } : {};
    const body = jsonText({ type, sdp, filter: filter ?? undefined, params, outage, reconnect, ...publish });
    const response = await this.#call("offer", { method: "POST", headers: JSON_TYPE, body, signal });
    const answer = await response.json().catch(() => null);
    if (typeof answer?.sdp !== "string" || typeof answer.session !== "string") {
      throw new Fault("bad_answer", `what answers at ${server} is not a p2pcamera server`);
    }
    const filters = asList(answer.filter);
    const published = String(answer.publish ?? "");
    return { id: answer.session, sdp: answer.sdp, filters, isPrivate: answer.private === true, published };
  }

  /**
   * @returns {Promise<{filters: {name: string, private?: boolean}[], default: string}>} what workers serve
   * @throws {Fault}
   */
  async filters() {
    const response = await this.#call("filters", { signal: AbortSignal.timeout(FILTERS_TIMEOUT_MS) });
    return response.json();
  }

  /**
   * @returns {Promise<(string | null)[]>} the private filters, and null where the default is one of them; empty where the
   *   server does not tell
   */
  async privateFilters() {
    try {
      const { filters, default: preset } = await this.filters();
      const names = filters.filter((filter) => filter.private).map(({ name }) => name);
      return names.includes(preset) ? [...names, null] : names;
    } catch {
      return [];
    }
  }

  /** @param {string} id @param {string} body an SDP fragment @throws {Fault} */
  async trickle(id, body) {
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag" };
    await this.#call(`sessions/${id}`, { method: "PATCH", headers, body });
  }

  /**
   * Asks for a session without a change.
   * @param {string} id
   * @throws {Fault} where the session does not exist any more
   */
  async check(id) {
    const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
    await this.#call(`sessions/${id}`, { method: "PATCH", headers: JSON_TYPE, body: "{}", signal });
  }

  /** @param {string} id @param {string} body JSON @returns {Promise<Applied>} @throws {Fault} */
  async change(id, body) {
    return applied(await this.#change(id, body));
  }

  /**
   * @param {string} id @param {AskedToPublish | null} asked null: nobody is to see it any more
   * @returns {Promise<string>} the name under which it is published; empty: under none
   * @throws {Fault}
   */
  async publish(id, asked) {
    const body = jsonText(asked ? publishing(asked) : { publish: false });
    const { publish = "" } = await this.#change(id, body);
    return String(publish);
  }

  /** @param {string} id @param {string} body JSON @returns {Promise<any>} @throws {Fault} */
  async #change(id, body) {
    const signal = AbortSignal.timeout(CHANGE_TIMEOUT_MS);
    const init = { method: "PATCH", headers: JSON_TYPE, body, signal };
    const response = await this.#call(`sessions/${id}`, init);
    return response.json().catch(() => ({}));
  }

  /** @param {string} id */
  async end(id) {
    // The page may be going away.
    await this.#call(`sessions/${id}`, { method: "DELETE", keepalive: true });
  }

  /**
   * Only the refusal of a fresh token is final: one that has been used may have expired.
   * @param {string} path @param {RequestInit} init @returns {Promise<Response>} @throws {Fault}
   */
  async #call(path, init) {
    const source = this.#settings.token;
    // Without a wait where there is one: the page may be going away.
    const used = source?.kept ?? null;
    if (!source?.canRenew || init.keepalive) return this.#callWith(used, path, init);
    const token = used ?? (await source.token());
    try {
      return await this.#callWith(token, path, init);
    } catch (error) {
      const { status, code } = /** @type {Fault} */ (error);
      const isOfTheToken = status === 401 || code === "forbidden";
      if (used === null || !isOfTheToken) throw error;
      source.forget(used);
      return this.#callWith(await source.token(), path, init);
    }
  }

  /**
   * @param {string | null} token @param {string} path @param {RequestInit} init
   * @returns {Promise<Response>} @throws {Fault}
   */
  async #callWith(token, path, init) {
    const { server } = this.#settings;
    const headers = new Headers(init.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const response = await fetchFromServer(new URL(path, server), {
      credentials: "omit",
      cache: "no-store",
      ...init,
      headers,
    }).catch((error) => {
      throw new Fault("unreachable", `the server at ${server} cannot be reached (${error.message})`);
    });
    if (response.ok) return response;
    const body = await response.json().catch(() => null);
    const fault = faultFromError(body?.error);
    fault.status = response.status;
    fault.retryAfterS = retryAfter_s(response.headers);
    throw fault;
  }
}

/** @param {Settings} settings @returns {SignalingCalls} */
export function newSignaling(settings) {
  return embedder?.newSignaling?.(settings) ?? new Signaling(settings);
}

/** @param {AskedToPublish} asked */
function publishing({ name, publisher }) {
  return { publish: name, publisher };
}

/** @param {any} said about a change, which may be anything @returns {Applied} */
export function applied({ filter, private: isPrivate, first_rtp_timestamp: first }) {
  return {
    filters: asList(filter),
    isPrivate: isPrivate === true,
    first: Number.isSafeInteger(first) ? first : null,
  };
}
