/**
 * The stages of the last 90 seconds, stacked, with the newest at the right. A second without figures is a
 * gap.
 */

import { STAGES } from "../shared/latency.js";

/** @typedef {import('../shared/latency.js').Stage} Stage */

const SECONDS = 90;
const LINES = 4;
const LEFT = 62;
const TOP = 8;
const BOTTOM = 6;
const LEAST_TOP_MS = 40;

export class LatencyPlot {
  #canvas;
  #colourOf;
  /** @type {(Stage[] | null)[]} */
  #columns = [];

  /**
   * @param {HTMLCanvasElement} canvas whose own colour is that of words, and its border's that of lines
   * @param {(name: import('../shared/latency.js').StageName) => string} colourOf a stage, at each drawing
   */
  constructor(canvas, colourOf) {
    this.#canvas = canvas;
    this.#colourOf = colourOf;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @param {Stage[] | null} stages of one second; null: no figures */
  add(stages) {
    this.#columns = [...this.#columns, stages].slice(-SECONDS);
    this.draw();
  }

  clear() {
    this.#columns = [];
    this.draw();
  }

  /** To be called after a change of colours, too. */
  draw() {
    const canvas = this.#canvas;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(devicePixelRatio, devicePixelRatio);
    const style = getComputedStyle(canvas);
    const top_ms = niceTop(Math.max(LEAST_TOP_MS, ...this.#columns.map(total)));
    const inside = height - TOP - BOTTOM;
    this.#drawLines(context, style, width, top_ms, inside);
    const step = (width - LEFT) / SECONDS;
    const first = width - this.#columns.length * step;
    const colours = STAGES.map((name) => this.#colourOf(name));
    for (const [index, stages] of this.#columns.entries()) {
      let y = TOP + inside;
      for (const [place, name] of STAGES.entries()) {
        const value_ms = stages?.find((stage) => stage.name === name)?.value_ms ?? 0;
        const tall = (inside * value_ms) / top_ms;
        context.fillStyle = colours[place];
        context.fillRect(first + index * step, y - tall, Math.max(1, step - 1), tall);
        y -= tall;
      }
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {CSSStyleDeclaration} style
   * @param {number} width @param {number} top_ms @param {number} inside
   */
  #drawLines(context, style, width, top_ms, inside) {
    Object.assign(context, { font: `12px ${style.fontFamily}`, textAlign: "right", textBaseline: "middle" });
    for (let line = 0; line <= LINES; line++) {
      const y = Math.round(TOP + inside * (1 - line / LINES)) + 0.5;
      context.strokeStyle = style.borderTopColor;
      context.beginPath();
      context.moveTo(LEFT, y);
      context.lineTo(width, y);
      context.stroke();
      context.fillStyle = style.color;
      const value_ms = (top_ms * line) / LINES;
      context.fillText(line === LINES ? `${value_ms} ms` : String(value_ms), LEFT - 6, y);
    }
  }
}

/** @param {Stage[] | null} stages */
function total(stages) {
  return (stages ?? []).reduce((sum, { value_ms }) => sum + (value_ms ?? 0), 0);
}

/** @param {number} most_ms @returns {number} at least that, and a quarter of it is a plain number */
function niceTop(most_ms) {
  const power = 10 ** Math.floor(Math.log10(most_ms));
  return ([1, 2, 4, 6, 8, 10].find((factor) => factor * power >= most_ms) ?? 10) * power;
}
