/**
 * Why there is no picture, in words for the user.
 */

import { faultWords, isOfTheToken } from "../shared/fault_words.js";
import { phrase } from "../shared/language.js";
import { troubleWords } from "../shared/trouble.js";

/** @import { P2PCameraFault, P2PCameraStats, P2PCameraTrouble } from "../p2pcamera.js" */

/** @typedef {import('../shared/language.js').Phrase} Phrase */

const OF_THE_CAMERA = [
  "NotAllowedError",
  "NotFoundError",
  "NotReadableError",
  "OverconstrainedError",
  "SecurityError",
];

/** @type {Map<string, string>} by the state in the server's stats */
const OF_THE_PICTURE = new Map([
  ["waiting", "message.first-picture"],
  ["card", "message.card"],
  ["raw", "message.raw"],
]);

/**
 * @param {Error} error of `getUserMedia`
 * @param {P2PCameraFault | null} fault of its session, if it came that far
 * @returns {Phrase}
 */
export function failureOf(error, fault) {
  if (!fault) return cameraFailure(error);
  const reason = faultWords(fault);
  if (fault.trouble) return cannotRun(fault.trouble);
  if (isOfTheToken(fault)) return tokenFailure(fault.status);
  if (fault.status === 503) return phrase("failure.full", { reason });
  if (fault.code === "unreachable") return phrase("failure.unreachable");
  if (fault.code === "no_media_path" || fault.code === "timeout") return phrase("failure.path");
  if (fault.code === "connection_lost") return phrase("failure.lost");
  return phrase("failure.refused", { reason });
}

/** @param {Error} error of `getUserMedia` without a server @returns {Phrase} */
export function cameraFailure({ name, message }) {
  if (OF_THE_CAMERA.includes(name)) return phrase(`failure.${name}`);
  return phrase("failure.camera", { reason: message });
}

/** @param {number} status 401 or 403 @returns {Phrase} */
export function tokenFailure(status) {
  return phrase(status === 401 ? "message.token-needed" : "message.token-refused");
}

/**
 * @param {P2PCameraTrouble} trouble of a filter
 * @param {Phrase} [filter] its title, where that is known
 * @returns {Phrase}
 */
export function cannotRun(trouble, filter = phrase(`filter.${trouble.filter}.title`, {}, trouble.filter)) {
  return phrase("message.cannot-run", { filter, reason: troubleWords(trouble) });
}

/** @param {Pick<P2PCameraStats, "state" | "trouble">} stats @returns {Phrase | null} null where the filter's picture is shown */
export function pictureTrouble({ state, trouble }) {
  // Without a worker that could, the picture does not return by itself.
  if (trouble && state !== "live") {
    return phrase(state === "raw" ? "message.raw-for-good" : "message.card-for-good", {
      why: cannotRun(trouble),
    });
  }
  const key = OF_THE_PICTURE.get(state);
  return key === undefined ? null : phrase(key);
}
