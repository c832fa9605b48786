/**
 * Waits for the first frame of a returned track.
 */

/**
 * Under `closed` the server's card comes 2 s into an outage. A track that is silent for longer is passed on
 * as it is.
 */
const FIRST_FRAME_TIMEOUT_MS = 3_000;

/** @param {RTCPeerConnection} peer @param {MediaStreamTrack} track @returns {Promise<void>} */
export function firstFrame(peer, track) {
  return new Promise((resolve) => {
    const limitWait = () => {
      if (peer.connectionState === "connected") setTimeout(resolve, FIRST_FRAME_TIMEOUT_MS);
    };
    track.addEventListener("unmute", () => resolve(), { once: true });
    peer.addEventListener("connectionstatechange", limitWait);
    limitWait();
    if (!track.muted) resolve();
  });
}
