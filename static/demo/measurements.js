// @ts-check
/**
 * What can be measured from the page and what the server says, once a second, and how it is shown.
 */

/**
 * @typedef {{name: string, value_ms: number | null, owner: 'browser' | 'network' | 'server'}} LatencyPart null: no frame yet
 * @typedef {{parts: LatencyPart[], figures: [string, string][]}} Measured
 * @typedef {Record<string, number>} Counters sums that the browser keeps since the connection began
 */

const PING_COUNT = 5;
const NOTHING = "–";

/** Measures one session. */
export class Measurement {
  #session;
  /** @type {number[]} */
  #pings_ms = [];
  /** @type {Counters | null} */
  #before = null;

  /** @param {P2PCameraSession} session */
  constructor(session) {
    this.#session = session;
  }

  /** @returns {Promise<Measured>} over the time since the last call */
  async take() {
    const [ping_ms, report] = await Promise.all([this.#session.ping(), this.#session.getStats()]);
    this.#pings_ms = [...this.#pings_ms, ping_ms].slice(-PING_COUNT);
    const now = countersOf(report);
    const before = this.#before ?? Object.fromEntries(Object.keys(now).map((name) => [name, 0]));
    this.#before = now;
    const { stats } = this.#session;
    return {
      parts: latencyParts(now, before, median(this.#pings_ms), stats),
      figures: figures(now, before, stats, codecOf(report)),
    };
  }
}

/** @param {RTCStatsReport} report @returns {Counters} times in seconds, as the browser counts them */
function countersOf(report) {
  /** @type {Counters} */
  const counters = { time_s: performance.now() / 1000 };
  for (const entry of report.values()) {
    if (entry.type === "outbound-rtp" && entry.kind === "video") {
      counters.framesSent = entry.framesSent ?? 0;
      counters.framesEncoded = entry.framesEncoded ?? 0;
      counters.encode_s = entry.totalEncodeTime ?? 0;
      counters.packetsSent = entry.packetsSent ?? 0;
      counters.sendWait_s = entry.totalPacketSendDelay ?? 0;
      counters.bytesSent = entry.bytesSent ?? 0;
      counters.widthSent = entry.frameWidth ?? 0;
      counters.heightSent = entry.frameHeight ?? 0;
    } else if (entry.type === "inbound-rtp" && entry.kind === "video") {
      counters.framesDecoded = entry.framesDecoded ?? 0;
      counters.decode_s = entry.totalDecodeTime ?? 0;
      counters.framesBuffered = entry.jitterBufferEmittedCount ?? 0;
      counters.buffer_s = entry.jitterBufferDelay ?? 0;
      counters.bytesReceived = entry.bytesReceived ?? 0;
      counters.width = entry.frameWidth ?? 0;
      counters.height = entry.frameHeight ?? 0;
      counters.freezes = entry.freezeCount ?? 0;
    }
  }
  return counters;
}

/** @param {RTCStatsReport} report @returns {string} of the returned picture, such as VP8 */
function codecOf(report) {
  const inbound = [...report.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "video");
  return (report.get(inbound?.codecId)?.mimeType ?? "").replace("video/", "");
}

/**
 * In the order in which a frame meets them.
 * @param {Counters} now @param {Counters} before @param {number} roundTrip_ms
 * @param {P2PCameraStats | null} stats
 * @returns {LatencyPart[]}
 */
function latencyParts(now, before, roundTrip_ms, stats) {
  // Undefined without a result in the last second: no sum then.
  const { transport = Number.NaN, wait = Number.NaN, batch = Number.NaN } = stats?.latency_ms ?? {};
  /** @param {string} sum @param {string} count */
  const mean_ms = (sum, count) => (1000 * (now[sum] - before[sum])) / (now[count] - before[count]);
  /** @type {{name: string, value_ms: number, owner: 'browser' | 'network' | 'server'}[]} */
  const parts = [
    { name: "Encode", value_ms: mean_ms("encode_s", "framesEncoded"), owner: "browser" },
    { name: "Send queue", value_ms: mean_ms("sendWait_s", "packetsSent"), owner: "browser" },
    { name: "Network, both ways", value_ms: roundTrip_ms, owner: "network" },
    { name: "Worker, both ways", value_ms: transport, owner: "server" },
    { name: "Wait for the batch", value_ms: wait, owner: "server" },
    { name: "Filter", value_ms: batch, owner: "server" },
    { name: "Jitter buffer", value_ms: mean_ms("buffer_s", "framesBuffered"), owner: "browser" },
    { name: "Decode", value_ms: mean_ms("decode_s", "framesDecoded"), owner: "browser" },
  ];
  return parts.map((part) => ({ ...part, value_ms: Number.isFinite(part.value_ms) ? part.value_ms : null }));
}

/**
 * @param {Counters} now @param {Counters} before @param {P2PCameraStats | null} stats @param {string} codec
 * @returns {[string, string][]} name and value
 */
function figures(now, before, stats, codec) {
  /** @param {string} count */
  const perSecond = (count) => (now[count] - before[count]) / (now.time_s - before.time_s);
  return [
    ["Frames a second, in", rounded(stats?.fps_in ?? perSecond("framesSent"))],
    ["Frames a second, out", rounded(stats?.fps_out ?? perSecond("framesDecoded"))],
    ["Picture sent", size(now.widthSent, now.heightSent)],
    ["Picture returned", size(now.width, now.height)],
    [
      "Mbit/s, sent and returned",
      `${megabits(perSecond("bytesSent"))} / ${megabits(perSecond("bytesReceived"))}`,
    ],
    ["Worker", stats?.worker || NOTHING],
    ["Codec", codec || NOTHING],
    ["Freezes", rounded(now.freezes)],
  ];
}

/**
 * @param {Measured} measured
 * @param {{total: HTMLElement, bar: HTMLElement, parts: HTMLElement, figures: HTMLElement}} places
 */
export function showMeasured({ parts, figures: pairs }, places) {
  // Without a frame in both directions a sum would look better than it is.
  const isComplete = parts.every(({ value_ms }) => value_ms !== null);
  const total_ms = parts.reduce((sum, { value_ms }) => sum + (value_ms ?? 0), 0);
  places.total.textContent = isComplete ? `${Math.round(total_ms)} ms` : NOTHING;
  places.bar.replaceChildren(
    ...parts.map(({ value_ms, owner, name }) => {
      const piece = document.createElement("i");
      piece.dataset.owner = owner;
      piece.title = `${name}: ${milliseconds(value_ms)}`;
      piece.style.flexGrow = String(isComplete ? value_ms : 0);
      return piece;
    }),
  );
  places.parts.replaceChildren(
    ...parts.flatMap(({ name, value_ms, owner }) => {
      const [term, value] = pair(name, milliseconds(value_ms));
      term.dataset.owner = owner;
      return [term, value];
    }),
  );
  places.figures.replaceChildren(
    ...pairs.map(([name, value]) => {
      const group = document.createElement("div");
      group.append(...pair(name, value));
      return group;
    }),
  );
}

/** @type {Measured} */
export const NOTHING_MEASURED = {
  parts: latencyParts({}, {}, Number.NaN, null).map((part) => ({ ...part, value_ms: null })),
  figures: figures({}, {}, null, "").map(([name]) => [name, NOTHING]),
};

/** @param {string} name @param {string} value */
function pair(name, value) {
  const term = document.createElement("dt");
  term.textContent = name;
  const description = document.createElement("dd");
  description.textContent = value;
  return [term, description];
}

/** @param {number | null} value_ms */
function milliseconds(value_ms) {
  return value_ms === null ? NOTHING : `${value_ms.toFixed(1)} ms`;
}

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** @param {number} value */
function rounded(value) {
  return Number.isFinite(value) ? String(Math.round(value)) : NOTHING;
}

/** @param {number} width @param {number} height */
function size(width, height) {
  return width ? `${width} × ${height}` : NOTHING;
}

/** @param {number} bytesPerSecond */
function megabits(bytesPerSecond) {
  return Number.isFinite(bytesPerSecond) ? ((bytesPerSecond * 8) / 1e6).toFixed(2) : NOTHING;
}
