/**
 * ICE candidates in batches: one call for those that are found together.
 */

/** How long candidates are gathered before a batch is sent. */
export const CANDIDATE_BATCH_MS = 10;

/** Collects the candidates of one connection; it knows neither connection nor network. */
export class CandidateBatches {
  #later;
  /** @type {string[]} */
  #unsent = [];
  #isComplete = false;
  /** @type {((candidates: string[], isComplete: boolean) => void) | null} */
  #send = null;

  /** @param {(act: () => void, delay_ms: number) => void} later calls `act` after a delay */
  constructor(later) {
    this.#later = later;
  }

  /** Whether the last candidate has come. */
  get isComplete() {
    return this.#isComplete;
  }

  /** @param {string | null} candidate its line without `a=`; empty: a mark that is not sent; null: the end */
  add(candidate) {
    if (candidate) this.#unsent.push(candidate);
    else if (candidate === null) this.#isComplete = true;
    if (this.#send === null) return;
    if (this.#isComplete) this.#flush();
    else if (this.#unsent.length === 1) this.#later(() => this.#flush(), CANDIDATE_BATCH_MS);
  }

  /** Forgets what has come so far, since the offer carries it. */
  drop() {
    this.#unsent = [];
  }

  /** @param {(candidates: string[], isComplete: boolean) => void} send takes each later batch */
  follow(send) {
    this.#send = send;
    if (this.#unsent.length > 0 || this.#isComplete) this.#flush();
  }

  #flush() {
    const candidates = this.#unsent.splice(0);
    if (candidates.length > 0 || this.#isComplete) this.#send?.(candidates, this.#isComplete);
  }
}

/**
 * Writes a batch as an SDP fragment (RFC 8840, section 9).
 * @param {string} sdp the local description, of which the first section counts
 * @param {string[]} candidates
 * @param {boolean} isComplete whether no more will come
 * @returns {string}
 */
export function sdpFragment(sdp, candidates, isComplete) {
  // With max-bundle all candidates belong to the first section.
  const lines = [/^a=ice-ufrag:.*$/m, /^a=ice-pwd:.*$/m, /^m=.*$/m, /^a=mid:.*$/m].map((pattern) =>
    (sdp.match(pattern)?.[0] ?? "").trim(),
  );
  lines.push(...candidates.map((candidate) => `a=${candidate}`));
  if (isComplete) lines.push("a=end-of-candidates");
  return lines.map((line) => `${line}\r\n`).join("");
}
