import assert from "node:assert/strict";
import { test } from "node:test";

import { LatencyCounter, median, STAGES, sum_ms } from "../../static/shared/latency.js";

const SERVER_MS = { decode: 3, transport: 2, wait: 4, batch: 20, filter: 18, encode: 5, total: 26 };

/**
 * The browser's report of a connection, after so many seconds of 30 frames each.
 * @param {number} seconds @param {object} [inbound] @param {number} [ssrc]
 */
function report(seconds, inbound = {}, ssrc = 7) {
  const frames = 30 * seconds;
  return [
    { kind: "audio", type: "inbound-rtp", ssrc: 1, framesDecoded: 5 },
    {
      kind: "video",
      type: "outbound-rtp",
      framesEncoded: frames,
      totalEncodeTime: 0.004 * frames,
      packetsSent: 2 * frames,
      totalPacketSendDelay: 0.001 * 2 * frames,
    },
    {
      kind: "video",
      type: "inbound-rtp",
      ssrc,
      framesDecoded: frames,
      totalDecodeTime: 0.002 * frames,
      totalProcessingDelay: 0.03 * frames,
      jitterBufferEmittedCount: frames,
      jitterBufferDelay: 0.025 * frames,
      ...inbound,
    },
  ];
}

test("the sum is that of all stages", () => {
  const counter = new LatencyCounter();
  counter.take(report(1), 10, SERVER_MS);
  const stages = counter.take(report(2), 10, SERVER_MS, 6);
  const values = Object.fromEntries(stages.map(({ name, value_ms }) => [name, value_ms]));
  assert.deepEqual(Object.keys(values), [...STAGES]);
  const expected = {
    camera: 5,
    "network-up": 5,
    decode: 3,
    wait: 6,
    filter: 20,
    encode: 5,
    "network-down": 5,
    display: 36,
  };
  for (const [name, value_ms] of Object.entries(expected)) {
    assert.ok(Math.abs((values[name] ?? Number.NaN) - value_ms) < 1e-9, name);
  }
  assert.ok(Math.abs((sum_ms(stages) ?? Number.NaN) - 85) < 1e-9);
});

test("the first report of a connection has nothing to compare with", () => {
  const counter = new LatencyCounter();
  assert.equal(sum_ms(counter.take(report(9), 10, SERVER_MS)), null);
  assert.notEqual(sum_ms(counter.take(report(10), 10, SERVER_MS)), null);
  // Another connection, which counts from zero.
  assert.equal(sum_ms(counter.take(report(11, {}, 8), 10, SERVER_MS)), null);
});

test("a second without a frame has no latency", () => {
  const counter = new LatencyCounter();
  counter.take(report(1), 10, SERVER_MS);
  assert.equal(sum_ms(counter.take(report(1), 10, SERVER_MS)), null);
});

test("a stage that the server does not tell makes the sum unknown", () => {
  const counter = new LatencyCounter();
  counter.take(report(1), 10, SERVER_MS);
  const { encode: _, ...without } = SERVER_MS;
  assert.equal(sum_ms(counter.take(report(2), 10, without)), null);
});

test("a browser that does not count the whole way of a frame counts its parts", () => {
  const counter = new LatencyCounter();
  counter.take(report(1, { totalProcessingDelay: undefined }), 10, SERVER_MS);
  const stages = counter.take(report(2, { totalProcessingDelay: undefined }), 10, SERVER_MS);
  assert.ok(Math.abs((stages.at(-1)?.value_ms ?? Number.NaN) - 27) < 1e-9);
});

test("one slow ping among the last five does not count", () => {
  const counter = new LatencyCounter();
  for (const ping_ms of [10, 10, 900, 10]) counter.take(report(1), ping_ms, SERVER_MS);
  const [, up] = counter.take(report(2), 10, SERVER_MS);
  assert.equal(up.value_ms, 5);
  assert.equal(median([3, 1, 2]), 2);
});
