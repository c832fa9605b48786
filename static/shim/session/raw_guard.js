/**
 * Keeps the raw camera out of the page's tracks where the outage policy is `closed`.
 */

import { pause } from "../base/pause.js";
import { FILTERS_TIMEOUT_MS } from "../connection/signaling.js";

/**
 * @import { SignalingCalls } from "../connection/signaling.js"
 * @import { Picture } from "../picture/picture.js"
 * @import { Settings } from "../settings/settings.js"
 * @import { Choices } from "./choices.js"
 * @import { PrivateFilters } from "./private_filters.js"
 */

export class RawGuard {
  #settings;
  #choices;
  #privateFilters;
  #signaling;
  /** @type {Picture | null} */
  #picture = null;
  /** Settled when the server has told what is private, where that decides what is shown. */
  areFiltersKnown = Promise.resolve();

  /**
   * @param {Settings} settings of the session
   * @param {Choices} choices of the session
   * @param {PrivateFilters} privateFilters
   * @param {SignalingCalls} signaling
   */
  constructor(settings, choices, privateFilters, signaling) {
    this.#settings = settings;
    this.#choices = choices;
    this.#privateFilters = privateFilters;
    this.#signaling = signaling;
  }

  /** Asks the server what is private, where that decides what is shown. */
  begin() {
    if (this.#settings.outage === "open") this.#learn();
  }

  /** @param {Picture | null} picture that is guarded from now on */
  guard(picture) {
    this.#picture = picture;
  }

  /** @param {'closed' | 'open'} outage that is wanted */
  setOutage(outage) {
    this.#settings.outage = outage;
    if (outage === "open") this.#learn();
    this.obey();
  }

  /** Hides the raw camera where it may not show, as after every change of filter or policy. */
  obey() {
    const picture = this.#picture;
    if (this.#choices.outage !== "closed" || !picture) return;
    if (picture.isRaw && this.#settings.outage === "open") picture.cover();
    else picture.hideRaw();
  }

  /**
   * Hides what shows before a change to a private filter, where the server cannot make it at once.
   * @param {string | string[]} filter
   */
  coverFor(filter) {
    if (!this.#choices.isPrivate && this.#privateFilters.includes(filter)) this.#picture?.cover();
  }

  /** Covers the picture until another choice is accepted. */
  hold() {
    this.#picture?.hold();
  }

  release() {
    this.#picture?.release();
  }

  /**
   * Returns when the page is shown nothing older than a private filter's first frame.
   * @param {number | null} first RTP timestamp of that frame
   */
  async showFrom(first) {
    await this.#picture?.showFrom(first);
  }

  #learn() {
    const told = this.#signaling.privateFilters().then(
      (filters) => {
        for (const filter of filters) this.#privateFilters.add(filter);
        this.obey();
      },
      () => {},
    );
    this.areFiltersKnown = Promise.race([told, pause(FILTERS_TIMEOUT_MS)]);
  }
}
