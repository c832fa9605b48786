/**
 * What has gone wrong with the service, in words for the person in front of the page, by the fault's code.
 */

import { phrase } from "./language.js";

/**
 * @typedef {import('./language.js').Phrase} Phrase
 * @typedef {{code: string, message: string, status?: number}} Told of a fault
 */

/** The codes of faults that another token may mend. A proxy in between refuses without such a code. */
const OF_THE_TOKEN = new Set(["forbidden", "error", "bad_answer"]);

/** @param {Told} fault @returns {Phrase} the end of a sentence; of an unknown code what the server says, in English */
export function faultWords({ code, message }) {
  return phrase(`fault.${code}`, { message }, message);
}

/** @param {Told} fault @returns {boolean} whether a token is missing, or is not the right one */
export function isOfTheToken({ code, status = 0 }) {
  return status === 401 || (status === 403 && OF_THE_TOKEN.has(code));
}
