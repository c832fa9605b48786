/**
 * What a session's server sends unasked: measurements, progress, and choices that it has taken back.
 */

import { faultFromError } from "../base/fault.js";

/**
 * @import { P2PCameraStats } from "../api.js"
 * @import { Publication } from "../publishing/publication.js"
 * @import { PublishSwitch } from "../publishing/publish_switch.js"
 * @import { Choices } from "./choices.js"
 * @import { RawGuard } from "./raw_guard.js"
 */

export class ServerMessages {
  #choices;
  #guard;
  #publication;
  #publishing;
  #notify;
  /** The newest. @type {P2PCameraStats | null} */
  #stats = null;

  /**
   * @param {Choices} choices
   * @param {RawGuard} guard
   * @param {Publication} publication
   * @param {PublishSwitch} publishing
   * @param {(type: string, detail: object) => void} notify the page
   */
  constructor(choices, guard, publication, publishing, notify) {
    this.#choices = choices;
    this.#guard = guard;
    this.#publication = publication;
    this.#publishing = publishing;
    this.#notify = notify;
  }

  get stats() {
    return this.#stats;
  }

  /** @param {any} message of the control channel */
  receive(message) {
    if (message.type === "stats") {
      this.#noteStats(message);
    } else if (message.type === "progress") {
      const { filter, text, fraction } = message;
      this.#notify("progress", { filter, text, fraction });
    } else if (message.type === "error" && message.of === "publication") {
      this.#publishing.noteTakenOver(faultFromError(message.error));
    } else if (message.type === "error") {
      const choice = message.filter ? this.#choices.noteGoneBack(message) : null;
      this.#guard.obey();
      this.#notify("fault", { fault: faultFromError(message.error), ...choice });
    }
  }

  /** @param {any} message */
  #noteStats(message) {
    this.#stats = Object.freeze(message);
    if (typeof message.private === "boolean" && message.private !== this.#choices.isPrivate) {
      this.#choices.notePrivate(message.private);
      this.#guard.obey();
    }
    this.#publication.noteStats(message);
    this.#publishing.followMicrophone();
    this.#notify("stats", { stats: this.#stats });
  }
}
