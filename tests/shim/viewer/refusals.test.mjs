import assert from "node:assert/strict";
import { test } from "node:test";

import { Language } from "../../../static/shared/language.js";
import { asksForToken, refusalOf } from "../../../static/viewer/refusals.js";
import english from "../../../static/viewer/text/en.js";
import japanese from "../../../static/viewer/text/ja.js";

const language = { en: new Language({ en: english }, "en"), ja: new Language({ ja: japanese }, "ja") };

/** @param {"en" | "ja"} code @param {number} status @param {string} refusal */
const said = (code, status, refusal) =>
  language[code].say(refusalOf({ status, code: refusal, message: "said in English" }));

test("a refusal is said in the language of the page", () => {
  assert.equal(
    said("ja", 403, "origin_refused"),
    "サーバーに拒否されました：" + japanese["fault.origin_refused"],
  );
  assert.match(said("ja", 422, "unusable_offer"), /ブラウザーの申し出を使えません/);
  assert.match(said("ja", 502, "bad_answer"), /p2pcamera のサーバーではありません/);
  assert.match(said("en", 500, "of_a_newer_server"), /said in English/);
});

test("places are said to be taken only where they are", () => {
  assert.equal(said("en", 503, "too_many_viewers"), english["watch.full"]);
  for (const [code, words] of [
    ["shutting_down", "it is shutting down"],
    ["no_media_process", "its part that carries pictures is starting again"],
    ["token_keys_away", "it cannot fetch the keys of tokens"],
  ]) {
    assert.equal(said("en", 503, code), `There is no picture now: ${words}. The page tries again.`);
  }
});

test("a token is asked for only where one may help", () => {
  const asks = (/** @type {number} */ status, /** @type {string} */ code) =>
    asksForToken({ status, code, message: "" });
  assert.ok(asks(401, "unauthorized") && asks(401, "token_expired"));
  assert.ok(asks(403, "forbidden") && asks(403, "stream_forbidden"));
  assert.ok(!asks(403, "origin_refused") && !asks(403, "host_refused"));
  assert.equal(said("en", 403, "stream_forbidden"), english["watch.needs-token"]);
});

test("what is no refusal has words of its own", () => {
  assert.equal(said("ja", 404, "unknown_stream"), japanese["watch.nobody"]);
  assert.equal(said("ja", 0, "no_way"), japanese["watch.no-way"]);
  assert.equal(said("ja", 0, "unreachable"), japanese["watch.unreachable"]);
});

test("both languages have the same keys", () => {
  assert.deepEqual(Object.keys(japanese).sort(), Object.keys(english).sort());
});
