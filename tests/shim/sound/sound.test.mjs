import assert from "node:assert/strict";
import { test } from "node:test";

import { delayAt, LONGEST_AUDIO_DELAY_S, pathTo } from "../../../static/shim/sound/delay_path.js";
import { lateness_ms } from "../../../static/shim/sound/loudness.js";

const STILL = { from_s: 0.1, to_s: 0.1, at_s: 0, until_s: 0 };

test("a change below the noise of the measurement is not followed", () => {
  assert.equal(pathTo(STILL, 5, 0.104), STILL);
});

test("a small change is followed at two percent of the time", () => {
  const path = pathTo(STILL, 5, 0.13);
  assert.ok(Math.abs(path.until_s - 6.5) < 1e-9);
  assert.ok(Math.abs(delayAt(path, 5.75) - 0.115) < 1e-9);
  assert.equal(delayAt(path, 7), 0.13);
});

test("a large change is followed at once", () => {
  const path = pathTo(STILL, 5, 0.3);
  assert.equal(path.until_s, path.at_s);
  assert.equal(delayAt(path, 5), 0.3);
});

test("a change on the way to another one begins where the delay is", () => {
  const path = pathTo(pathTo(STILL, 5, 0.13), 5.75, 0.1);
  assert.ok(Math.abs(path.from_s - 0.115) < 1e-9);
});

test("the delay stays between nothing and two seconds", () => {
  assert.equal(pathTo(STILL, 5, -1).to_s, 0);
  assert.equal(pathTo(STILL, 5, 9).to_s, LONGEST_AUDIO_DELAY_S);
});

/** Noise from a seed, so that each run hears the same. @param {number} length @param {number} seed */
function noise(length, seed) {
  let state = seed;
  return Array.from({ length }, () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  });
}

test("the lateness of the same sound is found to the millisecond", () => {
  const levels = noise(2_000, 42);
  const said = { from_ms: 1_000, levels };
  // Begun 40 ms later, and 230 ms late.
  const heard = { from_ms: 1_040, levels: [...noise(190, 7), ...levels] };
  assert.equal(lateness_ms(said, heard, 300), 230);
});

test("silence and other sounds tell nothing", () => {
  const silence = { from_ms: 1_000, levels: Array.from({ length: 2_000 }, () => 0) };
  assert.equal(lateness_ms(silence, silence, 200), null);
  const [one, other] = [1, 2].map((seed) => ({ from_ms: 1_000, levels: noise(2_000, seed) }));
  assert.equal(lateness_ms(one, other, 200), null);
});
