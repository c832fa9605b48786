import assert from "node:assert/strict";
import { test } from "node:test";

import { backwards, DeviceIds, namesCamera } from "../../../static/shim/camera/device_ids.js";

const ids = new DeviceIds(backwards);
const sameIds = new DeviceIds((id) => id);
const CAMERA = { deviceId: "abc" };

test("a filtered id leads back to the camera's own", () => {
  assert.equal(ids.other("abc"), "cba");
  assert.equal(ids.other(ids.other("a1b2")), "a1b2");
});

test("constraints that name a camera name it by both ids", () => {
  assert.deepEqual(ids.widened({ deviceId: "cba", width: 640 }), { deviceId: ["cba", "abc"], width: 640 });
  assert.deepEqual(ids.widened({ deviceId: { exact: ["cba", "fed"], ideal: "x1" } }), {
    deviceId: { exact: ["cba", "abc", "fed", "def"], ideal: ["x1", "1x"] },
  });
  assert.deepEqual(ids.widened({ advanced: [{ deviceId: "cba" }, { width: 3 }] }), {
    advanced: [{ deviceId: ["cba", "abc"] }, { width: 3 }],
  });
});

for (const video of [
  { deviceId: "cba" },
  { deviceId: { exact: "cba" } },
  { deviceId: { ideal: ["cba", "fed"] } },
  { advanced: [{ deviceId: { exact: "cba" } }], width: { ideal: 640 } },
  { width: 640 },
]) {
  test(`a page reads ${JSON.stringify(video)} back as it wrote it`, () => {
    assert.deepEqual(ids.narrowed(ids.widened(video)), video);
  });
}

test("constraints are not changed in place", () => {
  const video = { deviceId: { exact: "cba" }, advanced: [{ deviceId: "cba" }] };
  ids.widened(video);
  assert.deepEqual(video, { deviceId: { exact: "cba" }, advanced: [{ deviceId: "cba" }] });
});

test("a call that demands the camera's own id gets the raw camera", () => {
  assert.ok(ids.asksForRaw({ deviceId: { exact: "abc" } }, CAMERA));
  assert.ok(ids.asksForRaw({ deviceId: { exact: ["abc", "def"] } }, CAMERA));
});

for (const video of [
  true,
  { width: 640 },
  { deviceId: "abc" },
  { deviceId: { ideal: "abc" } },
  { deviceId: { exact: "cba" } },
  { deviceId: { exact: ["abc", "cba"] } },
]) {
  test(`a call with ${JSON.stringify(video)} gets the filtered camera`, () => {
    assert.ok(!ids.asksForRaw(video, CAMERA));
  });
}

test("a capture of the screen is left as it is", () => {
  assert.ok(ids.asksForRaw(true, { deviceId: "abc", displaySurface: "window" }));
  assert.ok(ids.asksForRaw({ mandatory: { chromeMediaSource: "desktop" } }, CAMERA));
  assert.ok(ids.asksForRaw({ mediaSource: "screen" }, CAMERA));
});

test("where all cameras are filtered under their own ids, none is raw", () => {
  assert.ok(!sameIds.asksForRaw({ deviceId: { exact: "abc" } }, CAMERA));
});

test("only constraints with a device may name a camera", () => {
  assert.ok(namesCamera({ deviceId: "abc" }));
  assert.ok(namesCamera({ advanced: [] }));
  assert.ok(!namesCamera({ width: 640 }));
  assert.ok(!namesCamera(true));
});

test("constraints of before the standard name a camera by either id", () => {
  /** @param {any} video @returns {any[]} */
  const candidates = (video) => ids.candidates(video);
  const mandatory = { sourceId: "cba", minWidth: 640 };
  assert.deepEqual(candidates({ mandatory }), [
    { mandatory: { sourceId: "abc", minWidth: 640 } },
    { mandatory },
  ]);
  assert.deepEqual(candidates({ optional: [{ sourceId: "cba" }, { minWidth: 3 }] }), [
    { optional: [{ sourceId: "cba" }, { sourceId: "abc" }, { minWidth: 3 }] },
  ]);
  assert.deepEqual(ids.candidates({ deviceId: "cba" }), [{ deviceId: ["cba", "abc"] }]);
  assert.deepEqual(sameIds.candidates(/** @type {any} */ ({ mandatory })), [{ mandatory }]);
});

test("a page that demands the camera's own id in the old way gets the raw camera", () => {
  assert.ok(ids.asksForRaw({ mandatory: { sourceId: "abc" } }, CAMERA));
  assert.ok(!ids.asksForRaw({ mandatory: { sourceId: "cba" } }, CAMERA));
  assert.ok(!ids.asksForRaw({ optional: [{ sourceId: "abc" }] }, CAMERA));
});

test("what the browser makes of old constraints is told with the ids that the page knows", () => {
  assert.deepEqual(ids.narrowed({ deviceId: { exact: "abc" } }, "abc"), { deviceId: { exact: "cba" } });
  const told = { advanced: [{ deviceId: "cba" }, { deviceId: "abc" }, { width: { min: 3 } }] };
  assert.deepEqual(ids.narrowed(told, "abc"), { advanced: [{ deviceId: "cba" }, { width: { min: 3 } }] });
});

for (const video of [{ mandatory: { sourceId: "" } }, { optional: [] }, { deviceId: "" }, { advanced: [] }]) {
  test(`${JSON.stringify(video)} may name a camera`, () => assert.ok(namesCamera(video)));
}
