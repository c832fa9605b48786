/**
 * What filters tell of pictures, told to the page together with each picture.
 *
 * A message comes by a data channel, its picture by RTP: either may be the first. What belongs to a picture
 * that has been passed over is dropped.
 */

import { parsedJson } from "../../shared/json.js";

/** Messages that wait for their pictures: a second of a camera. */
const MAX_WAITING = 30;

export class PictureData {
  #tell;
  /** By RTP timestamp, oldest first. @type {Map<number, object>} */
  #waiting = new Map();
  /** Of the picture shown last; undefined where frames carry none. @type {number | undefined} */
  #shown;

  /** @param {(data: object) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {unknown} text a message of the channel `data` */
  receive(text) {
    /** @type {any} */
    const message = typeof text === "string" ? parsedJson(text) : null;
    if (message?.type !== "data") return;
    const { rtp_timestamp: rtpTimestamp, width, height, filters } = message;
    const data = { rtpTimestamp, width, height, filters };
    if (this.#shown === undefined || rtpTimestamp === this.#shown) return this.#tell(data);
    this.#waiting.set(rtpTimestamp, data);
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete([...this.#waiting.keys()][0]);
  }

  /** @param {number | undefined} rtpTimestamp of the picture that is shown now */
  note(rtpTimestamp) {
    this.#shown = rtpTimestamp;
    if (rtpTimestamp === undefined) return;
    const data = this.#waiting.get(rtpTimestamp);
    for (const timestamp of this.#waiting.keys()) {
      // Behind by less than half of all timestamps.
      if (((rtpTimestamp - timestamp) | 0) >= 0) this.#waiting.delete(timestamp);
    }
    if (data) this.#tell(data);
  }
}
