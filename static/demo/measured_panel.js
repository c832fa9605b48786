/**
 * Figures, stages and plot of a call, and the plot's description for screen readers.
 */

import { LatencyPlot } from "./latency_plot.js";
import { phrase } from "../shared/language.js";
import { STAGES } from "../shared/latency.js";
import { Measurement } from "./measurements.js";

/** @import { P2PCameraSession, P2PCameraStats } from "../p2pcamera.js" */

/**
 * @typedef {import('./measurements.js').Measured} Measured
 * @typedef {import('../shared/latency.js').Stage} Stage
 * @typedef {{total: HTMLElement, figures: HTMLElement, stages: HTMLElement, plot: HTMLCanvasElement}} Places
 */

const NOTHING = "–";
const FIGURES = ["fps", "freezes", "worker", "size", "bitrate", "codec"];

export class MeasuredPanel {
  #places;
  #language;
  #plot;
  /** @type {Measurement | null} */
  #measurement = null;
  /** @type {Map<string, HTMLElement>} by the figure or stage */
  #values = new Map();

  /** @param {Places} places @param {import('./language.js').PageLanguage} language */
  constructor(places, language) {
    this.#places = places;
    this.#language = language;
    places.figures.append(...FIGURES.map((name) => this.#newFigure(name)));
    const items = new Map(STAGES.map((name) => [name, this.#newStage(name)]));
    places.stages.append(...items.values());
    this.#plot = new LatencyPlot(
      places.plot,
      (name) => getComputedStyle(/** @type {Element} */ (items.get(name))).borderTopColor,
    );
    this.#show(null);
  }

  /** @param {P2PCameraSession} session @param {HTMLVideoElement} video that shows its picture */
  begin(session, video) {
    this.end();
    this.#measurement = new Measurement(session, video);
  }

  /** To be called once a second. @param {P2PCameraStats} stats */
  async take(stats) {
    const measurement = this.#measurement;
    if (!measurement) return;
    // Without a connection there is nothing to measure.
    const measured = await measurement.take(stats).catch(() => null);
    if (measurement !== this.#measurement) return;
    this.#show(measured);
    this.#plot.add(measured && measured.total_ms !== null ? measured.stages : null);
  }

  /** Notes a second without a message of the server. */
  miss() {
    if (this.#measurement) this.#plot.add(null);
  }

  end() {
    this.#measurement?.close();
    this.#measurement = null;
    this.#plot.clear();
    this.#show(null);
  }

  /** To be called after a change of colours. */
  redraw() {
    this.#plot.draw();
  }

  /** @param {Measured | null} measured */
  #show(measured) {
    const { total, plot } = this.#places;
    const total_ms = measured?.total_ms ?? null;
    total.textContent = total_ms === null ? NOTHING : `${Math.round(total_ms)} ms`;
    for (const name of STAGES) {
      const stage = measured?.stages.find((one) => one.name === name);
      this.#set(name, stage && stage.value_ms !== null ? spoken(stage) : NOTHING);
    }
    const { fps, freezes, worker, size, megabitsUp, megabitsDown, codec } = measured ?? {};
    this.#set("fps", fps?.toFixed(1) ?? NOTHING);
    this.#set("freezes", String(freezes ?? NOTHING));
    this.#set("worker", worker || NOTHING);
    this.#set("size", size || NOTHING);
    this.#set("bitrate", [megabitsUp, megabitsDown].map((one) => one?.toFixed(2) ?? NOTHING).join(" / "));
    this.#set("codec", codec || NOTHING);
    if (measured && total_ms !== null) this.#describe(plot, measured.stages, total_ms);
    else this.#language.label(plot, phrase("measured.plot"));
  }

  /** @param {HTMLCanvasElement} plot @param {Stage[]} stages @param {number} total_ms */
  #describe(plot, stages, total_ms) {
    const most = stages.reduce((one, other) => ((other.value_ms ?? 0) > (one.value_ms ?? 0) ? other : one));
    const values = {
      total: Math.round(total_ms),
      stage: phrase(`stage.${most.name}`),
      most: Math.round(most.value_ms ?? 0),
    };
    this.#language.label(plot, phrase("measured.plot-now", values));
  }

  /** @param {string} name @param {string} value */
  #set(name, value) {
    const place = /** @type {HTMLElement} */ (this.#values.get(name));
    place.textContent = value;
  }

  /** @param {string} name */
  #newFigure(name) {
    const group = document.createElement("div");
    const term = document.createElement("dt");
    this.#language.write(term, phrase(`figure.${name}`));
    const value = document.createElement("dd");
    value.id = `figure-${name}`;
    this.#values.set(name, value);
    group.append(term, value);
    return group;
  }

  /** @param {import('../shared/latency.js').StageName} name */
  #newStage(name) {
    const item = document.createElement("li");
    item.dataset.stage = name;
    const title = document.createElement("b");
    this.#language.write(title, phrase(`stage.${name}`));
    const value = document.createElement("span");
    value.className = "value";
    const what = document.createElement("small");
    this.#language.write(what, phrase(`stage.${name}.what`));
    this.#values.set(name, value);
    item.append(title, value, what);
    return item;
  }
}

/** @param {Stage} stage with a value */
function spoken({ value_ms, isEstimate }) {
  return `${isEstimate ? "≈ " : ""}${value_ms?.toFixed(1)} ms`;
}
