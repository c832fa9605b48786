import assert from "node:assert/strict";
import { test } from "node:test";

import { Language } from "../../static/shared/language.js";
import en from "../../static/demo/text/en.js";
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

/** A page in a second of which a filter tells these labels. @param {Record<string, string[]>} [remarks] */
function remarked(remarks, filters = ["face"]) {
  return /** @type {any} */ ({ state: "live", trouble: null, filters, remarks });
}

/** What the page says, as English @param {PictureNews} news @param {any} told @param {number} at_s */
function heard(news, told, at_s) {
  const found = news.of(told, /** @type {any} */ ("Faces covered"), at_s * 1000);
  if (found) news.note(found.mood);
  return found && new Language({ en }, "en").say(found.said);
}

test("what a filter says of the picture is said when it has lasted for a second, and until it ends", () => {
  const { news } = begun();
  const dark = remarked({ face: ["too_flat", "all_covered"] });
  const empty = remarked({ face: ["no_face", "all_covered"] });
  const said = [dark, empty, empty, empty, remarked(), remarked()].map((one, at_s) => heard(news, one, at_s));
  assert.deepEqual(said, [
    "Live: Faces covered.",
    null,
    "Live: Faces covered. No face is found, so the whole picture is covered.",
    null,
    "Live: Faces covered.",
    null,
  ]);
});

test("a remark that comes twice within a second is not said yet", () => {
  const { news } = begun();
  const empty = remarked({ face: ["no_face"] });
  assert.deepEqual(
    [0, 0.4, 1].map((at_s) => heard(news, empty, at_s)),
    [
      "Live: Faces covered.",
      null,
      "Live: Faces covered. No face is found. Where a person is seen, their upper part is covered.",
    ],
  );
});

test("a remark takes no refusal away, and labels that are not known say nothing", () => {
  const { news } = begun();
  heard(news, remarked(), 0);
  news.note("bad");
  const empty = remarked({ face: ["no_face"] });
  assert.deepEqual([heard(news, empty, 1), heard(news, empty, 2)], [null, null]);
  const other = begun().news;
  const strange = remarked({ face: ["all_covered", "dim"], ink: ["no_face"] }, ["ink", "face"]);
  assert.deepEqual([heard(other, strange, 1), heard(other, strange, 3)], ["Live: Faces covered.", null]);
});

test("of a chain the first filter that has something to say says it", () => {
  const { news } = begun();
  const chain = remarked({ makeup: ["no_face"], face: ["unsure", "all_covered"] }, ["ink", "makeup", "face"]);
  heard(news, chain, 0);
  assert.match(heard(news, chain, 1) ?? "", /nothing is changed/);
});

test("a link names filters in order, and leaves out what is too long in any of them", () => {
  const params = { background: { mode: "picture", picture: "x".repeat(3000) }, ink: { strength: 1 } };
  const asked = readLink(linkTo(["background", "ink"], params));
  assert.deepEqual(asked.filters, ["background", "ink"]);
  assert.deepEqual(asked.params, { background: { mode: "picture" }, ink: { strength: 1 } });
  assert.deepEqual(readLink(linkTo([], {})).filters, [""]);
});
