import assert from "node:assert/strict";
import { test } from "node:test";

import { Choices } from "../../../static/shim/session/choices.js";
import { PrivateFilters } from "../../../static/shim/session/private_filters.js";

const APPLIED = { filters: ["ink"], isPrivate: false, first: null };

/** @param {'closed' | 'open'} [outage] */
function begun(outage = "open") {
  const settings = { filter: /** @type {any} */ (null), params: {}, outage };
  const choices = new Choices(/** @type {any} */ (settings), new PrivateFilters());
  return { settings, choices };
}

test("a choice that is refused gives way to the one before", () => {
  const { settings, choices } = begun();
  choices.noteChanged({ filter: "ink", params: { strength: 1 } }, APPLIED);
  const goBack = choices.want("grade", {});
  assert.equal(settings.filter, "grade");
  goBack();
  assert.deepEqual([settings.filter, settings.params], ["ink", { strength: 1 }]);
});

test("a refused choice does not undo a newer one", () => {
  const { settings, choices } = begun();
  const goBack = choices.want("grade", {});
  choices.want("invert", {});
  goBack();
  assert.equal(settings.filter, "invert");
});

test("only a choice that was not accepted yet can be taken back", () => {
  const { settings, choices } = begun();
  assert.ok(!choices.takeBack());
  const params = { strength: 1 };
  choices.want("ink", params);
  choices.noteChanged({ filter: "ink", params }, APPLIED);
  assert.ok(!choices.takeBack());
  choices.want("grade", {});
  assert.ok(choices.takeBack());
  assert.equal(settings.filter, "ink");
});

test("with a private filter the policy is closed, from the wish to the end of its use", () => {
  const { choices } = begun("open");
  assert.equal(choices.outage, "open");
  choices.want("face", {});
  assert.equal(choices.outage, "closed");
  choices.noteChanged({ filter: "face", params: {} }, { filters: ["face"], isPrivate: true, first: null });
  choices.want("ink", {});
  // The server still applies the private one.
  assert.equal(choices.outage, "closed");
  choices.noteChanged({ filter: "ink", params: {} }, APPLIED);
  assert.equal(choices.outage, "open");
});

test("a filter that the server calls private stays private", () => {
  const { choices } = begun("open");
  choices.noteOpened({ asked: { filter: "mask", params: {} }, filters: ["mask"], isPrivate: true });
  choices.noteChanged({ filter: "ink", params: {} }, APPLIED);
  choices.want("mask", {});
  assert.equal(choices.outage, "closed");
});

test("a default filter that is private makes a call without a filter private", () => {
  const { choices } = begun("open");
  choices.noteOpened({ asked: { filter: null, params: {} }, filters: ["face"], isPrivate: true });
  choices.notePrivate(false);
  assert.equal(choices.outage, "closed");
});

test("a worker's refusal brings back what the server uses instead", () => {
  const { settings, choices } = begun();
  const [first, second] = [{ strength: 1 }, { strength: 2 }];
  choices.want("ink", first);
  choices.noteChanged({ filter: "ink", params: first }, APPLIED);
  choices.want("ink", second);
  choices.noteChanged({ filter: "ink", params: second }, APPLIED);
  // Without parameters, since they are too long for a message: those of before.
  assert.deepEqual(choices.noteGoneBack({ filter: ["ink"] }), { filter: "ink", params: first });
  assert.equal(settings.params, first);
});

test("a worker's refusal does not undo a choice that is under way", () => {
  const { settings, choices } = begun();
  const params = { strength: 1 };
  choices.want("ink", params);
  choices.noteChanged({ filter: "ink", params }, APPLIED);
  choices.want("grade", {});
  choices.noteGoneBack({ filter: "ink", params: { strength: 0 } });
  assert.equal(settings.filter, "grade");
});
