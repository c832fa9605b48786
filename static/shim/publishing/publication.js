/**
 * What one session publishes: what the page wants, what the server has granted, who watches.
 */

import { Fault } from "../base/fault.js";

/**
 * @import { P2PCameraPublication } from "../api.js"
 * @import { PublishWish, Settings } from "../settings/settings.js"
 * @import { Microphones } from "./microphones.js"
 *
 * What an offer says of it. `takesOver`: whether in the place of another publisher.
 * @typedef {{name: string | true, publisher: string, takesOver: boolean}} AskedToPublish
 */

/** Refusals that keep the picture from others, and not from the page. */
const OF_PUBLISHING = new Set(["stream_forbidden", "stream_taken", "taken_over"]);
const PUBLISHER_BYTES = 16;

export class Publication {
  #settings;
  #microphones;
  #changed;
  /** @type {PublishWish | null} */
  #wish = null;
  /** @type {P2PCameraPublication | null} */
  #told = null;
  /** Why nothing is published any more. @type {Fault | null} */
  fault = null;
  /** By this the server knows the publisher again after an outage. */
  #publisher = "";
  /** Whether the connection has a section for sound. */
  #isHeard = false;

  /**
   * @param {Settings} settings of the session
   * @param {Microphones} microphones of the page
   * @param {(publication: P2PCameraPublication | null, fault: Fault | null) => void} changed
   */
  constructor(settings, microphones, changed) {
    this.#settings = settings;
    this.#microphones = microphones;
    this.#changed = changed;
  }

  /** What the page is told; null while nothing is published. */
  get told() {
    return this.#told;
  }
  get isWanted() {
    return this.#wish !== null;
  }
  /** @returns {AskedToPublish | null} for an offer or a change */
  get asked() {
    if (this.#wish === null) return null;
    // Somebody else may publish under the name after an outage, and then goes on.
    return { name: this.#wish.name, publisher: this.#publisher, takesOver: this.#told === null };
  }
  /** What is to be sent besides the picture: the page mutes it as it mutes its microphone. */
  get sound() {
    return this.#wish?.sound ? this.#microphones.current : null;
  }

  /** @param {PublishWish} wish another name than the one before begins anew */
  want({ name, sound }) {
    const before = this.#wish;
    const isSame = before !== null && (name === true || name === before.name);
    this.#wish = { name: isSame ? before.name : name, sound };
    this.fault = null;
    if (isSame) return;
    this.#told = null;
    const bytes = crypto.getRandomValues(new Uint8Array(PUBLISHER_BYTES));
    this.#publisher = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** Notes that the server publishes. @param {string} name @param {boolean} isHeard whether the sound is sent too */
  grant(name, isHeard) {
    const wish = this.#wish;
    if (wish === null || (wish.name !== true && wish.name !== name)) return;
    this.#wish = { ...wish, name };
    this.#isHeard = isHeard;
    this.#tell(name, this.#told?.viewers ?? 0);
  }

  /** Publishes no longer. @param {Fault | null} fault null: the page wants it so */
  drop(fault) {
    if (this.#wish === null) return;
    this.#wish = this.#told = null;
    this.fault = fault;
    this.#changed(null, fault);
  }

  /** @param {unknown} fault of an offer @returns {boolean} whether it is of publishing alone, which is given up then */
  isRefusedBy(fault) {
    if (this.#wish === null || !(fault instanceof Fault) || !OF_PUBLISHING.has(fault.code)) return false;
    this.drop(fault);
    return true;
  }

  /** @param {{publish?: string, viewers?: number}} stats of the server */
  noteStats({ publish: name, viewers = 0 }) {
    if (name !== undefined && name === this.#told?.name) this.#tell(name, viewers);
  }

  /** @param {string} name @param {number} viewers */
  #tell(name, viewers) {
    const sound = this.#isHeard && this.sound !== null;
    const told = this.#told;
    if (told?.name === name && told.viewers === viewers && told.sound === sound) return;
    const watchUrl = new URL(`watch/${name}`, this.#settings.server).href;
    this.#told = Object.freeze({ name, watchUrl, viewers, sound });
    this.#changed(this.#told, null);
  }
}
