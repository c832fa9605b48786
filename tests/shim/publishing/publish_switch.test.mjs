import assert from "node:assert/strict";
import { test } from "node:test";

import { Fault } from "../../../static/shim/base/fault.js";
import { Microphones } from "../../../static/shim/publishing/microphones.js";
import { Publication } from "../../../static/shim/publishing/publication.js";
import { PublishSwitch } from "../../../static/shim/publishing/publish_switch.js";
import { readSettings } from "../../../static/shim/settings/settings.js";

/** A connection whose server answers when the test says so; `published` is what it shows to others. */
function made() {
  const settings = readSettings(
    { src: "https://server.example/p2pcamera.js", dataset: {} },
    "https://a.example/",
  );
  const publication = new Publication(settings, new Microphones(), () => {});
  const server = {
    published: "",
    /** @type {(() => void)[]} */
    calls: [],
    /** @type {Fault | null} */
    refusal: null,
  };
  const link = {
    id: "1",
    publish: (/** @type {any} */ asked) =>
      new Promise((resolve, reject) => {
        const take = () => {
          if (asked && server.refusal) return reject(server.refusal);
          server.published = asked ? asked.name : "";
          resolve(server.published);
        };
        if (asked) server.calls.push(take);
        else take();
      }),
    sendSound: () => true,
  };
  const connection = /** @type {any} */ ({ link, state: "live", renew: () => false });
  return { server, toggle: new PublishSwitch(publication, connection, async () => {}) };
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 0));

test("whoever ends it while it begins is seen by nobody, also where the end has arrived first", async () => {
  const { server, toggle } = made();
  const begun = toggle.to({ name: "show", sound: false });
  await soon();
  await toggle.end();
  server.calls[0]();
  await assert.rejects(begun);
  assert.equal(server.published, "");
});

test("after a refusal nobody sees it under the name before", async () => {
  const { server, toggle } = made();
  const begun = toggle.to({ name: "one", sound: false });
  await soon();
  server.calls[0]();
  await begun;
  server.refusal = new Fault("stream_taken", "another one has it");
  const renamed = toggle.to({ name: "two", sound: false });
  await soon();
  server.calls[1]();
  await assert.rejects(renamed, { code: "stream_taken" });
  assert.equal(server.published, "");
});

test("the refusal of an older wish does not end what was wanted since", async () => {
  const { server, toggle } = made();
  server.refusal = new Fault("stream_taken", "another one has it");
  const first = toggle.to({ name: "one", sound: false });
  await soon();
  const second = toggle.to({ name: "two", sound: false });
  await soon();
  server.calls[0]();
  await assert.rejects(first, { code: "stream_taken" });
  server.refusal = null;
  server.calls[1]();
  assert.equal((await second).name, "two");
  assert.equal(server.published, "two");
});
