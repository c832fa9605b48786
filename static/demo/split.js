/**
 * Two pictures in one frame, with a border between them that pointer, touch or keys move. The original is at
 * the left.
 */

import { phrase } from "../shared/language.js";

const STEP = 2;
const LONG_STEP = 10;

/** @type {Record<string, (at: number) => number>} in percent from the left */
const KEYS = {
  ArrowLeft: (at) => at - STEP,
  ArrowDown: (at) => at - STEP,
  ArrowRight: (at) => at + STEP,
  ArrowUp: (at) => at + STEP,
  PageDown: (at) => at - LONG_STEP,
  PageUp: (at) => at + LONG_STEP,
  Home: () => 0,
  End: () => 100,
};

export class Split {
  #frame;
  #divider;
  #language;
  #at = 50;
  #isDragged = false;

  /**
   * @param {HTMLElement} frame of both pictures
   * @param {HTMLElement} divider a slider for who uses keys or a screen reader
   * @param {import('./language.js').PageLanguage} language
   */
  constructor(frame, divider, language) {
    this.#frame = frame;
    this.#divider = divider;
    this.#language = language;
    divider.setAttribute("aria-valuemin", "0");
    divider.setAttribute("aria-valuemax", "100");
    divider.addEventListener("keydown", (event) => this.#pressed(event));
    frame.addEventListener("pointerdown", (event) => this.#down(event));
    frame.addEventListener("pointermove", (event) => this.#isDragged && this.#follow(event));
    for (const type of ["pointerup", "pointercancel"]) {
      frame.addEventListener(type, () => {
        this.#isDragged = false;
      });
    }
    language.addEventListener("change", () => this.#show());
    this.#show();
  }

  /** @param {number} width @param {number} height of the pictures */
  setShape(width, height) {
    if (width && height) this.#frame.style.setProperty("--shape", String(width / height));
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0) return;
    this.#isDragged = true;
    this.#frame.setPointerCapture(event.pointerId);
    this.#divider.focus({ preventScroll: true });
    // Otherwise the element below would take the focus.
    event.preventDefault();
    this.#follow(event);
  }

  /** @param {PointerEvent} event */
  #follow({ clientX }) {
    const { left, width } = this.#frame.getBoundingClientRect();
    this.#move((100 * (clientX - left)) / width);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const moved = KEYS[event.key];
    if (!moved || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#move(moved(this.#at));
  }

  /** @param {number} at */
  #move(at) {
    this.#at = Math.min(100, Math.max(0, at));
    this.#show();
  }

  #show() {
    const percent = Math.round(this.#at);
    this.#frame.style.setProperty("--at", `${this.#at}%`);
    this.#divider.setAttribute("aria-valuenow", String(percent));
    this.#divider.setAttribute("aria-valuetext", this.#language.say(phrase("stage.divided", { percent })));
  }
}
