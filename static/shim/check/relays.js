/**
 * Trials of TURN servers: does each relay, and do relays reach the server?
 */

import { asList } from "../../shared/json.js";
import { RTCPeerConnection } from "../base/natives.js";
import { Signaling } from "../connection/signaling.js";

const RELAY_TIMEOUT_MS = 6_000;
const WAY_TIMEOUT_MS = 10_000;
/** Of `icecandidateerror` (W3C WebRTC): the first is of TURN (RFC 8656), the other of no answer at all. */
const UNAUTHORIZED = 401;
const UNREACHABLE = 701;

/**
 * @typedef {"ok" | "unreachable" | "credentials" | "refused"} Relaying
 * @typedef {{server: RTCIceServer, url: string, outcome: Relaying, reason: string}} Trial `reason` is the relay's own
 */

/**
 * @param {RTCIceServer[]} iceServers
 * @returns {RTCIceServer[]} those of TURN, one for each address
 */
export function relaysOf(iceServers) {
  return iceServers.flatMap(({ urls, ...rest }) =>
    asList(urls)
      .filter((url) => url.startsWith("turn"))
      .map((url) => ({ ...rest, urls: url })),
  );
}

/** @param {RTCIceServer} server one address @returns {Promise<Trial>} */
export async function tryRelay(server) {
  const url = String(server.urls);
  const peer = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: "relay" });
  /** @type {Relaying} */
  let outcome = "unreachable";
  let reason = "";
  try {
    peer.createDataChannel("probe");
    const relays = new Promise((resolve) => {
      setTimeout(() => resolve(false), RELAY_TIMEOUT_MS);
      peer.addEventListener("icecandidate", ({ candidate }) => {
        if (candidate?.candidate) resolve(true);
        else if (candidate === null) resolve(false);
      });
    });
    peer.addEventListener("icecandidateerror", ({ errorCode, errorText }) => {
      if (errorCode === UNREACHABLE) return;
      outcome = errorCode === UNAUTHORIZED ? "credentials" : "refused";
      reason = `${errorCode} ${errorText}`.trim();
    });
    await peer.setLocalDescription(await peer.createOffer());
    if (await relays) outcome = "ok";
    return { server, url, outcome, reason };
  } finally {
    peer.close();
  }
}

/**
 * Makes a call through these relays alone, and ends it.
 * @param {RTCIceServer[]} iceServers
 * @param {import("../settings/settings.js").Settings} settings
 * @returns {Promise<boolean | null>} null where the service has opened no session
 */
export async function reachServer(iceServers, settings) {
  const signaling = new Signaling(settings);
  /** @type {string | null} */
  let session = null;
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  try {
    peer.addTransceiver("video", { direction: "sendrecv" });
    const connected = new Promise((resolve) => {
      setTimeout(() => resolve(false), WAY_TIMEOUT_MS);
      peer.addEventListener("iceconnectionstatechange", () => {
        const { iceConnectionState: state } = peer;
        if (state === "connected" || state === "completed") resolve(true);
        else if (state === "failed") resolve(false);
      });
    });
    // The server needs no candidate: it is found by the page's own checks.
    await peer.setLocalDescription(await peer.createOffer());
    const description = /** @type {RTCSessionDescription} */ (peer.localDescription);
    const signal = AbortSignal.timeout(WAY_TIMEOUT_MS);
    const made = await signaling.offer(description, signal, false).catch(() => null);
    if (made === null) return null;
    session = made.id;
    await peer.setRemoteDescription({ type: "answer", sdp: made.sdp });
    return await connected;
  } finally {
    peer.close();
    if (session !== null) signaling.end(session).catch(() => {});
  }
}
