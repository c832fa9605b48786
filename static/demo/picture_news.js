/**
 * What is said of the returned picture, and when: "live" once a frame of the chosen filters is shown, never before.
 */

import { pictureTrouble } from "./failures.js";
import { phrase } from "../shared/language.js";
import { Remarks } from "./remarks.js";

/**
 * @import { P2PCameraStats } from "../p2pcamera.js"
 */

/**
 * A mood says how good a message is.
 * @typedef {'info' | 'wait' | 'good' | 'bad'} Mood
 */
/** @typedef {{mood: Mood, said: import('../shared/language.js').Phrase}} News */

export class PictureNews {
  /** Whether no frame of the choice that applies has come yet. */
  #isAwaited = false;
  /** Whether something else than "live" was said last. */
  #isOther = false;
  /** Whether that was a refusal. */
  #isRefusal = false;
  #remarks = new Remarks();
  /** What of the filters' remarks was said last. */
  #remarked = "";

  /** Begins with a choice that the server applies. @returns {News} */
  await() {
    this.#isAwaited = true;
    return { mood: "wait", said: phrase("message.first-picture") };
  }

  /** Notes what was said: a refusal stays until the user does something. @param {Mood} mood */
  note(mood) {
    this.#isRefusal = mood === "bad";
    if (mood === "wait") this.#isOther = true;
    else if (mood === "good") this.#isOther = false;
  }

  /**
   * @param {P2PCameraStats} stats of the choice that applies
   * @param {import('../shared/language.js').Phrase} filter its title
   * @param {number} [now_ms]
   * @returns {News | null} null where nothing new is to be said
   */
  of(stats, filter, now_ms = performance.now()) {
    const { state, trouble } = stats;
    if (state === "live") {
      const remark = this.#remarks.of(stats, now_ms);
      const isOtherRemark = (remark?.key ?? "") !== this.#remarked && !this.#isRefusal;
      if (!this.#isAwaited && !this.#isOther && !isOtherRemark) return null;
      this.#isAwaited = false;
      this.#remarked = remark?.key ?? "";
      const live = phrase("message.live", { filter });
      return { mood: "good", said: remark ? phrase("message.live-remark", { live, remark }) : live };
    }
    // Between two settings of one filter there is no picture for a moment, and nothing returns that has not been
    // there yet: what is said of its loading stays.
    const isNoNews = state === "waiting" || (state === "card" && this.#isAwaited);
    const said = pictureTrouble(stats);
    if ((isNoNews && !trouble) || said === null) return null;
    this.#isOther = true;
    return { mood: trouble ? "bad" : "wait", said };
  }
}
