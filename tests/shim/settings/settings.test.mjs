import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { readSettings, serverFromText } from "../../../static/shim/settings/settings.js";

const PAGE = "https://page.example/folder/page.html";
const SOURCE = "https://server.example/camera/p2pcamera.js?v=1";

/** @param {Record<string, string>} dataset */
function read(dataset, src = SOURCE) {
  const said = mock.method(console, "error", () => {});
  const settings = readSettings({ src, dataset }, PAGE);
  said.mock.restore();
  return { ...settings, errors: said.mock.callCount() };
}

test("a tag without attributes has the folder of the script as its server", () => {
  const { server, filter, params, outage, audio, token, fault } = read({});
  assert.equal(server, "https://server.example/camera/");
  assert.deepEqual(
    [filter, params, outage, audio, token, fault],
    [null, {}, "closed", "untouched", undefined, null],
  );
});

test("one filter is a name, and several are a list", () => {
  assert.equal(read({ filter: " ink " }).filter, "ink");
  assert.deepEqual(read({ filter: "ink, grade,," }).filter, ["ink", "grade"]);
  assert.equal(read({ filter: " " }).filter, null);
});

test("a server is relative to the page, and ends with a slash", () => {
  assert.equal(serverFromText("../camera", SOURCE, PAGE), "https://page.example/camera/");
  assert.equal(serverFromText("https://other.example/x//", "", PAGE), "https://other.example/x/");
});

for (const [name, value] of [
  ["outage", "half"],
  ["audio", "loud"],
  ["params", "[1]"],
  ["params", "{"],
  ["server", "http://"],
]) {
  test(`a wrong ${name} is kept as a fault and told once: ${value}`, () => {
    const { fault, errors } = read({ [name]: value });
    assert.equal(fault?.code, "bad_settings");
    assert.equal(errors, 1);
  });
}

test("a tag without an address, as in a page's own text, needs a server", () => {
  assert.match(String(read({}, "").fault?.message), /data-server/);
});

test("an imported module has no tag, and no server yet", () => {
  const { server, fault } = readSettings(null, PAGE);
  assert.deepEqual([server, fault], ["", null]);
});
