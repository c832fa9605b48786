/**
 * A call on its way to another server: a connection beside the old one, taken once it has a picture.
 */

import { Fault } from "../base/fault.js";
import { pause } from "../base/pause.js";
import { Reconnection } from "./reconnection.js";

/** @import { Connection } from "./link.js" */

/** The old connection waits so long for the first frame of the new one. */
const SWAP_TIMEOUT_MS = 2_000;

/**
 * `take` puts the link in the place of the old one. Its promise ends with the first frame of the track.
 * @typedef {object} Parts
 * @property {() => boolean} isWanted whether the old connection is still the one to leave
 * @property {(track: (track: MediaStreamTrack) => void) => Connection} newLink
 * @property {(link: Connection) => Promise<void>} open
 * @property {(link: Connection) => boolean} isUpToDate whether it was opened for what is wanted now
 * @property {(link: Connection, track: MediaStreamTrack) => Promise<unknown>} take
 */

export class Move {
  #old;
  #parts;
  /** The one that opens. @type {Connection | null} */
  #beside = null;

  /** @param {Connection} old @param {Parts} parts */
  constructor(old, parts) {
    this.#old = old;
    this.#parts = parts;
    this.reconnection = new Reconnection({
      areWanted: parts.isWanted,
      connect: () => this.#connect(),
      failed: () => {},
      takeBack: () => false,
      // The old connection ends with its server, and that is an outage like any other.
      refused: () => {},
    });
  }

  /** @param {Fault} reason */
  close(reason) {
    this.#beside?.close(reason);
  }

  /** @throws {Fault} */
  async #connect() {
    /** @type {MediaStreamTrack[]} */
    const tracks = [];
    const link = this.#parts.newLink((track) => tracks.push(track));
    this.#beside = link;
    try {
      await this.#parts.open(link);
    } finally {
      this.#beside = null;
    }
    const moved = new Fault("connection_lost", "the call has moved to another connection");
    if (!this.#parts.isWanted() || !this.#parts.isUpToDate(link)) {
      link.close(moved);
      throw moved;
    }
    await Promise.race([this.#parts.take(link, tracks[0]), pause(SWAP_TIMEOUT_MS)]);
    this.#old.close(moved);
  }
}
