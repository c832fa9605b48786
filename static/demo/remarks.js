/**
 * What filters say of the picture, in words for the person in front of it.
 */

import { phrase } from "../shared/language.js";

/**
 * @import { P2PCameraStats } from "../p2pcamera.js"
 * @typedef {import('../shared/language.js').Phrase} Phrase
 */

/** A remark that has lasted for so long is shown: a little less than the time between two statistics. */
const LASTS_MS = 900;
const ALL = "all_covered";

/** The words' keys after `remark.`: what the filter does about it, and the filter's label. */
const KNOWN = new Set([
  "covered.no_face",
  "covered.too_many_faces",
  "covered.too_flat",
  "covered.unsure",
  "face.no_face",
  "animal.no_face",
  "background.no_person",
  "frame.no_person",
  "pose.no_person",
  "pose.most_people",
  "animal.most_faces",
  "makeup.no_face",
  "makeup.most_faces",
]);

/** @param {Pick<P2PCameraStats, "filters" | "remarks">} stats @returns {string} of the first filter's words; empty: none */
function keyOf({ filters, remarks = {} }) {
  for (const filter of filters) {
    const labels = remarks[filter] ?? [];
    const about = labels.includes(ALL) ? "covered" : filter;
    const label = labels.find((one) => KNOWN.has(`${about}.${one}`));
    if (label) return `remark.${about}.${label}`;
  }
  return "";
}

/** Leaves out what passes within a second. */
export class Remarks {
  #key = "";
  #since_ms = 0;

  /** @param {Pick<P2PCameraStats, "filters" | "remarks">} stats @param {number} now_ms @returns {Phrase | null} */
  of(stats, now_ms) {
    const key = keyOf(stats);
    if (key !== this.#key) {
      this.#key = key;
      this.#since_ms = now_ms;
    }
    return key !== "" && now_ms - this.#since_ms >= LASTS_MS ? phrase(key) : null;
  }
}
