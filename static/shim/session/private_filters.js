/**
 * Which filters hide what the camera sees.
 */

import { asList, jsonText } from "../../shared/json.js";

/**
 * The private filters of this project, known before a server tells them. A test compares them with the
 * filters' registry in Python.
 */
export const PRIVATE_FILTERS = Object.freeze(["background", "face"]);

export class PrivateFilters {
  #names = new Set(PRIVATE_FILTERS);
  /** Lists of filters, as they were asked for. @type {Set<string>} */
  #choices = new Set();

  /** @param {string | string[] | null} filter null: the server's default @returns {boolean} */
  includes(filter) {
    const names = asList(filter);
    return names.some((name) => this.#names.has(name)) || this.#choices.has(jsonText(filter));
  }

  /** @param {string | string[] | null} filter that the server has called private */
  add(filter) {
    if (typeof filter === "string") this.#names.add(filter);
    else this.#choices.add(jsonText(filter));
  }
}

/** The page has one set, since a filter stays private in all of its sessions. */
export const privateFilters = new PrivateFilters();
