/**
 * All windows whose functions are replaced: the page's, and those of its frames.
 */

import { mark } from "../base/embedder.js";
import { contentWindowOf } from "../base/natives.js";
import { Place } from "./place.js";

/** @import { Page } from "./page.js" */

export class Places {
  /**
   * By an object that each window has of its own: a frame's window seems the same one when it has gone to
   * another page.
   * @type {Map<object, Place>}
   */
  #places = new Map();

  /** @returns {Iterable<Place>} */
  get all() {
    return this.#places.values();
  }

  /**
   * @param {Window & typeof globalThis} own window of the place
   * @param {Page} page that answers for it
   * @returns {Place}
   */
  install(own, page) {
    /** @type {Place} */
    const place = new Place(own, page, (frame, content) => this.#reach(place, page, frame, content));
    this.#places.set(own.MediaDevices.prototype, place);
    place.install();
    return place;
  }

  uninstall() {
    for (const place of this.#places.values()) place.uninstall();
    this.#places.clear();
  }

  /**
   * @param {Place} place @param {Page} page
   * @param {HTMLIFrameElement} frame in the place @param {Window & typeof globalThis} content of the frame
   */
  #reach(place, page, frame, content) {
    const key = content.MediaDevices.prototype;
    if (!this.#places.has(key)) {
      // A script of its own came first.
      if (mark in content) return;
      const theirs = this.install(content, page);
      content.addEventListener("pagehide", () => {
        page.leave(theirs);
        // The next page's window is there in the next task, in which none of its scripts has run yet.
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          port1.close();
          if (contentWindowOf.call(frame)?.MediaDevices?.prototype !== key) this.#places.delete(key);
          place.reach(frame);
        };
        port2.postMessage(null);
      });
    }
    this.#places.get(key)?.watch(content.document);
  }
}
