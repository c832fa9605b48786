import assert from "node:assert/strict";
import { test } from "node:test";

import { isLost, stepFor } from "../../../static/shim/connection/watch_policy.js";

test("a connection that was heard a moment ago needs nothing", () => {
  assert.equal(stepFor(300, 0), "nothing");
});

test("without frames the server is asked for a word, and a word is enough", () => {
  assert.equal(stepFor(301, 301), "ping");
  assert.equal(stepFor(60_000, 700), "ping");
});

test("without a frame or a word the server is asked for the session", () => {
  assert.equal(stepFor(701, 701), "check");
});

test("a session that the server does not know is lost at once", () => {
  assert.ok(isLost({ status: 404 }, 0));
});

test("a server that does not answer has less time than one that says that all is well", () => {
  assert.ok(!isLost({ status: 0 }, 1_200));
  assert.ok(isLost({ status: 0 }, 1_201));
  assert.ok(!isLost(null, 3_000));
  assert.ok(isLost(null, 3_001));
});
