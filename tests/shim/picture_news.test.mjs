import assert from "node:assert/strict";
import { test } from "node:test";

import { linkTo, readLink } from "../../static/demo/link.js";
import { PictureNews } from "../../static/demo/picture_news.js";

const FILTER = /** @type {any} */ ("Ink");
const TROUBLE = { filter: "ink", code: "needs_package", text: "needs x", detail: "x", remedy: "make models" };

/** @param {string} state @param {object | null} [trouble] */
function stats(state, trouble = null) {
  return /** @type {any} */ ({ state, trouble, filters: ["ink"] });
}

/** A page that says all that is news. */
function begun() {
  const news = new PictureNews();
  news.note(news.await().mood);
  /** @param {string} state @param {object | null} [trouble] */
  const say = (state, trouble) => {
    const found = news.of(stats(state, trouble), FILTER);
    if (found) news.note(found.mood);
    return found && found.said.key;
  };
  return { news, say };
}

test("a choice is live when a frame of it has come, and said so once", () => {
  const { say } = begun();
  assert.deepEqual(
    [say("waiting"), say("card"), say("live"), say("live")],
    [null, null, "message.live", null],
  );
});

test("the picture returns by itself only where it has been there and a worker may bring it", () => {
  const { say } = begun();
  say("live");
  assert.equal(say("card"), "message.card");
  assert.equal(say("live"), "message.live");
  assert.equal(say("card", TROUBLE), "message.card-for-good");
  assert.equal(say("live"), "message.live");
});

test("a filter that fails while it is loaded is told at once", () => {
  const { say } = begun();
  assert.equal(say("waiting", TROUBLE), "message.card-for-good");
  assert.equal(say("raw", TROUBLE), "message.raw-for-good");
});

test("between two settings of one filter nothing is said, and a refusal stays", () => {
  const { news, say } = begun();
  say("live");
  assert.equal(say("waiting"), null);
  news.note("bad");
  assert.equal(say("live"), null);
});

test("a link names filters in order, and leaves out what is too long in any of them", () => {
  const params = { background: { mode: "picture", picture: "x".repeat(3000) }, ink: { strength: 1 } };
  const asked = readLink(linkTo(["background", "ink"], params));
  assert.deepEqual(asked.filters, ["background", "ink"]);
  assert.deepEqual(asked.params, { background: { mode: "picture" }, ink: { strength: 1 } });
  assert.deepEqual(readLink(linkTo([], {})).filters, [""]);
});
