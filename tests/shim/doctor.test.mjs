import assert from "node:assert/strict";
import { test } from "node:test";

import { Doctor } from "../../static/demo/doctor.js";

Object.assign(globalThis, { isSecureContext: true });

/**
 * What the doctor says of the picture after these steps of the shim.
 * @param {object[]} steps
 * @returns {Promise<any>} the reason's phrase, or its text
 */
async function reasonAfter(...steps) {
  const shim = {
    /** @param {{onStep: (step: object) => void}} asked */
    checkConnection: async ({ onStep }) => steps.forEach(onStep),
  };
  const patient = /** @type {any} */ ({ shim, names: ["ink"], title: "Ink", params: {} });
  /** @type {any} */
  let reason;
  await new Doctor(patient).run((name, { said }) => {
    if (name === "picture" && said) reason = said.values.reason;
  });
  return reason;
}

const NO_PICTURE = { name: "picture", outcome: "fail", code: "timeout", message: "none came" };
const CARD = { ...NO_PICTURE, detail: { seconds: 10, picture: "card" } };
/** @param {string} outcome @param {string | null} code */
const filter = (outcome, code) => ({
  name: "filter",
  outcome,
  code,
  detail: { workers: 1, all_workers: 1 },
});

test("no picture is told to return that has not been there: its filter is being loaded", async () => {
  assert.equal((await reasonAfter(filter("note", "loading"), CARD)).key, "doctor.filter.loading");
  assert.equal((await reasonAfter(filter("note", "loadable"), CARD)).key, "doctor.filter.loading");
  assert.equal((await reasonAfter(filter("ok", null), CARD)).key, "message.card");
});

test("what keeps the filter from running is the reason, loaded or not", async () => {
  const trouble = { filter: "ink", code: "download_failed", text: "", detail: "x", remedy: "y" };
  const failed = { ...CARD, detail: { ...CARD.detail, trouble } };
  assert.equal((await reasonAfter(filter("note", "loadable"), failed)).key, "message.cannot-run");
});
