/**
 * The data channel `control`. The server answers changes of filter in the order in which they were sent.
 */

import { isObject, jsonText, parsedJson } from "../../shared/json.js";
import { Fault, faultFromError } from "../base/fault.js";
import { applied } from "./signaling.js";

/** @import { Applied } from "./signaling.js" */

export class Control {
  #channel;
  #notify;
  /** @type {string[]} */
  #unsent = [];
  /** @type {((outcome: any) => void)[]} */
  #changes = [];
  /** @type {Map<string, (outcome: null | Fault) => void>} */
  #pings = new Map();
  #pingCount = 0;
  heardAt_ms = performance.now();

  /**
   * @param {RTCDataChannel} channel
   * @param {(message: any) => void} notify takes what nobody asked for: stats, progress, errors of a worker
   */
  constructor(channel, notify) {
    this.#channel = channel;
    this.#notify = notify;
    channel.addEventListener("open", () => {
      for (const text of this.#unsent.splice(0)) channel.send(text);
    });
    channel.addEventListener("message", ({ data }) => this.#receive(data));
  }

  /** @param {string | string[]} name @param {object} params @returns {Promise<Applied>} @throws {Fault} */
  async changeFilter(name, params) {
    return applied(await this.#change({ name, params }));
  }

  /** @param {'closed' | 'open'} outage @throws {Fault} */
  async changeOutage(outage) {
    await this.#change({ outage });
  }

  /** @returns {Promise<number>} the round trip in milliseconds @throws {Fault} */
  async ping() {
    this.#pingCount += 1;
    const key = ` ${this.#pingCount}`;
    const sentAt_ms = performance.now();
    const outcome = await new Promise((resolve) => {
      this.#pings.set(key, resolve);
      this.#send(`ping${key}`);
    });
    if (outcome instanceof Fault) throw outcome;
    return performance.now() - sentAt_ms;
  }

  /** Asks for a message of any kind: `heardAt_ms` then tells whether the server is there. */
  askForWord() {
    if (this.#channel.readyState === "open") this.#channel.send("ping");
  }

  /** @param {Fault} fault for all who still wait */
  close(fault) {
    this.#channel.close();
    for (const settle of [...this.#changes.splice(0), ...this.#pings.values()]) settle(fault);
    this.#pings.clear();
  }

  /** @param {object} wanted @returns {Promise<any>} the server's answer @throws {Fault} */
  async #change(wanted) {
    const outcome = await new Promise((resolve) => {
      this.#changes.push(resolve);
      this.#send(jsonText({ type: "filter", ...wanted }));
    });
    if (outcome instanceof Fault) throw outcome;
    return outcome;
  }

  /** @param {string} text */
  #send(text) {
    if (this.#channel.readyState === "open") this.#channel.send(text);
    else this.#unsent.push(text);
  }

  /** @param {unknown} text */
  #receive(text) {
    this.heardAt_ms = performance.now();
    if (typeof text !== "string") return;
    if (text.startsWith("pong")) {
      const key = text.slice("pong".length);
      this.#pings.get(key)?.(null);
      this.#pings.delete(key);
      return;
    }
    const message = parsedJson(text);
    if (message?.type === "filter") this.#changes.shift()?.(message);
    else if (message?.type === "error" && !message.of && this.#changes.length > 0) {
      this.#changes.shift()?.(faultFromError(message.error));
    } else if (isObject(message)) this.#notify(message);
  }
}
