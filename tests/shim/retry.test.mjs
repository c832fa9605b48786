import assert from "node:assert/strict";
import { test } from "node:test";

import { jittered, retryAfter_s } from "../../static/shared/retry.js";

const NOW_MS = Date.parse("Wed, 21 Oct 2026 07:28:00 GMT");

/** @param {string} [text] of the header */
const asked = (text) => retryAfter_s(new Headers(text === undefined ? {} : { "Retry-After": text }), NOW_MS);

test("a service asks for seconds, and a proxy may name a date", () => {
  assert.equal(asked("7"), 7);
  assert.equal(asked(" 0.5 "), 0.5);
  assert.equal(asked("Wed, 21 Oct 2026 07:28:30 GMT"), 30);
});

test("what cannot be read, or lies in the past, asks for no pause", () => {
  assert.equal(asked(), null);
  for (const text of ["", "soon", "NaN", "Infinity"]) assert.equal(asked(text), null, text);
  assert.equal(asked("Wed, 21 Oct 2015 07:28:00 GMT"), 0);
  assert.equal(asked("-3"), 0);
});

test("jitter makes a pause up to a quarter longer, and never shorter", () => {
  assert.equal(
    jittered(1_000, () => 0),
    1_000,
  );
  assert.equal(
    jittered(1_000, () => 1),
    1_250,
  );
});
