import assert from "node:assert/strict";
import { test } from "node:test";

import { wordOf } from "../../static/extension/call_state.js";

/** @param {string} state @param {string} filter */
const live = (state, filter) => ({ state: "live", stats: { state, filters: [filter] } });

test("the popup says live of a frame of the chosen filter, not of the one before", () => {
  assert.equal(wordOf(live("live", "ink"), "face"), "isWaiting");
  assert.equal(wordOf(live("live", "face"), "face"), "isLive");
  assert.equal(wordOf(live("live", "ink"), ""), "isLive");
});

test("a call without a picture, and no call, are called so", () => {
  assert.equal(wordOf(live("card", "face"), "face"), "isCovered");
  assert.equal(wordOf({ state: "connecting", stats: null }, "face"), "isConnecting");
  assert.equal(wordOf(undefined, ""), "isIdle");
});
