/**
 * Changes the filter by the data channel, or by HTTP where the change is too long for a message.
 */

import { jsonText } from "../../shared/json.js";

/**
 * @import { Control } from "./control.js"
 * @import { Applied } from "./signaling.js"
 */

/** The server takes messages of 65,536 characters. */
const MAX_CONTROL_CHARACTERS = 60_000;

export class FilterChanges {
  #control;
  #post;
  /** Settled when the last change has been answered. @type {Promise<unknown>} */
  #changed = Promise.resolve();
  /** Changes by HTTP that are not answered yet, and those that wait for one. */
  #longChanges = 0;

  /** @param {Control} control @param {(body: string) => Promise<Applied>} post sends a change by HTTP */
  constructor(control, post) {
    this.#control = control;
    this.#post = post;
  }

  /** @param {string | string[]} name @param {object} params @returns {Promise<Applied>} @throws {Fault} */
  async make(name, params) {
    const control = this.#control;
    const body = jsonText({ filter: name, params });
    const isLong = body.length > MAX_CONTROL_CHARACTERS;
    if (!isLong && this.#longChanges === 0) {
      const change = control.changeFilter(name, params);
      this.#changed = change.catch(() => {});
      return change;
    }
    // One after another: the two ways do not know of each other, and the last wish has to arrive last.
    this.#longChanges += 1;
    const change = this.#changed.then(() => (isLong ? this.#post(body) : control.changeFilter(name, params)));
    this.#changed = change
      .catch(() => {})
      .finally(() => {
        this.#longChanges -= 1;
      });
    return change;
  }
}
