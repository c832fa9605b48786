/**
 * The candidates of one peer connection: the first travel with the offer, later ones as SDP fragments.
 */

import { pause } from "../base/pause.js";
import { CANDIDATE_BATCH_MS, CandidateBatches, sdpFragment } from "./candidate_batches.js";

/** The offer carries what is found this soon, which is the host candidates. */
const FIRST_CANDIDATE_TIMEOUT_MS = 100;

export class Candidates {
  #peer;
  #batches = new CandidateBatches((act, delay_ms) => setTimeout(act, delay_ms));
  #noteFirst = () => {};
  /** @type {Promise<void>} */
  #first = new Promise((resolve) => {
    this.#noteFirst = resolve;
  });

  /** @param {RTCPeerConnection} peer */
  constructor(peer) {
    this.#peer = peer;
    peer.addEventListener("icecandidate", ({ candidate }) => {
      this.#batches.add(candidate && candidate.candidate);
      this.#noteFirst();
    });
  }

  /** @returns {Promise<RTCSessionDescription>} the local description with the first candidates */
  async offer() {
    const batch = this.#first.then(() => (this.#batches.isComplete ? undefined : pause(CANDIDATE_BATCH_MS)));
    await Promise.race([batch, pause(FIRST_CANDIDATE_TIMEOUT_MS)]);
    this.#batches.drop();
    return /** @type {RTCSessionDescription} */ (this.#peer.localDescription);
  }

  /** @param {(fragment: string) => void} send takes each later batch, the last with its end mark */
  follow(send) {
    this.#batches.follow((candidates, isComplete) => {
      if (this.#peer.signalingState === "closed") return;
      send(sdpFragment(this.#peer.localDescription?.sdp ?? "", candidates, isComplete));
    });
  }
}
