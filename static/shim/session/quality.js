/**
 * How good the filtered picture is, and what limits it, judged from what is measured anyway.
 */

/** @import { P2PCameraLimit, P2PCameraQuality, P2PCameraState, P2PCameraStats } from "../api.js" */

/** Of the frames that one step is given, so many arrive where it limits nothing. */
const ENOUGH = 0.75;
/** Packets lost by which a network is to blame for missing frames, and by which it is poor. */
const LOSSY = 0.03;
const VERY_LOSSY = 0.1;
/** A conversation suffers from more (ITU-T G.114 recommends 150 ms one way, and no more than 400). */
const LATE_MS = 250;
const VERY_LATE_MS = 500;

/**
 * What `RTCPeerConnection.getStats` has counted since the connection began, of one moment.
 * @typedef {object} Counts
 * @property {number} sentFps frames a second that the page's encoder gives out
 * @property {string} encoderLimit `qualityLimitationReason` of W3C webrtc-stats
 * @property {number} upLoss share of packets, as the server reported it last
 * @property {number} rtt_ms
 * @property {number} shownFps frames a second that the page has decoded
 * @property {number} received packets
 * @property {number} lost packets
 * @property {number} waited_s sum over frames of the time in the jitter buffer
 * @property {number} emitted frames that have left it
 * @property {number} width of the returned picture
 * @property {number} height of it
 */

/** @param {Iterable<[string, any]>} report @returns {Counts} zeros for what a browser does not tell */
export function countsOf(report) {
  const counts = {
    sentFps: 0, encoderLimit: "none", upLoss: 0, rtt_ms: 0, shownFps: 0, received: 0, lost: 0, waited_s: 0,
    emitted: 0, width: 0, height: 0,
  }; // prettier-ignore
  for (const [, entry] of report) {
    const isVideo = entry.kind === "video";
    if (entry.type === "outbound-rtp" && isVideo) {
      counts.sentFps = entry.framesPerSecond ?? 0;
      counts.encoderLimit = entry.qualityLimitationReason ?? "none";
    } else if (entry.type === "remote-inbound-rtp" && isVideo) counts.upLoss = entry.fractionLost ?? 0;
    else if (entry.type === "candidate-pair" && entry.nominated) {
      counts.rtt_ms = (entry.currentRoundTripTime ?? 0) * 1000;
    } else if (entry.type === "inbound-rtp" && isVideo) {
      counts.shownFps = entry.framesPerSecond ?? 0;
      counts.received = entry.packetsReceived ?? 0;
      counts.lost = Math.max(0, entry.packetsLost ?? 0);
      counts.waited_s = entry.jitterBufferDelay ?? 0;
      counts.emitted = entry.jitterBufferEmittedCount ?? 0;
      counts.width = entry.frameWidth ?? 0;
      counts.height = entry.frameHeight ?? 0;
    }
  }
  return counts;
}

/**
 * @param {P2PCameraState} state of the session
 * @param {P2PCameraStats | null} stats the server's newest
 * @param {Counts | null} now null: there is no connection
 * @param {Counts | null} before of the last judgement
 * @returns {P2PCameraQuality}
 */
export function judged(state, stats, now, before) {
  const picture = stats?.state ?? null;
  if (state !== "live" || stats === null || now === null) {
    return Object.freeze({
      state,
      picture,
      level: "none",
      limit: null,
      latency_ms: null,
      fps: 0,
      width: 0,
      height: 0,
    });
  }
  const { width, height, shownFps: fps } = now;
  const downLoss = share(now.lost - (before?.lost ?? 0), now.received - (before?.received ?? 0));
  const stages = stages_ms(stats, now, before);
  const latency_ms = stats.latency_ms.total === undefined ? null : Math.round(sum(stages));
  const missing = missingFrames(stats, now);
  const ratio = missing ? missing.ratio : 1;
  /** @type {P2PCameraLimit | null} */
  let limit = missing ? (missing.limit ?? slower(stages)) : null;
  if (limit === null && Math.max(downLoss, now.upLoss) >= LOSSY) {
    limit = downLoss > now.upLoss ? "down" : "up";
  }
  if (limit === null && now.encoderLimit === "bandwidth") limit = "up";
  if (limit === null && now.encoderLimit === "cpu") limit = "page";
  if (limit === null && (latency_ms ?? 0) > LATE_MS) limit = slowest(stages);
  const isPoor =
    picture !== "live" ||
    ratio < ENOUGH / 2 ||
    Math.max(downLoss, now.upLoss) >= VERY_LOSSY ||
    (latency_ms ?? 0) > VERY_LATE_MS;
  const level = isPoor ? "poor" : limit === null ? "good" : "fair";
  return Object.freeze({ state, picture, level, limit, latency_ms, fps, width, height });
}

/**
 * Where frames are missing: between the page's encoder and the server, inside it, or on the way back.
 * @param {P2PCameraStats} stats @param {Counts} now
 * @returns {{ratio: number, limit: P2PCameraLimit | null} | null} `limit` is null where it is filter or server
 */
function missingFrames({ fps_in, fps_out, trouble }, { sentFps, shownFps }) {
  if (trouble) return { ratio: 0, limit: "filter" };
  const steps = [
    { given: sentFps, come: fps_in, limit: /** @type {const} */ ("up") },
    { given: fps_in, come: fps_out, limit: null },
    { given: fps_out, come: shownFps, limit: /** @type {const} */ ("down") },
  ];
  const ratios = steps
    .filter(({ given }) => given > 0)
    .map(({ given, come, limit }) => ({ ratio: come / given, limit }));
  const worst = ratios.reduce((one, other) => (other.ratio < one.ratio ? other : one), {
    ratio: 1,
    limit: null,
  });
  return worst.ratio < ENOUGH ? worst : null;
}

/**
 * @param {P2PCameraStats} stats @param {Counts} now @param {Counts | null} before
 * @returns {Record<P2PCameraLimit, number>} milliseconds that each adds to the delay
 */
function stages_ms({ latency_ms }, now, before) {
  const { batch = 0, total = 0, decode = 0, encode = 0 } = latency_ms;
  const waited_ms =
    share(now.waited_s - (before?.waited_s ?? 0), now.emitted - (before?.emitted ?? 0)) * 1000;
  return {
    page: 0,
    up: now.rtt_ms / 2,
    server: Math.max(0, total - batch) + decode + encode,
    filter: batch,
    down: now.rtt_ms / 2 + waited_ms,
  };
}

/** @param {Record<P2PCameraLimit, number>} stages @returns {P2PCameraLimit} the slower one of server and filter */
function slower({ server, filter }) {
  return filter >= server ? "filter" : "server";
}

/** @param {Record<P2PCameraLimit, number>} stages @returns {P2PCameraLimit} */
function slowest(stages) {
  const names = /** @type {P2PCameraLimit[]} */ (Object.keys(stages));
  return names.reduce((one, other) => (stages[other] > stages[one] ? other : one));
}

/** @param {Record<string, number>} stages */
function sum(stages) {
  return Object.values(stages).reduce((one, other) => one + other, 0);
}

/** @param {number} part @param {number} rest_or_whole @returns {number} 0 where nothing is counted */
function share(part, rest_or_whole) {
  return rest_or_whole > 0 ? Math.max(0, part) / rest_or_whole : 0;
}
