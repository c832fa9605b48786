/**
 * Why there is no picture to watch, in words for a viewer.
 */

import { faultWords, isOfTheToken } from "../shared/fault_words.js";
import { phrase } from "../shared/language.js";

/** @import { Phrase } from "../shared/language.js" */
/** @import { WatchFault } from "./whep.js" */

/** @typedef {Pick<WatchFault, "status" | "code" | "message">} Refusal */

/** @param {Refusal} refusal @returns {boolean} whether a token, or another one, may help */
export function asksForToken(refusal) {
  return refusal.code === "stream_forbidden" || isOfTheToken(refusal);
}

/** @param {Refusal} refusal @returns {Phrase} */
export function refusalOf(refusal) {
  const { status, code } = refusal;
  if (asksForToken(refusal)) return phrase("watch.needs-token");
  if (status === 404) return phrase("watch.nobody");
  if (code === "too_many_viewers") return phrase("watch.full");
  if (code === "no_way") return phrase("watch.no-way");
  if (status === 0) return phrase("watch.unreachable");
  const reason = faultWords(refusal);
  return phrase(status === 503 ? "watch.away" : "watch.refused", { reason });
}
