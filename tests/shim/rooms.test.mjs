import assert from "node:assert/strict";
import { test } from "node:test";

import { faultsOfRooms } from "../../deploy/shim_rooms.mjs";

/** @param {Record<string, string[]>} imports by module, as esbuild lists them */
function faults(imports) {
  const inputs = Object.entries(imports).map(([path, imported]) => [
    path,
    { bytes: 1, imports: imported.map((one) => ({ path: one, kind: "import-statement" })) },
  ]);
  return faultsOfRooms(Object.fromEntries(inputs));
}

test("imports go downwards, within a room, and out of the rooms", () => {
  const main = ["shim/page/page.js", "shim/base/fault.js"];
  const page = ["shim/page/place.js", "shim/sound/sound.js", "shared/latency.js"];
  assert.deepEqual(faults({ "shim/main.js": main, "shim/page/page.js": page, "shared/latency.js": [] }), []);
});

test("a room imports none above it, and none beside it", () => {
  const told = faults({
    "shim/base/json.js": ["shim/session/choices.js"],
    "shim/check/relays.js": ["shim/sound/sound.js"],
    "shim/page/place.js": ["shim/main.js"],
  });
  assert.deepEqual(told, [
    "shim/base/json.js imports shim/session/choices.js, which is not below it",
    "shim/check/relays.js imports shim/sound/sound.js, which is not below it",
    "shim/page/place.js imports shim/main.js, which is not below it",
  ]);
});

test("a new room needs a floor", () => {
  assert.deepEqual(faults({ "shim/attic/box.js": [] }), [
    "shim/attic/box.js: deploy/shim_rooms.mjs has no floor for the room attic",
  ]);
});

test("modules of a room are in no circle", () => {
  const [base, one, two] = ["shim/base/fault.js", "shim/page/page.js", "shim/page/place.js"];
  assert.deepEqual(faults({ [one]: [base, two], [two]: [base, one], [base]: [] }), [
    `imports in a circle: ${one} > ${two} > ${one}`,
  ]);
});
