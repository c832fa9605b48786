/**
 * Tells the page how good each session's picture is: once a second, and when a session's state changes.
 */

import { embedder } from "../base/embedder.js";
import { countsOf, judged } from "./quality.js";

/** @import { P2PCameraQuality, P2PCameraSession } from "../api.js" */
/** @import { Counts } from "./quality.js" */

export class QualityNews {
  #tell;
  /** @type {WeakMap<P2PCameraSession, Counts>} */
  #counts = new WeakMap();

  /** @param {(session: P2PCameraSession, quality: P2PCameraQuality) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {P2PCameraSession} session @param {string} type of the event that tells of it */
  async note(session, type) {
    // With an extension nobody listens.
    if (embedder || (type !== "stats" && type !== "statechange")) return;
    let now = null;
    try {
      if (session.state === "live") now = countsOf(/** @type {any} */ (await session.getStats()));
    } catch {
      // The connection has ended meanwhile.
    }
    const before = this.#counts.get(session) ?? null;
    // A new connection counts anew.
    const isSame = before !== null && now !== null && before.received <= now.received;
    if (now) this.#counts.set(session, now);
    this.#tell(session, judged(session.state, session.stats, now, isSame ? before : null));
  }
}
