import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { Shaper } from "../../../static/shim/picture/shaper.js";
import { bitrateCap, fit, pixels } from "../../../static/shim/picture/sizes.js";

/** The Python tests of the service compare its own figures with the same table. */
const TABLE = JSON.parse(await readFile(new URL("../bitrates.json", import.meta.url), "utf8"));

for (const { width, height, bits_per_s: expected } of TABLE) {
  test(`${width}x${height} is worth ${expected} bits a second, here and in the service`, () => {
    assert.equal(bitrateCap({ width, height }), expected);
  });
}

test("a camera that does not tell its size is taken for 640x480", () => {
  assert.equal(bitrateCap({}), bitrateCap({ width: 640, height: 480 }));
});

test("a frame of the wanted size stays whole", () => {
  assert.deepEqual(fit(640, 480, { width: 640, height: 480 }), {
    width: 640,
    height: 480,
    crop: [0, 0, 640, 480],
  });
  assert.deepEqual(fit(640, 480, {}), { width: 640, height: 480, crop: [0, 0, 640, 480] });
});

test("the middle of a frame fills other proportions", () => {
  assert.deepEqual(fit(1280, 720, { width: 640, height: 480 }).crop, [160, 0, 960, 720]);
  assert.deepEqual(fit(640, 480, { width: 320, height: 180 }).crop, [0, 60, 640, 360]);
});

test("a telephone that was turned gets the size turned", () => {
  const { width, height, crop } = fit(480, 640, { width: 640, height: 480 });
  assert.deepEqual([width, height, crop], [480, 640, [0, 0, 480, 640]]);
});

test("of two tracks the larger picture counts, then the faster one, and a muted one counts for nothing", () => {
  const large = pixels({ width: 1280, height: 720, frameRate: 10 }, true);
  const small = pixels({ width: 640, height: 480, frameRate: 60 }, true);
  assert.ok(large > small);
  assert.ok(
    pixels({ width: 640, height: 480, frameRate: 60 }, true) > pixels({ width: 640, height: 480 }, true),
  );
  assert.equal(pixels({ width: 1280, height: 720 }, false), 0);
});

test("a slower track takes its own rate of frames, evenly", () => {
  const shaper = new Shaper(() => ({ frameRate: 10 }));
  const came = Array.from({ length: 300 }, (_, index) => 1_000 + (index * 1000) / 30);
  const taken = came.filter((at_ms) => shaper.takes(at_ms));
  assert.ok(Math.abs(taken.length - 100) <= 1, `${taken.length} frames in ten seconds`);
  const gaps = taken.slice(1).map((at_ms, index) => at_ms - taken[index]);
  assert.ok(gaps.every((gap_ms) => Math.abs(gap_ms - 100) < 40));
});

test("a track without a rate takes every frame", () => {
  const shaper = new Shaper(() => ({ frameRate: null }));
  assert.ok([0, 1, 2, 3].every((at_ms) => shaper.takes(at_ms)));
});
