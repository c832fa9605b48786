/**
 * Which filter a session wants, which one the server applies, and what follows for the outage policy.
 */

import { asList } from "../../shared/json.js";

/**
 * @import { Choice, Connection } from "../connection/link.js"
 * @import { Applied } from "../connection/signaling.js"
 * @import { Settings } from "../settings/settings.js"
 * @import { PrivateFilters } from "./private_filters.js"
 */

export class Choices {
  #settings;
  #privateFilters;
  /** What the server accepted last. @type {Choice | null} */
  #accepted = null;
  /** What it accepted before that. @type {Choice | null} */
  #acceptedBefore = null;
  /** @type {readonly string[]} */
  #filters = [];
  /** Whether the filters that apply are private, as the server says. */
  #isPrivate = false;

  /**
   * @param {Settings} settings of the session; they hold what is wanted
   * @param {PrivateFilters} privateFilters
   */
  constructor(settings, privateFilters) {
    this.#settings = settings;
    this.#privateFilters = privateFilters;
  }

  get filters() {
    return this.#filters;
  }
  get isPrivate() {
    return this.#isPrivate;
  }

  /** What holds: with a private filter, wanted or still applied, the policy is `closed`. */
  get outage() {
    const isPrivate = this.#isPrivate || this.#privateFilters.includes(this.#settings.filter);
    return isPrivate ? "closed" : this.#settings.outage;
  }

  /** @param {object} params of a choice @returns {boolean} whether no newer choice has taken its place */
  isNewest(params) {
    return this.#settings.params === params;
  }

  /** @param {Pick<Connection, 'asked'>} link @returns {boolean} whether it was opened for what is wanted now */
  isWanted({ asked }) {
    return asked?.filter === this.#settings.filter && asked.params === this.#settings.params;
  }

  /**
   * @param {string | string[]} filter @param {object} params
   * @returns {() => void} what returns to the choice before, where the server refuses this one
   */
  want(filter, params) {
    const before = { filter: this.#settings.filter, params: this.#settings.params };
    Object.assign(this.#settings, { filter, params });
    return () => {
      if (this.isNewest(params)) Object.assign(this.#settings, this.#accepted ?? before);
    };
  }

  /**
   * Gives up a choice that was made in an outage and is refused.
   * @returns {boolean} false where there is none
   */
  takeBack() {
    if (this.#accepted === null || this.isNewest(this.#accepted.params)) return false;
    Object.assign(this.#settings, this.#accepted);
    return true;
  }

  /**
   * Notes what a new connection was opened for.
   * @param {Pick<Connection, 'asked' | 'filters' | 'isPrivate'>} link
   */
  noteOpened({ asked, filters, isPrivate }) {
    this.#filters = filters;
    this.#accepted = asked;
    this.#notePrivate(asked?.filter ?? null, isPrivate);
  }

  /** Notes a change that the server has accepted. @param {Choice} choice @param {Applied} applied */
  noteChanged(choice, { filters, isPrivate }) {
    this.#filters = Object.freeze([...filters]);
    this.#acceptedBefore = this.#accepted;
    this.#accepted = choice;
    this.#notePrivate(choice.filter, isPrivate);
  }

  /**
   * Notes what the server uses after a worker has refused parameters.
   * @param {{filter: string | string[], params?: object, private?: boolean}} message of the server
   * @returns {Choice}
   */
  noteGoneBack({ filter, params, private: isPrivate }) {
    const names = asList(filter);
    // Parameters that are too long for a message are those of before.
    const known = params ?? this.#acceptedBefore?.params ?? {};
    const choice = { filter: names.length > 1 ? names : names[0], params: known };
    const isUnderWay = this.#accepted?.params !== this.#settings.params;
    if (!isUnderWay) Object.assign(this.#settings, choice);
    this.#accepted = choice;
    this.#filters = Object.freeze(names);
    this.#notePrivate(choice.filter, isPrivate === true);
    return choice;
  }

  /** Notes what the server says of the filters that apply. @param {boolean} isPrivate */
  notePrivate(isPrivate) {
    this.#isPrivate = isPrivate;
  }

  /**
   * @param {string | string[] | null} filter that applies now
   * @param {boolean} isPrivate as the server says
   */
  #notePrivate(filter, isPrivate) {
    if (isPrivate) this.#privateFilters.add(filter);
    this.#isPrivate = isPrivate;
  }
}
