import assert from "node:assert/strict";
import { test } from "node:test";

import { jsonText, parsedJson } from "../../static/shared/json.js";

const VALUE = { type: "filter", name: ["invert", "ink"], params: { ink: { a: [1, null, "x"], b: true } } };
const TEXT = JSON.stringify(VALUE);

/** What old libraries, and pages that log what others say, put in the place of the browser's own. */
/** @type {[string, any, PropertyKey, unknown][]} */
const PATCHES = [
  ["toJSON of arrays", Array.prototype, "toJSON", () => "a text"],
  ["toJSON of objects", Object.prototype, "toJSON", () => "a text"],
  ["toJSON of texts", String.prototype, "toJSON", () => 5],
  ["toJSON of numbers", Number.prototype, "toJSON", () => "five"],
  ["stringify", JSON, "stringify", () => "patched"],
  ["parse", JSON, "parse", () => "patched"],
  ["map", Array.prototype, "map", () => []],
  ["push", Array.prototype, "push", () => 0],
  ["the iterator", Array.prototype, Symbol.iterator, () => ({ next: () => ({ done: true }) })],
  ["keys", Object, "keys", () => []],
  ["isArray", Array, "isArray", () => false],
];

for (const [name, owner, key, value] of PATCHES) {
  test(`a page that has patched ${name} changes no message`, () => {
    const before = Object.getOwnPropertyDescriptor(owner, key);
    Object.defineProperty(owner, key, { value, configurable: true, writable: true });
    let text;
    let read;
    try {
      text = jsonText(VALUE);
      read = parsedJson(TEXT);
    } finally {
      if (before) Object.defineProperty(owner, key, before);
      else delete owner[key];
    }
    assert.equal(text, TEXT);
    assert.deepEqual(read, VALUE);
  });
}

test("dates and what is left out are written as by the browser", () => {
  const value = {
    at: new Date(0),
    none: undefined,
    list: [undefined, () => {}],
    nan: NaN,
    __proto__: { no: 1 },
  };
  assert.equal(jsonText(value), JSON.stringify(value));
});
