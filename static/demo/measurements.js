/**
 * What is shown of a session: the stages of a frame's way in the last second, and what the browser counts.
 */

import { countersOf, LatencyCounter, sum_ms } from "../shared/latency.js";
import { Frames } from "./frames.js";

/**
 * @import { P2PCameraSession, P2PCameraStats } from "../p2pcamera.js"
 * @import { Counters, Stage } from "../shared/latency.js"
 */

/**
 * @typedef {{stages: Stage[], total_ms: number | null, fps: number | null, freezes: number, worker: string,
 *   size: string, megabitsUp: number | null, megabitsDown: number | null, codec: string}} Measured
 */

/** Measures one session, as a video shows it. */
export class Measurement {
  #session;
  #frames;
  #video;
  #latency = new LatencyCounter();
  /** @type {Counters} */
  #before = { at_s: performance.now() / 1000 };

  /** @param {P2PCameraSession} session @param {HTMLVideoElement} video */
  constructor(session, video) {
    this.#session = session;
    this.#video = video;
    this.#frames = new Frames(video);
  }

  /** @param {P2PCameraStats} stats @returns {Promise<Measured>} over the time since the last call */
  async take(stats) {
    const [ping_ms, report] = await Promise.all([this.#session.ping(), this.#session.getStats()]);
    const before = this.#before;
    const now = { ...countersOf(report.values()), at_s: performance.now() / 1000 };
    this.#before = now;
    const { fps, freezes, display_ms } = this.#frames.take();
    const stages = this.#latency.take(report.values(), ping_ms, stats.latency_ms, display_ms ?? 0);
    const { videoWidth, videoHeight } = this.#video;
    return {
      stages,
      total_ms: sum_ms(stages),
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

/** @param {string} name @param {Counters} now @param {Counters} before */
function megabits(name, now, before) {
  // Each connection counts from zero.
  const earlier = before.ssrc === now.ssrc ? before[name] : 0;
  const value = (8 * (now[name] - earlier)) / 1e6 / (now.at_s - before.at_s);
  return Number.isFinite(value) ? value : null;
}

/** @param {RTCStatsReport} report @returns {string} of the returned picture, such as VP8 */
function codecOf(report) {
  const inbound = [...report.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "video");
  return (report.get(inbound?.codecId)?.mimeType ?? "").replace("video/", "");
}
