/**
 * How old a filtered frame is: what each stage of its way took in the last second, and the sum.
 *
 * The shim, the demo page and the extension all use this sum. It leaves out the time in the server's sockets,
 * and what a page does with the frame.
 */

/**
 * In the order in which a frame meets them.
 * @typedef {'camera' | 'network-up' | 'decode' | 'wait' | 'filter' | 'encode' | 'network-down' | 'display'} StageName
 * @typedef {{name: StageName, value_ms: number | null, isEstimate: boolean}} Stage null: unknown
 * @typedef {Record<string, number>} Counters sums since the connection began
 */

/** @type {readonly StageName[]} */
export const STAGES = Object.freeze([
  "camera",
  "network-up",
  "decode",
  "wait",
  "filter",
  "encode",
  "network-down",
  "display",
]);
const ESTIMATES = ["network-up", "network-down", "display"];
const PING_COUNT = 5;

/** By type of the browser's report: our name of a counter, and the report's. */
const COUNTERS = {
  "outbound-rtp": {
    framesEncoded: "framesEncoded",
    encode_s: "totalEncodeTime",
    packetsSent: "packetsSent",
    sendWait_s: "totalPacketSendDelay",
    bytesSent: "bytesSent",
  },
  "inbound-rtp": {
    ssrc: "ssrc",
    framesDecoded: "framesDecoded",
    decode_s: "totalDecodeTime",
    processing_s: "totalProcessingDelay",
    framesBuffered: "jitterBufferEmittedCount",
    buffer_s: "jitterBufferDelay",
    bytesReceived: "bytesReceived",
  },
};

/** Measures the stages of one session from report to report. */
export class LatencyCounter {
  /** @type {number[]} */
  #pings_ms = [];
  /** @type {Counters} */
  #before = {};

  /**
   * @param {Iterable<any>} entries of the browser's report on the connection
   * @param {number} ping_ms the round trip on the data channel
   * @param {Readonly<Record<string, number>>} server_ms what the server says of its stages
   * @param {number} [display_ms] from the decoded frame to the screen, where that is measured
   * @returns {Stage[]} means since the last call; those of the browser are null at the first call of a connection
   */
  take(entries, ping_ms, server_ms, display_ms = 0) {
    this.#pings_ms = [...this.#pings_ms, ping_ms].slice(-PING_COUNT);
    const now = countersOf(entries);
    // Each connection counts from zero.
    const before = this.#before.ssrc === now.ssrc ? this.#before : {};
    this.#before = now;
    /** @param {string} sum @param {string} count */
    const mean_ms = (sum, count) => (1000 * (now[sum] - before[sum])) / (now[count] - before[count]);
    const received_ms = mean_ms("processing_s", "framesDecoded");
    const buffered_ms = mean_ms("buffer_s", "framesBuffered") + mean_ms("decode_s", "framesDecoded");
    const roundTrip_ms = median(this.#pings_ms);
    const { decode, transport = Number.NaN, wait = Number.NaN, batch, encode } = server_ms;
    /** @type {Record<StageName, number | undefined>} */
    const values = {
      camera: mean_ms("encode_s", "framesEncoded") + mean_ms("sendWait_s", "packetsSent"),
      "network-up": roundTrip_ms / 2,
      decode,
      wait: transport + wait,
      filter: batch,
      encode,
      "network-down": roundTrip_ms / 2,
      display: (Number.isFinite(received_ms) ? received_ms : buffered_ms) + display_ms,
    };
    return STAGES.map((name) => {
      const value = values[name];
      const value_ms = value !== undefined && Number.isFinite(value) ? value : null;
      return { name, value_ms, isEstimate: ESTIMATES.includes(name) };
    });
  }
}

/**
 * @param {readonly Stage[]} stages
 * @returns {number | null} null where a stage is unknown: the sum would look too good
 */
export function sum_ms(stages) {
  return stages.reduce(
    (/** @type {number | null} */ sum, { value_ms }) =>
      sum === null || value_ms === null ? null : sum + value_ms,
    0,
  );
}

/**
 * @param {Iterable<any>} entries of the browser's report
 * @returns {Counters} of the video, times in seconds
 */
export function countersOf(entries) {
  // Not every browser counts how long packets wait.
  /** @type {Counters} */
  const counters = { sendWait_s: 0 };
  for (const entry of entries) {
    if (entry.kind !== "video") continue;
    for (const [name, theirs] of Object.entries(
      COUNTERS[/** @type {keyof typeof COUNTERS} */ (entry.type)] ?? {},
    )) {
      if (theirs in entry) counters[name] = entry[theirs];
    }
  }
  return counters;
}

/** @param {readonly number[]} values @returns {number} the upper one of two in the middle */
export function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}
