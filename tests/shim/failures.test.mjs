import assert from "node:assert/strict";
import { test } from "node:test";

import { failureOf } from "../../static/demo/failures.js";
import { Language } from "../../static/shared/language.js";
import { troubleWords } from "../../static/shared/trouble.js";
import english from "../../static/demo/text/en.js";
import japanese from "../../static/demo/text/ja.js";

const language = { en: new Language({ en: english }, "en"), ja: new Language({ ja: japanese }, "ja") };

/** @param {object} more */
function fault(more) {
  const plain = { code: "", field: "", status: 0, retryAfterS: null, trouble: null };
  return Object.assign(new Error("said in English"), plain, more);
}

/** @param {"en" | "ja"} code @param {object} more */
const said = (code, more) => language[code].say(failureOf(fault(more), fault(more)));

test("a refusal is said in the language of the page", () => {
  assert.equal(
    said("ja", { code: "filter_not_allowed", status: 403 }),
    "サーバーに断られました: このフィルターの使用は許可されていません",
  );
  assert.match(said("ja", { code: "full", status: 503 }), /空きがありません/);
  assert.match(said("en", { code: "full", status: 503 }), /all its places are taken/);
});

test("only a token that is missing or wrong is asked for anew", () => {
  assert.equal(said("en", { code: "token_expired", status: 401 }), english["message.token-needed"]);
  assert.equal(said("en", { code: "forbidden", status: 403 }), english["message.token-refused"]);
  for (const code of ["origin_refused", "filter_not_allowed", "time_over"]) {
    assert.doesNotMatch(said("en", { code, status: 403 }), /does not accept this token/);
  }
});

test("what only the server knows is passed on as it says it", () => {
  assert.match(said("ja", { code: "of_a_newer_server", status: 500 }), /said in English/);
});

test("causes are joined, and one that is not known is its detail", () => {
  const trouble = { code: "reduced", text: "", detail: "in English", remedy: "" };
  const words = (/** @type {string} */ cause) => language.ja.say(troubleWords({ ...trouble, cause }));
  assert.match(words("graphs,runtime"), /CUDA グラフ、LiteRT/);
  assert.doesNotMatch(words("graphs,runtime"), /English/);
  assert.match(words("of_a_newer_worker"), /in English/);
  assert.match(words(""), /in English/);
});

test("one package is told from several", () => {
  const trouble = { code: "needs_package", text: "", cause: "", remedy: "pip install" };
  const words = (/** @type {string} */ detail) => language.en.say(troubleWords({ ...trouble, detail }));
  assert.match(words("torchvision"), /^Needs the package torchvision\./);
  assert.match(words("detectron2, densepose"), /^Needs the packages detectron2, densepose\./);
});
