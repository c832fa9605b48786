/**
 * Watches a published picture by WHEP: an offer by HTTP, then one connection that only receives.
 *
 * It connects anew when the connection is lost, and waits where nobody publishes.
 */

import { jittered, retryAfter_s } from "../shared/retry.js";

const SHORTEST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 8_000;
const GATHER_LIMIT_MS = 1_000;
/** Refusals that another try with the same token does not help against. */
const FINAL = new Set([401, 403]);

/** Why watching failed: `status` of HTTP, 0 where nothing answered. */
export class WatchFault extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {number} retryAfterS */
  constructor(status, code, message, retryAfterS = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/**
 * Events: `track` (detail: the stream), `connected`, `lost`, `fault` (detail: WatchFault).
 */
export class Whep extends EventTarget {
  #address;
  /** @type {RTCPeerConnection | null} */
  #connection = null;
  /** @type {string | null} the session's address */
  #location = null;
  #token;
  #isWanted = false;

  /** @param {URL} address of the stream @param {string} token empty where none is asked for */
  constructor(address, token) {
    super();
    this.#address = address;
    this.#token = token;
  }

  get connection() {
    return this.#connection;
  }

  /** Watches until `stop`. Resolves where another try is of no use. */
  async run() {
    this.#isWanted = true;
    let pause_ms = SHORTEST_PAUSE_MS;
    while (this.#isWanted) {
      try {
        const { ended } = await this.#connect();
        pause_ms = SHORTEST_PAUSE_MS;
        this.dispatchEvent(new Event("connected"));
        await ended;
        if (this.#isWanted) this.dispatchEvent(new Event("lost"));
      } catch (error) {
        const fault = error instanceof WatchFault ? error : new WatchFault(0, "unreachable", `${error}`);
        if (this.#isWanted) this.dispatchEvent(new CustomEvent("fault", { detail: fault }));
        if (FINAL.has(fault.status)) return this.#close();
        pause_ms = Math.max(pause_ms, Math.min(fault.retryAfterS * 1000, LONGEST_PAUSE_MS));
      }
      this.#close();
      if (!this.#isWanted) return;
      await new Promise((resolve) => setTimeout(resolve, jittered(pause_ms)));
      pause_ms = Math.min(2 * pause_ms, LONGEST_PAUSE_MS);
    }
  }

  stop() {
    this.#isWanted = false;
    this.#close();
  }

  /** @returns {Promise<{ended: Promise<unknown>}>} once connected; `ended` when that is over */
  async #connect() {
    const connection = new RTCPeerConnection({ iceServers: await this.#iceServers() });
    this.#connection = connection;
    const stream = new MediaStream();
    connection.ontrack = ({ track }) => {
      stream.addTrack(track);
      this.dispatchEvent(new CustomEvent("track", { detail: stream }));
    };
    for (const kind of ["video", "audio"]) connection.addTransceiver(kind, { direction: "recvonly" });
    await connection.setLocalDescription();
    await gathered(connection);
    const answer = await this.#post(/** @type {RTCSessionDescription} */ (connection.localDescription).sdp);
    await connection.setRemoteDescription({ type: "answer", sdp: answer });
    return connected(connection);
  }

  /** @param {string} sdp @returns {Promise<string>} the answer */
  async #post(sdp) {
    const response = await fetch(this.#address, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...this.#authorization },
      body: sdp,
    });
    if (!response.ok) throw await faultOf(response);
    const location = response.headers.get("Location");
    if (location) this.#location = new URL(location, response.url).href;
    return response.text();
  }

  /** @returns {Promise<RTCIceServer[]>} */
  async #iceServers() {
    const response = await fetch(new URL("../ice-servers", this.#address), { headers: this.#authorization });
    if (!response.ok) throw await faultOf(response);
    return (await response.json()).iceServers;
  }

  /** @returns {Record<string, string>} */
  get #authorization() {
    return this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
  }

  #close() {
    const location = this.#location;
    this.#location = null;
    this.#connection?.close();
    this.#connection = null;
    if (location) {
      fetch(location, { method: "DELETE", headers: this.#authorization, keepalive: true }).catch(() => {});
    }
  }
}

/** @param {Response} response @returns {Promise<WatchFault>} */
async function faultOf(response) {
  const { code, message } = await response.json().then(
    ({ error }) => error ?? {},
    () => ({}),
  );
  const asked_s = retryAfter_s(response.headers) ?? 0;
  return new WatchFault(response.status, code ?? "bad_answer", message ?? response.statusText, asked_s);
}

/** @param {RTCPeerConnection} connection @returns {Promise<void>} */
async function gathered(connection) {
  if (connection.iceGatheringState === "complete") return;
  await new Promise((resolve) => {
    const look = () => connection.iceGatheringState === "complete" && resolve(undefined);
    connection.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, GATHER_LIMIT_MS);
  });
}

/** @param {RTCPeerConnection} connection @returns {Promise<{ended: Promise<unknown>}>} once connected */
function connected(connection) {
  return new Promise((resolve, reject) => {
    const ended = new Promise((end) => {
      connection.addEventListener("connectionstatechange", () => {
        const { connectionState } = connection;
        if (connectionState === "connected") resolve({ ended });
        if (connectionState !== "failed" && connectionState !== "closed") return;
        reject(new WatchFault(0, "no_way", "the network lets no media through"));
        end(undefined);
      });
    });
  });
}
