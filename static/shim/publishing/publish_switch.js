/**
 * Begins to publish and ends it, whatever state the session's connection is in.
 */

import { Fault } from "../base/fault.js";

/**
 * @import { P2PCameraPublication } from "../api.js"
 * @import { KeptConnection } from "../connection/kept_connection.js"
 * @import { Connection } from "../connection/link.js"
 * @import { PublishWish } from "../settings/settings.js"
 * @import { Publication } from "./publication.js"
 */

export class PublishSwitch {
  #publication;
  #connection;
  #opened;
  /** What the connection sends now. @type {MediaStreamTrack | null} */
  #sent = null;
  /** Grows with each wish: the last one holds. */
  #wishes = 0;

  /**
   * @param {Publication} publication
   * @param {KeptConnection} connection
   * @param {() => Promise<void>} opened returns when there is a first connection; throws where the session has ended
   */
  constructor(publication, connection, opened) {
    this.#publication = publication;
    this.#connection = connection;
    this.#opened = opened;
  }

  /**
   * Returns when others can watch.
   * @param {PublishWish} wish @returns {Promise<P2PCameraPublication>} @throws {Fault}
   */
  async to(wish) {
    const publication = this.#publication;
    const number = ++this.#wishes;
    publication.want(wish);
    await this.#connected();
    if (number === this.#wishes && publication.isWanted && publication.told === null) await this.#change();
    if (number === this.#wishes) await this.#sendSound();
    if (number !== this.#wishes || publication.told === null) {
      throw publication.fault ?? new Fault("closed", "the page has asked for something else since");
    }
    return publication.told;
  }

  /** Sends the microphone that the page has now, where it publishes one. */
  followMicrophone() {
    this.#sendSound().catch((error) => console.warn(`p2pcamera: ${error.message}`));
  }

  /** Sends the sound that is wanted now. Only an offer can bring it, so the first one takes a new connection. */
  async #sendSound() {
    const publication = this.#publication;
    const { link, state } = this.#connection;
    if (publication.told === null || state !== "live" || !link?.sendSound) return;
    const { sound, told } = publication;
    if (sound === this.#sent) return;
    this.#sent = sound;
    if (link.sendSound(sound)) return publication.grant(told.name, sound !== null);
    if (this.#connection.renew()) await this.#connected();
  }

  /** Publishes no longer. Where the server cannot be told, the next connection does not ask for it. */
  async end() {
    this.#wishes += 1;
    this.#publication.drop(null);
    const { link } = this.#connection;
    this.#quiet();
    await this.#stop(link);
  }

  /** Takes note of what a new connection publishes. @param {Connection} link */
  noteOpened(link) {
    this.#sent = link.sound ?? null;
    if (!link.published) return;
    if (this.#publication.isWanted) this.#publication.grant(link.published, link.sendsSound === true);
    else this.end();
  }

  /** Another one publishes under the name. @param {Fault} fault */
  noteTakenOver(fault) {
    this.#quiet();
    this.#publication.drop(fault);
  }

  /** @param {Connection | null} link */
  async #stop(link) {
    if (link?.id) await link.publish?.(null).catch(() => {});
  }

  #quiet() {
    this.#connection.link?.sendSound?.(null);
    this.#sent = null;
  }

  /** @throws {Fault} */
  async #connected() {
    await this.#opened();
    if (this.#connection.state === "reconnecting") await this.#connection.outageEnded();
  }

  /** @throws {Fault} */
  async #change() {
    const publication = this.#publication;
    const { link } = this.#connection;
    const { asked } = publication;
    const number = this.#wishes;
    if (!link?.publish || !asked) throw new Fault("bad_settings", "this page cannot publish");
    try {
      publication.grant(await link.publish(asked), false);
      // Two calls may have changed places on their way.
      if (!publication.isWanted) await this.#stop(link);
    } catch (error) {
      const fault = /** @type {Fault} */ (error);
      const isElsewhere = fault.code === "stream_elsewhere" && this.#connection.renew();
      // A name of another of the server's processes takes a new offer, and so does a connection that was lost.
      if (isElsewhere || fault.code === "connection_lost") return this.#connected();
      if (number === this.#wishes) {
        publication.drop(fault);
        // An answer that is late may yet be a yes, and of two names the one before still holds.
        await this.#stop(link);
      }
      throw fault;
    }
  }
}
