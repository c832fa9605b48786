/**
 * Finds the frames of a document, before what they load can call for a camera.
 *
 * A frame is empty at first and keeps its window for the first page that it loads. Later pages bring new
 * windows.
 */

import { contentWindowOf } from "../base/natives.js";

export class FrameWatch {
  #reached;
  #observer = new MutationObserver(() => this.#reachAll());
  /** Where it looks. @type {Document | null} */
  #document = null;
  /** @type {WeakSet<HTMLIFrameElement>} */
  #known = new WeakSet();

  /**
   * @param {(frame: HTMLIFrameElement, content: Window & typeof globalThis) => void} reached of the page's
   *   own origin
   */
  constructor(reached) {
    this.#reached = reached;
  }

  /** @param {Document} document another one once the first empty one of a frame is replaced */
  watch(document) {
    if (this.#document === document) return;
    this.#document = document;
    this.#observer.observe(document, { childList: true, subtree: true });
    this.#reachAll();
  }

  stop() {
    this.#observer.disconnect();
  }

  /** To be called whenever a frame is seen. @param {HTMLIFrameElement} frame */
  reach(frame) {
    const content = contentWindowOf.call(frame);
    if (!content) return;
    if (!this.#known.has(frame)) {
      this.#known.add(frame);
      frame.addEventListener("load", () => this.reach(frame));
    }
    try {
      if (!content.navigator.mediaDevices) return;
    } catch {
      // It is of another origin.
      return;
    }
    this.#reached(frame, content);
  }

  #reachAll() {
    for (const frame of this.#document?.getElementsByTagName("iframe") ?? []) this.reach(frame);
  }
}
