/**
 * The doctor's trials without the shim: does a server answer, and does a TURN server relay?
 */

const ANSWER_TIMEOUT_MS = 5_000;
const RELAY_TIMEOUT_MS = 6_000;

/**
 * @param {URL} address
 * @param {RequestInit} [init]
 * @returns {Promise<Response | null>} null: no answer, or none for us
 */
export function answerOf(address, init = {}) {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  return fetch(address, { cache: "no-store", signal, ...init }).catch(() => null);
}

/** @param {RTCIceServer} server */
export function isTurn({ urls }) {
  return [urls].flat().some((url) => url.startsWith("turn"));
}

/**
 * @param {RTCIceServer[]} iceServers with TURN
 * @returns {Promise<string | null>} null: one relays; empty: no answer at all
 */
export async function whyNoRelay(iceServers) {
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  let reason = "";
  try {
    peer.createDataChannel("probe");
    const outcome = new Promise((resolve) => {
      setTimeout(() => resolve(false), RELAY_TIMEOUT_MS);
      peer.addEventListener("icecandidate", ({ candidate }) => {
        if (candidate?.candidate) resolve(true);
        else if (candidate === null) resolve(false);
      });
    });
    peer.addEventListener("icecandidateerror", ({ errorCode, errorText }) => {
      reason = `${errorCode} ${errorText}`.trim();
    });
    await peer.setLocalDescription(await peer.createOffer());
    return (await outcome) ? null : reason;
  } finally {
    peer.close();
  }
}
