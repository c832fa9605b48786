/**
 * How old the filtered picture is, summed up from what the browser and the server count.
 */

/**
 * What a page's frame says of its newest connection: `entries` of the browser's report, `stats` as the server
 * sent them last, `ping_ms` to the server and back.
 * @typedef {{
 *   state: 'idle' | 'connecting' | 'live',
 *   fault: {code: string, message: string, status: number} | null,
 *   filters?: string[], stats?: any, ping_ms?: number, entries?: any[],
 * }} Report
 */

/** Sums of seconds and the counts they belong to; each adds its mean to the latency. */
const SUMS = [
  ["outbound-rtp", "totalEncodeTime", "framesEncoded"],
  ["outbound-rtp", "totalPacketSendDelay", "packetsSent"],
  ["inbound-rtp", "jitterBufferDelay", "jitterBufferEmittedCount"],
  ["inbound-rtp", "totalDecodeTime", "framesDecoded"],
];

export class Latency {
  /** @type {Map<string, number>} */
  #before = new Map();

  /**
   * @param {Report} report
   * @returns {number | null} in milliseconds, since the last call; null where no frame came in both directions
   */
  take({ entries = [], stats, ping_ms = Number.NaN }) {
    const { transport, wait, batch } = stats?.latency_ms ?? {};
    const means_ms = SUMS.map(([type, sum, count]) => this.#mean_ms(entries, type, sum, count));
    const total_ms = [ping_ms, transport, wait, batch, ...means_ms].reduce((one, other) => one + other, 0);
    return Number.isFinite(total_ms) ? total_ms : null;
  }

  /** @param {any[]} entries @param {string} type @param {string} sum @param {string} count */
  #mean_ms(entries, type, sum, count) {
    const video = entries.find((entry) => entry.type === type && entry.kind === "video");
    const time_s = this.#growth(`${video?.id} ${sum}`, video?.[sum]);
    return (1000 * time_s) / this.#growth(`${video?.id} ${count}`, video?.[count]);
  }

  /** @param {string} key @param {number} value @returns {number} */
  #growth(key, value) {
    const growth = value - (this.#before.get(key) ?? 0);
    this.#before.set(key, value);
    return growth;
  }
}
