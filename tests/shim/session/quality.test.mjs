import assert from "node:assert/strict";
import { test } from "node:test";

import { countsOf, judged } from "../../../static/shim/session/quality.js";

/** @type {any} */
const STATS = {
  state: "live", trouble: null, fps_in: 30, fps_out: 30,
  latency_ms: { decode: 2, transport: 2, wait: 3, batch: 10, filter: 9, encode: 3, total: 16 },
}; // prettier-ignore
const COUNTS = {
  sentFps: 30, encoderLimit: "none", upLoss: 0, rtt_ms: 40, shownFps: 30, received: 1000, lost: 0, waited_s: 1,
  emitted: 100, width: 640, height: 480,
}; // prettier-ignore

/** @param {object} stats @param {object} counts @param {typeof COUNTS | null} [before] */
const judge = (stats, counts, before = null) =>
  judged("live", { ...STATS, ...stats }, { ...COUNTS, ...counts }, before);

test("a picture that lacks nothing is good, and its parts add up to its delay", () => {
  const { level, limit, latency_ms, fps, width, height } = judge({}, {});
  assert.deepEqual([level, limit, latency_ms], ["good", null, 40 + 10 + 16 + 2 + 3]);
  assert.deepEqual([fps, width, height], [30, 640, 480]);
});

/** @type {[string, object, object, [string, string]][]} */
const CASES = [
  ["frames lost on the way up", { fps_in: 18, fps_out: 18 }, { shownFps: 18 }, ["fair", "up"]],
  ["most frames lost on the way up", { fps_in: 6, fps_out: 6 }, { shownFps: 6 }, ["poor", "up"]],
  ["packets lost on the way up", {}, { upLoss: 0.05 }, ["fair", "up"]],
  ["too little bandwidth up", {}, { encoderLimit: "bandwidth" }, ["fair", "up"]],
  ["frames lost on the way back", {}, { shownFps: 15 }, ["fair", "down"]],
  ["packets lost on the way back", {}, { lost: 150 }, ["poor", "down"]],
  [
    "a slow filter",
    { fps_out: 12, latency_ms: { batch: 80, total: 90 } },
    { shownFps: 12 },
    ["fair", "filter"],
  ],
  [
    "a busy server",
    { fps_out: 12, latency_ms: { batch: 20, total: 90 } },
    { shownFps: 12 },
    ["fair", "server"],
  ],
  [
    "a filter that cannot run",
    { state: "card", fps_out: 1, trouble: { filter: "x" } },
    {},
    ["poor", "filter"],
  ],
  ["a slow page", {}, { encoderLimit: "cpu" }, ["fair", "page"]],
  ["a late picture", { latency_ms: { batch: 30, total: 300 } }, {}, ["fair", "server"]],
  ["a far server", {}, { rtt_ms: 900, waited_s: 2 }, ["poor", "down"]],
];
for (const [name, stats, counts, expected] of CASES) {
  test(`${name}: ${expected.join(", ")}`, () => {
    const { level, limit } = judge(stats, counts);
    assert.deepEqual([level, limit], expected);
  });
}

test("only what was lost since the last judgement counts", () => {
  const before = { ...COUNTS, lost: 150, received: 900 };
  assert.equal(judge({}, { lost: 150, received: 1900 }, before).limit, null);
});

test("without a connection there is no quality", () => {
  assert.deepEqual(judged("reconnecting", STATS, null, null), {
    state: "reconnecting", picture: "live", level: "none", limit: null, latency_ms: null, fps: 0, width: 0, height: 0,
  }); // prettier-ignore
});

test("counts are read from the entries of the video", () => {
  const report = new Map([
    ["1", { type: "outbound-rtp", kind: "video", framesPerSecond: 29, qualityLimitationReason: "bandwidth" }],
    ["2", { type: "remote-inbound-rtp", kind: "video", fractionLost: 0.5 }],
    ["3", { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.04 }],
    ["4", { type: "candidate-pair", nominated: false, currentRoundTripTime: 9 }],
    ["5", { type: "inbound-rtp", kind: "video", packetsReceived: 5, packetsLost: -1, frameWidth: 64 }],
    ["6", { type: "inbound-rtp", kind: "audio", packetsReceived: 99 }],
  ]);
  const { sentFps, encoderLimit, upLoss, rtt_ms, received, lost, width, height } = countsOf(report);
  assert.deepEqual(
    [sentFps, encoderLimit, upLoss, rtt_ms, received, lost, width, height],
    [29, "bandwidth", 0.5, 40, 5, 0, 64, 0],
  );
});
