/**
 * The doctor's findings as a list that fills while it works.
 */

import { Doctor, STEPS } from "./doctor.js";
import { phrase } from "../shared/language.js";

/**
 * @typedef {import('./doctor.js').StepName} StepName
 * @typedef {import('./doctor.js').Finding} Finding
 * @typedef {{list: HTMLElement, outcome: HTMLElement, run: HTMLButtonElement, copy: HTMLButtonElement}} Places
 */

const SIGNS = { ok: "✓", fail: "✕", note: "i", skip: "–", wait: "", busy: "…" };

export class DoctorPanel {
  #places;
  #language;
  #patient;
  /** @type {Map<StepName, HTMLElement>} */
  #items = new Map();

  /**
   * @param {Places} places @param {import('./language.js').PageLanguage} language
   * @param {() => import('./doctor.js').Patient} patient
   * @param {() => void} onCopied
   */
  constructor(places, language, patient, onCopied) {
    this.#places = places;
    this.#language = language;
    this.#patient = patient;
    for (const name of STEPS) this.#items.set(name, this.#newItem(name));
    places.list.append(...this.#items.values());
    places.run.addEventListener("click", () => this.run());
    places.copy.addEventListener("click", () => navigator.clipboard.writeText(this.#report()).then(onCopied));
    places.run.disabled = false;
  }

  async run() {
    const { run, copy, outcome, list } = this.#places;
    run.disabled = true;
    list.dataset.used = "true";
    this.#language.write(outcome, phrase("doctor.running"));
    for (const name of STEPS) this.#show(name, { outcome: "wait", said: null });
    /** @type {Partial<Record<StepName, Finding>>} */
    const found = {};
    const failed = await new Doctor(this.#patient()).run((name, finding) => {
      found[name] = finding;
      this.#show(name, finding);
    });
    const advice = (failed && found[failed]?.said) ?? "";
    const said = failed
      ? phrase("doctor.ill", { step: phrase(`doctor.${failed}`), advice })
      : phrase("doctor.well");
    this.#language.write(outcome, said);
    outcome.dataset.kind = failed ? "bad" : "good";
    this.#language.write(run, phrase("doctor.again"));
    run.disabled = false;
    copy.hidden = !navigator.clipboard;
  }

  /** @param {StepName} name */
  #newItem(name) {
    const item = document.createElement("li");
    const sign = document.createElement("i");
    sign.setAttribute("aria-hidden", "true");
    const title = document.createElement("b");
    this.#language.write(title, phrase(`doctor.${name}`));
    const outcome = document.createElement("em");
    const said = document.createElement("span");
    item.append(sign, title, " ", outcome, said);
    item.dataset.step = name;
    return item;
  }

  /** @param {StepName} name @param {Finding} finding */
  #show(name, { outcome, said }) {
    const item = /** @type {HTMLElement} */ (this.#items.get(name));
    const [sign, , word, words] = /** @type {HTMLElement[]} */ ([...item.children]);
    item.dataset.outcome = outcome;
    sign.textContent = SIGNS[outcome];
    this.#language.write(word, phrase(`doctor.outcome.${outcome}`));
    this.#language.write(words, said ?? "");
  }

  /** @returns {string} a report for somebody who is asked for help */
  #report() {
    const steps = [...this.#items.values()].map(
      ({ children }) => `${children[1].textContent}: ${children[2].textContent}. ${children[3].textContent}`,
    );
    return [`p2pcamera, ${new Date().toISOString()}`, navigator.userAgent, ...steps].join("\n");
  }
}
