// @ts-check
/**
 * What each stage of a frame's way took in the last second, from the browser's counters and the server's stats.
 */

import { Frames } from "./frames.js";

/**
 * In the order in which a frame meets them.
 * @typedef {'camera' | 'network-up' | 'decode' | 'wait' | 'filter' | 'encode' | 'network-down' | 'display'} StageName
 * @typedef {{name: StageName, value_ms: number | null, isEstimate: boolean}} Stage null: nothing to tell it by
 * @typedef {{stages: Stage[], total_ms: number | null, fps: number | null, freezes: number, worker: string,
 *   size: string, megabitsUp: number | null, megabitsDown: number | null, codec: string}} Measured
 * @typedef {Record<string, number>} Counters sums that the browser keeps since the connection began
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

/** Measures one session, as a video shows it. */
export class Measurement {
  #session;
  #frames;
  #video;
  /** @type {number[]} */
  #pings_ms = [];
  /** @type {Counters | null} */
  #before = null;

  /** @param {P2PCameraSession} session @param {HTMLVideoElement} video */
  constructor(session, video) {
    this.#session = session;
    this.#video = video;
    this.#frames = new Frames(video);
  }

  /** @param {P2PCameraStats} stats @returns {Promise<Measured>} over the time since the last call */
  async take(stats) {
    const [ping_ms, report] = await Promise.all([this.#session.ping(), this.#session.getStats()]);
    this.#pings_ms = [...this.#pings_ms, ping_ms].slice(-PING_COUNT);
    const now = countersOf(report);
    // A new connection counts from nothing.
    const isSame = this.#before !== null && (now.framesDecoded ?? 0) >= (this.#before.framesDecoded ?? 0);
    const before = isSame && this.#before ? this.#before : { time_s: now.time_s - 1 };
    this.#before = now;
    const { fps, freezes, display_ms } = this.#frames.take();
    const stages = stagesOf(between(now, before), median(this.#pings_ms), display_ms, stats.latency_ms);
    // Without one of them a sum would look better than it is.
    const isComplete = stages.every(({ value_ms }) => value_ms !== null);
    const { videoWidth, videoHeight } = this.#video;
    return {
      stages,
      total_ms: isComplete ? stages.reduce((sum, { value_ms }) => sum + (value_ms ?? 0), 0) : null,
      fps: fps ?? stats.fps_out,
      freezes,
      worker: stats.worker,
      size: videoWidth ? `${videoWidth} × ${videoHeight}` : "",
      megabitsUp: megabits("bytesSent", now, before),
      megabitsDown: megabits("bytesReceived", now, before),
      codec: codecOf(report),
    };
  }

  close() {
    this.#frames.close();
  }
}

/**
 * @param {(sum: string, count: string) => number} mean_ms @param {number} roundTrip_ms
 * @param {number | null} display_ms @param {Readonly<Record<string, number>>} server_ms
 * @returns {Stage[]}
 */
function stagesOf(mean_ms, roundTrip_ms, display_ms, server_ms) {
  const { decode, transport = Number.NaN, wait = Number.NaN, batch, encode } = server_ms;
  const received_ms = mean_ms("processing_s", "framesDecoded");
  /** @type {Record<StageName, number | undefined>} */
  const values = {
    camera: mean_ms("encode_s", "framesEncoded") + mean_ms("sendWait_s", "packetsSent"),
    "network-up": roundTrip_ms / 2,
    decode,
    wait: transport + wait,
    filter: batch,
    encode,
    "network-down": roundTrip_ms / 2,
    display:
      (Number.isFinite(received_ms)
        ? received_ms
        : mean_ms("buffer_s", "framesBuffered") + mean_ms("decode_s", "framesDecoded")) + (display_ms ?? 0),
  };
  return STAGES.map((name) => {
    const value = values[name];
    const value_ms = value !== undefined && Number.isFinite(value) ? value : null;
    return { name, value_ms, isEstimate: ESTIMATES.includes(name) };
  });
}

/** @param {RTCStatsReport} report @returns {Counters} times in seconds, as the browser counts them */
function countersOf(report) {
  /** @type {Counters} */
  const counters = { time_s: performance.now() / 1000 };
  for (const entry of report.values()) {
    if (entry.kind !== "video") continue;
    if (entry.type === "outbound-rtp") {
      counters.framesEncoded = entry.framesEncoded;
      counters.encode_s = entry.totalEncodeTime;
      counters.packetsSent = entry.packetsSent;
      counters.sendWait_s = entry.totalPacketSendDelay ?? 0;
      counters.bytesSent = entry.bytesSent;
    } else if (entry.type === "inbound-rtp") {
      counters.framesDecoded = entry.framesDecoded;
      counters.decode_s = entry.totalDecodeTime;
      counters.processing_s = entry.totalProcessingDelay;
      counters.framesBuffered = entry.jitterBufferEmittedCount;
      counters.buffer_s = entry.jitterBufferDelay;
      counters.bytesReceived = entry.bytesReceived;
    }
  }
  return counters;
}

/** @param {Counters} now @param {Counters} before @returns {(sum: string, count: string) => number} */
function between(now, before) {
  const grown = (/** @type {string} */ name) => now[name] - (before[name] ?? 0);
  return (sum, count) => (1000 * grown(sum)) / grown(count);
}

/** @param {string} name @param {Counters} now @param {Counters} before */
function megabits(name, now, before) {
  const bits = 8 * (now[name] - (before[name] ?? 0));
  const value = bits / 1e6 / (now.time_s - before.time_s);
  return Number.isFinite(value) ? value : null;
}

/** @param {RTCStatsReport} report @returns {string} of the returned picture, such as VP8 */
function codecOf(report) {
  const inbound = [...report.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "video");
  return (report.get(inbound?.codecId)?.mimeType ?? "").replace("video/", "");
}

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
