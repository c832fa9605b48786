/**
 * How the tab's call is, in one word of the popup.
 */

/** @typedef {{state: string, stats?: {state: string, filters: readonly string[]} | null}} Call as a frame reports it */

/** What the site sees while no frame of the filter comes, by the state in the statistics. @type {Record<string, string>} */
export const PICTURE_WORDS = { waiting: "isWaiting", card: "isCovered", raw: "isRaw" };
/** @type {Record<string, string>} */
const STATE_WORDS = { live: "isLive", connecting: "isConnecting", idle: "isIdle" };

/**
 * @param {Call | undefined} call
 * @param {string} awaited the filter that was chosen a moment ago; empty where none was
 * @returns {string} key of the message; "live" only for a frame of that filter
 */
export function wordOf(call, awaited) {
  const { state = "idle", stats } = call ?? {};
  if (state !== "live" || !stats) return STATE_WORDS[state];
  if (stats.state !== "live") return PICTURE_WORDS[stats.state];
  const isOfBefore = awaited !== "" && stats.filters.join() !== awaited;
  return isOfBefore ? PICTURE_WORDS.waiting : STATE_WORDS.live;
}
