import assert from "node:assert/strict";
import { test } from "node:test";

import { pauseAskedFor, ReconnectPolicy } from "../../../static/shim/connection/reconnect_policy.js";

const AWAY = { status: 0, code: "unreachable", retryAfterS: null };
const LOST_AT_MS = 100_000;

/** @param {number} jitter from 0 to 1 */
const policy = (jitter = 0) => new ReconnectPolicy(LOST_AT_MS, () => jitter);

test("the first pause is the shortest, and later ones are a twentieth of the outage", () => {
  const outage = policy();
  assert.deepEqual(outage.after(AWAY, LOST_AT_MS + 10), { pause_ms: 200, canWake: true });
  assert.equal(outage.after(AWAY, LOST_AT_MS + 4_000)?.pause_ms, 200);
  assert.equal(outage.after(AWAY, LOST_AT_MS + 60_000)?.pause_ms, 3_000);
});

test("no pause without a wish of the server is longer than ten seconds", () => {
  assert.equal(policy().after(AWAY, LOST_AT_MS + 3_600_000)?.pause_ms, 10_000);
});

test("jitter makes a pause up to a quarter longer", () => {
  assert.equal(policy(1).after(AWAY, LOST_AT_MS + 60_000)?.pause_ms, 3_750);
  assert.equal(policy(0.5).after(AWAY, LOST_AT_MS + 60_000)?.pause_ms, 3_375);
});

test("a pause that the server asks for is kept, and no news shortens it", () => {
  const full = { status: 503, code: "full", retryAfterS: 7 };
  assert.deepEqual(policy().after(full, LOST_AT_MS + 1_000), { pause_ms: 7_000, canWake: false });
});

test("a server that has just started may lack its workers for five seconds", () => {
  const without = { status: 503, code: "no_worker", retryAfterS: 9 };
  const outage = policy();
  outage.after(AWAY, LOST_AT_MS + 20_000);
  assert.deepEqual(outage.after(without, LOST_AT_MS + 24_999), { pause_ms: 24_999 / 20, canWake: true });
  assert.deepEqual(outage.after(without, LOST_AT_MS + 25_001), { pause_ms: 9_000, canWake: false });
});

test("a server that has just started may not know a filter yet", () => {
  const unknown = { status: 404, code: "unknown_filter", retryAfterS: null };
  const outage = policy();
  assert.notEqual(outage.after(unknown, LOST_AT_MS + 4_999), null);
  assert.equal(outage.after(unknown, LOST_AT_MS + 5_001), null);
});

for (const [status, code] of [
  [401, "unauthorized"],
  [403, "forbidden"],
  [422, "unusable_offer"],
  [0, "bad_settings"],
]) {
  test(`${code} does not pass, so there is no other attempt`, () => {
    const refused = { status: Number(status), code: String(code), retryAfterS: null };
    assert.equal(policy().after(refused, LOST_AT_MS), null);
  });
}

for (const status of [404, 429, 500, 503]) {
  test(`status ${status} passes`, () => {
    assert.notEqual(policy().after({ status, code: "error", retryAfterS: null }, LOST_AT_MS + 60_000), null);
  });
}

test("before the first connection only a wish of the server is a reason to try again", () => {
  assert.equal(
    pauseAskedFor({ retryAfterS: 5 }, () => 0),
    5_000,
  );
  assert.equal(
    pauseAskedFor({ retryAfterS: 0 }, () => 1),
    250,
  );
  for (const retryAfterS of [null, Number.NaN, -1]) assert.equal(pauseAskedFor({ retryAfterS }), null);
});
