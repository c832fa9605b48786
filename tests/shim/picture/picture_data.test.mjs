import assert from "node:assert/strict";
import { test } from "node:test";

import { PictureData } from "../../../static/shim/picture/picture_data.js";

/** @param {number} rtp_timestamp */
const message = (rtp_timestamp) =>
  JSON.stringify({ type: "data", rtp_timestamp, width: 2, height: 2, filters: {} });

function made() {
  /** @type {number[]} */
  const told = [];
  const data = new PictureData((one) => told.push(/** @type {any} */ (one).rtpTimestamp));
  return { told, data };
}

test("what comes before its picture waits for it, and what comes after it is told at once", () => {
  const { told, data } = made();
  data.note(1000);
  data.receive(message(4000));
  assert.deepEqual(told, []);
  data.note(4000);
  assert.deepEqual(told, [4000]);
  data.note(7000);
  data.receive(message(7000));
  assert.deepEqual(told, [4000, 7000]);
});

test("what belongs to a picture that was passed over is dropped, also where timestamps begin anew", () => {
  const { told, data } = made();
  data.note(2 ** 32 - 6000);
  data.receive(message(2 ** 32 - 3000));
  data.receive(message(0));
  data.note(0);
  assert.deepEqual(told, [0]);
  data.note(2 ** 32 - 3000);
  assert.deepEqual(told, [0]);
});

test("where frames carry no timestamps all is told at once", () => {
  const { told, data } = made();
  data.note(undefined);
  data.receive(message(5));
  assert.deepEqual(told, [5]);
});

test("no more than thirty wait, and the newest stay", () => {
  const { told, data } = made();
  data.note(0);
  for (let n = 1; n <= 100; n++) data.receive(message(n));
  data.note(70);
  data.note(71);
  assert.deepEqual(told, [71]);
});

test("what is no such message is passed over", () => {
  const { told, data } = made();
  for (const text of ["", "{", "null", '{"type": "other"}', new ArrayBuffer(2), 7]) data.receive(text);
  assert.deepEqual(told, []);
});
