import assert from "node:assert/strict";
import { test } from "node:test";

import { Fault } from "../../../static/shim/base/fault.js";
import { Microphones } from "../../../static/shim/publishing/microphones.js";
import { Publication } from "../../../static/shim/publishing/publication.js";
import { Publishing } from "../../../static/shim/publishing/publishing.js";
import { checkedStream, readSettings } from "../../../static/shim/settings/settings.js";

/** @typedef {any[]} News what the page was told */

function made() {
  /** @type {News} */
  const news = [];
  const microphones = new Microphones();
  const settings = readSettings(
    { src: "https://server.example/a/p2pcamera.js", dataset: {} },
    "https://page.example/",
  );
  const publication = new Publication(settings, microphones, (told, fault) => news.push([told, fault?.code]));
  return { publication, microphones, news };
}

const track = (/** @type {string} */ id) => /** @type {any} */ ({ id, readyState: "live" });

test("what is granted is told with the page that shows it, and then asked for by its name", () => {
  const { publication, news } = made();
  publication.want({ name: true, sound: false });
  const { publisher, ...asked } = publication.asked ?? {};
  assert.deepEqual(asked, { name: true, takesOver: true });
  assert.match(`${publisher}`, /^[0-9a-f]{32}$/);
  publication.grant("made-up", false);
  const told = {
    name: "made-up",
    watchUrl: "https://server.example/a/watch/made-up",
    viewers: 0,
    sound: false,
  };
  assert.deepEqual(news, [[told, undefined]]);
  // As after an outage: not in the place of somebody who came meanwhile.
  assert.deepEqual(publication.asked, { name: "made-up", publisher, takesOver: false });
});

test("viewers are told when they are others, and only of the name that is published", () => {
  const { publication, news } = made();
  publication.noteStats({ publish: "show", viewers: 3 });
  publication.want({ name: "show", sound: false });
  publication.grant("show", false);
  for (const viewers of [0, 2, 2]) publication.noteStats({ publish: "show", viewers });
  publication.noteStats({ publish: "other", viewers: 9 });
  publication.noteStats({});
  assert.deepEqual(
    news.map(([told]) => told.viewers),
    [0, 2],
  );
});

test("an answer to an older wish is not taken for the newer one", () => {
  const { publication } = made();
  publication.want({ name: "one", sound: false });
  publication.want({ name: "two", sound: false });
  publication.grant("one", false);
  assert.equal(publication.told, null);
});

test("a refusal of publishing gives it up, and any other leaves it", () => {
  for (const [code, isOfIt] of /** @type {[string, boolean][]} */ ([
    ["stream_taken", true],
    ["stream_forbidden", true],
    ["taken_over", true],
    ["full", false],
    ["unauthorized", false],
  ])) {
    const { publication, news } = made();
    publication.want({ name: "show", sound: false });
    assert.equal(publication.isRefusedBy(new Fault(code, "")), isOfIt);
    assert.equal(publication.isWanted, !isOfIt);
    assert.deepEqual(news, isOfIt ? [[null, code]] : []);
  }
});

test("the sound is the oldest microphone that the page has not stopped, and none unless it is wanted", () => {
  const { publication, microphones } = made();
  const [one, two] = [track("one"), track("two")];
  microphones.note(one);
  microphones.note(two);
  publication.want({ name: "show", sound: false });
  assert.equal(publication.sound, null);
  publication.want({ name: "show", sound: true });
  assert.equal(publication.sound, one);
  one.readyState = "ended";
  assert.equal(publication.sound, two);
  two.readyState = "ended";
  assert.equal(publication.sound, null);
});

test("a page publishes one camera at a time, and the next one when that has ended", async () => {
  /** @type {string[]} */
  const asked = [];
  const session = (/** @type {string} */ id) =>
    /** @type {any} */ ({
      isOpen: true,
      publication: null,
      wantPublished: ({ name = "" }) => asked.push(`${id} ${name}`),
      publish: async ({ name = "" }) => asked.push(`${id} ${name}`),
      unpublish: async () => asked.push(`${id} ends`),
    });
  const [one, two] = [session("one"), session("two")];
  const publishing = new Publishing({ name: "show", sound: false });
  publishing.begin(one);
  publishing.begin(two);
  publishing.noteEnd(one, [two]);
  await null;
  assert.deepEqual(asked, ["one show", "two show"]);
  // Taken over: nobody fights back, nor does the next camera.
  publishing.note(two, null);
  publishing.begin(session("three"));
  assert.equal(asked.length, 2);
  assert.equal(await publishing.to({ name: "later", sound: false }, []), null);
});

test("a stream's name has letters, digits, - and _, and none at all is made by the server", () => {
  assert.deepEqual([checkedStream(undefined), checkedStream(null), checkedStream("")], [true, true, true]);
  assert.equal(checkedStream("a-B_9"), "a-B_9");
  for (const wrong of ["a b", "ä", "x".repeat(65), 5, {}]) assert.throws(() => checkedStream(wrong), Fault);
});

test("the script tag names the stream, and says whether with sound", () => {
  const read = (/** @type {Record<string, string>} */ dataset) =>
    readSettings({ src: "https://server.example/p2pcamera.js", dataset }, "https://page.example/");
  assert.equal(read({}).publish, null);
  assert.deepEqual(read({ publish: "" }).publish, { name: true, sound: false });
  assert.deepEqual(read({ publish: "show", publishSound: "on" }).publish, { name: "show", sound: true });
  console.error = () => {};
  assert.equal(read({ publish: "a b" }).fault?.code, "bad_settings");
  assert.equal(read({ publish: "show", publishSound: "loud" }).fault?.code, "bad_settings");
});
