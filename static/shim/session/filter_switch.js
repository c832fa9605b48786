/**
 * Changes the filter of a session, whatever state its connection is in.
 */

/**
 * @import { Fault } from "../base/fault.js"
 * @import { KeptConnection } from "../connection/kept_connection.js"
 * @import { Connection } from "../connection/link.js"
 * @import { Choices } from "./choices.js"
 * @import { RawGuard } from "./raw_guard.js"
 */

export class FilterSwitch {
  #choices;
  #connection;
  #guard;
  #requireOpen;

  /**
   * @param {Choices} choices
   * @param {KeptConnection} connection
   * @param {RawGuard} guard
   * @param {() => void} requireOpen throws where the session has ended
   */
  constructor(choices, connection, guard, requireOpen) {
    this.#choices = choices;
    this.#connection = connection;
    this.#guard = guard;
    this.#requireOpen = requireOpen;
  }

  /**
   * Returns when the server has accepted this choice, or a newer one has taken its place.
   * @param {string | string[]} name @param {object} params @throws {Fault}
   */
  async to(name, params) {
    this.#requireOpen();
    // At once, so that an offer that is made meanwhile asks for it.
    const goBack = this.#choices.want(name, params);
    this.#guard.obey();
    if (this.#connection.state === "connecting" && !this.#connection.link?.control) return;
    try {
      await this.#choose(name, params);
    } catch (fault) {
      goBack();
      throw fault;
    }
  }

  /** @param {string | string[]} name @param {object} params @throws {Fault} */
  async #choose(name, params) {
    while (this.#choices.isNewest(params)) {
      this.#requireOpen();
      if (this.#connection.state === "reconnecting") {
        this.#guard.coverFor(name);
        await this.#connection.outageEnded();
        if (this.#connection.link?.asked?.params === params) return;
      }
      try {
        const link = /** @type {Connection} */ (this.#connection.link);
        const wasPrivate = this.#choices.isPrivate;
        const applied = await link.changeFilter(name, params);
        this.#choices.noteChanged({ filter: name, params }, applied);
        this.#guard.release();
        this.#guard.obey();
        if (applied.isPrivate && !wasPrivate) await this.#guard.showFrom(applied.first);
        return;
      } catch (error) {
        if (/** @type {Fault} */ (error).code !== "connection_lost") throw error;
      }
    }
  }
}
