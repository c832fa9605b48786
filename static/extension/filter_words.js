/**
 * The words of filters in the extension's own pages: titles, what they do, why one cannot run, what has failed.
 */

import { faultWords, isOfTheToken } from "./shared/fault_words.js";
import { Language, phrase } from "./shared/language.js";
import english from "./shared/text/en.js";
import japanese from "./shared/text/ja.js";
import { troubleOf, troubleWords } from "./shared/trouble.js";
import { say } from "./words.js";

/** @typedef {import("./server.js").ServedFilter} ServedFilter */

export const language = new Language({ en: english, ja: japanese }, say("language") === "ja" ? "ja" : "en");

/** @param {Pick<ServedFilter, 'name' | 'title'>} filter @returns {string} */
export function titleOf({ name, title }) {
  return language.say(phrase(`filter.${name}.title`, {}, title || name));
}

/** @param {ServedFilter} filter @returns {string} */
export function descriptionOf({ name, description }) {
  return language.say(phrase(`filter.${name}.description`, {}, description));
}

/** @param {ServedFilter} filter @returns {string} what is in its way; empty where nothing is */
export function whyNot(filter) {
  const trouble = troubleOf(filter);
  return trouble ? language.say(troubleWords(trouble, filter.size_bytes)) : "";
}

/** @param {import('./shared/trouble.js').Trouble & {filter: string}} trouble of a fault or of statistics */
export function sayTrouble(trouble) {
  return say("cannotRun", titleOf({ name: trouble.filter, title: "" }), language.say(troubleWords(trouble)));
}

/**
 * @param {import('./shared/fault_words.js').Told} fault of the server, or of the way to it
 * @returns {string} what happened, and what to do
 */
export function sayFault(fault) {
  const { code, status } = fault;
  if (isOfTheToken(fault)) return say(status === 401 ? "tokenNeeded" : "tokenRefused");
  if (code === "unreachable") return say("unreachable");
  if (code === "no_media_path" || code === "timeout") return say("noMediaPath");
  if (code === "bad_answer") return say("notAServer");
  if (code === "no_worker") return say("noWorker");
  return say("refused", language.say(faultWords(fault)));
}
