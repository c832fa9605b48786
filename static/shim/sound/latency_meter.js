/**
 * How much later the filtered picture comes than the camera's: the median of the last seconds. See
 * `shared/latency.js`.
 */

import { LatencyCounter, median, sum_ms } from "../../shared/latency.js";

/** @import { CameraSession } from "../session/camera_session.js" */

const KEPT_MEASUREMENTS = 5;

export class LatencyMeter {
  #session;
  #counter = new LatencyCounter();
  /** @type {number[]} */
  #recent_ms = [];

  /** @param {Pick<CameraSession, 'stats' | 'ping' | 'getStats'>} session */
  constructor(session) {
    this.#session = session;
  }

  /** @returns {Promise<number | null>} null at the first call, and where no frame came since the last */
  async take() {
    const [ping_ms, report] = await Promise.all([this.#session.ping(), this.#session.getStats()]);
    // A server that does not tell what decoding and encoding take is taken to need no time for them.
    const server_ms = { decode: 0, encode: 0, ...this.#session.stats?.latency_ms };
    const latency_ms = sum_ms(this.#counter.take(report.values(), ping_ms, server_ms));
    if (latency_ms === null) return null;
    this.#recent_ms = [...this.#recent_ms, latency_ms].slice(-KEPT_MEASUREMENTS);
    return median(this.#recent_ms);
  }
}
