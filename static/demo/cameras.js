/**
 * Which camera: a list where there are several, and a button for front or back on a phone.
 */

import { phrase } from "../shared/language.js";

/** The end of a filtered camera's label, where the shim lists it beside the real one. */
const FILTERED = " (filtered)";
const STORED = "camera";

export class Cameras {
  #panel;
  #select;
  #turn;
  #language;
  /** @type {'user' | 'environment' | null} null: the list decides */
  #facing = null;
  /** By id of a filtered camera: the id of the device behind it. @type {Map<string, string>} */
  #real = new Map();

  /**
   * @param {{panel: HTMLElement, select: HTMLSelectElement, turn: HTMLButtonElement}} places
   * @param {import('./language.js').PageLanguage} language
   * @param {() => void} onChoice by the user
   */
  constructor({ panel, select, turn }, language, onChoice) {
    this.#panel = panel;
    this.#select = select;
    this.#turn = turn;
    this.#language = language;
    select.addEventListener("change", () => {
      this.#facing = null;
      localStorage.setItem(STORED, select.value);
      onChoice();
    });
    turn.addEventListener("click", () => {
      this.#facing = this.#facing === "environment" ? "user" : "environment";
      onChoice();
    });
    navigator.mediaDevices.addEventListener("devicechange", () => this.refresh());
  }

  /** @param {boolean} isFiltered whether the shim answers the call @returns {MediaTrackConstraints} */
  constraints(isFiltered) {
    if (this.#facing) return { facingMode: { ideal: this.#facing } };
    const { value } = this.#select;
    const exact = isFiltered ? value : (this.#real.get(value) ?? value);
    // `ideal` weighs no more than a wish for a size.
    return exact ? { deviceId: { exact } } : {};
  }

  /** @returns {boolean} whether the camera looks at the user, as far as the page knows */
  get isOfTheUser() {
    return this.#facing !== "environment";
  }

  /** Fills the list. The names are known only after the user has allowed a camera. */
  async refresh() {
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const cameras = devices.filter(({ kind }) => kind === "videoinput");
    const filtered = cameras.filter(({ label }) => label.endsWith(FILTERED));
    const shown = filtered.length > 0 ? filtered : cameras;
    const idOf = new Map(cameras.map(({ label, deviceId }) => [label, deviceId]));
    this.#real = new Map(
      filtered.map(({ label, deviceId }) => [deviceId, idOf.get(label.slice(0, -FILTERED.length)) ?? ""]),
    );
    const isKnown = shown.length > 1 && shown.every(({ deviceId }) => deviceId !== "");
    this.#panel.hidden = !isKnown;
    this.#turn.hidden = shown.length < 2 || !matchMedia("(pointer: coarse)").matches;
    if (!isKnown) return;
    const chosen = this.#select.value || localStorage.getItem(STORED);
    const any = new Option("", "");
    this.#language.write(any, phrase("camera.any"));
    const options = shown.map(({ deviceId, label }, index) => {
      const option = new Option(label, deviceId, false, deviceId === chosen);
      if (!label) this.#language.write(option, phrase("camera.nameless", { number: index + 1 }));
      return option;
    });
    this.#select.replaceChildren(any, ...options);
  }
}
