/**
 * The controls of one filter at a time, made from the JSON Schema of its parameters.
 *
 * A value that the schema does not allow is not sent. A value that the server refuses is taken back. The
 * field then says why, and the old value stays.
 */

import { FIELDS, optionWords } from "./controls.js";
import { phrase } from "./language.js";
import { kindOf, problemOf, resolved } from "./schema.js";

/**
 * @typedef {import('./language.js').Text} Text
 * @typedef {import('./schema.js').Schema} Schema
 * @typedef {{element: HTMLElement, title: Text, field: import('./controls.js').Field, schema: Schema,
 *   problem: HTMLElement, last: unknown, accepted: unknown}} Control `last`: allowed by the schema; `accepted`: by the server
 */

export class Parameters {
  #container;
  #language;
  #onChange;
  #prefix;
  /** @type {Map<string, Control>} */
  #controls = new Map();

  /**
   * @param {HTMLElement} container is emptied and filled
   * @param {import('./language.js').Words} language
   * @param {() => void} onChange is called at each change to allowed values
   * @param {string} [prefix] of the ids of its fields
   */
  constructor(container, language, onChange, prefix = "parameter") {
    this.#container = container;
    this.#language = language;
    this.#onChange = onChange;
    this.#prefix = prefix;
  }

  /** @returns {boolean} whether there is anything to set */
  get isEmpty() {
    return this.#controls.size === 0;
  }

  /** @returns {Record<string, unknown>} allowed by the schema, as far as that can be seen here */
  get values() {
    const entries = [...this.#controls].map(([name, { last }]) => [name, last]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** @param {string} filter @param {Schema} schema of the parameters, an object's @param {object} [values] */
  show(filter, schema, values = {}) {
    this.#controls.clear();
    for (const [name, declared] of Object.entries(schema.properties ?? {})) {
      const control = this.#control(filter, name, resolvedItems(resolved(declared, schema), schema));
      if (control) this.#controls.set(name, control);
    }
    this.#container.replaceChildren(...[...this.#controls.values()].map(({ element }) => element));
    for (const [name, value] of Object.entries(values)) {
      const control = this.#controls.get(name);
      // It may come from a link, so it may be anything.
      if (control && problemOf(value, control.schema) === null) this.#put(control, value);
    }
  }

  reset() {
    for (const control of this.#controls.values()) this.#put(control, control.schema.default ?? undefined);
    this.#onChange();
  }

  /** @param {Record<string, unknown>} values that the server has taken */
  accept(values) {
    for (const [name, control] of this.#controls) control.accepted = values[name];
  }

  /**
   * Takes a value back that the server has refused.
   * @param {string} name of the parameter @param {string} reason
   * @returns {Text | null} what the field says now; null where there is no such field
   */
  refuse(name, reason) {
    const control = this.#controls.get(name);
    if (!control) return null;
    this.#put(control, control.accepted);
    const value = this.#spoken(control.accepted, control.schema);
    const said = phrase("parameters.problem.refused", { name: control.title, reason, value });
    this.#tell(control, said);
    mark(control, false);
    return said;
  }

  /** @param {string} filter @param {string} name @param {Schema} schema @returns {Control | null} */
  #control(filter, name, schema) {
    const kind = kindOf(schema);
    if (kind === null) return null;
    const key = `filter.${filter}.${name}`;
    const title = phrase(`${key}.title`, {}, schema.title ?? name);
    const id = `${this.#prefix}-${name}`;
    const language = this.#language;
    const field = FIELDS[kind]({ id, title, schema, language });

    const label = document.createElement(kind === "choices" ? "span" : "label");
    if (label instanceof HTMLLabelElement) label.htmlFor = id;
    label.className = "name";
    language.write(label, title);

    const reset = document.createElement("button");
    reset.type = "button";
    reset.className = "reset";
    reset.textContent = "↺";
    language.label(reset, phrase("parameters.reset", { name: title }));

    const hint = document.createElement("small");
    hint.id = `${id}-hint`;
    const description = document.createElement("span");
    language.write(description, phrase(`${key}.description`, {}, schema.description ?? ""));
    const preset = document.createElement("span");
    language.write(preset, phrase("parameters.default", { value: this.#spoken(schema.default, schema) }));
    hint.append(description, " ", preset);

    const problem = document.createElement("p");
    problem.id = `${id}-problem`;
    problem.className = "problem";
    problem.setAttribute("role", "alert");
    problem.hidden = true;

    const element = document.createElement("div");
    element.className = "parameter";
    element.dataset.kind = kind;
    element.append(label, reset, ...field.parts, problem, hint);
    for (const part of element.querySelectorAll("input, select, textarea")) {
      part.setAttribute("aria-describedby", `${hint.id} ${problem.id}`);
    }

    const initial = schema.default ?? undefined;
    const control = { element, title, field, schema, problem, last: initial, accepted: initial };
    this.#put(control, initial);
    element.addEventListener("input", () => this.#changed(control));
    // A wrong value stays while the user types, and is replaced afterwards.
    element.addEventListener("change", () => {
      if (control.problem.hidden) return;
      field.write(control.last);
      mark(control, false);
    });
    reset.addEventListener("click", () => {
      this.#put(control, initial);
      this.#onChange();
    });
    return control;
  }

  /** @param {Control} control by the user */
  #changed(control) {
    const value = control.field.read();
    const found = value === undefined ? null : problemOf(value, control.schema);
    if (found === null) {
      control.last = value;
      this.#tell(control, null);
      return this.#onChange();
    }
    const { problem, limit = "" } = found;
    const kept = { name: control.title, limit, value: this.#spoken(control.last, control.schema) };
    this.#tell(control, phrase(`parameters.problem.${problem}`, kept));
  }

  /** @param {Control} control @param {unknown} value allowed */
  #put(control, value) {
    control.last = value;
    control.field.write(value);
    this.#tell(control, null);
  }

  /** @param {Control} control @param {Text | null} problem */
  #tell(control, problem) {
    control.problem.hidden = problem === null;
    if (problem !== null) this.#language.write(control.problem, problem);
    mark(control, problem !== null);
  }

  /** @param {unknown} value @param {Schema} schema of it @returns {Text} */
  #spoken(value, schema) {
    if (value === undefined || value === null || value === "") return phrase("parameters.unset");
    if (typeof value === "boolean") return value ? phrase("parameters.on") : phrase("parameters.off");
    if (typeof value === "string" && value.startsWith("data:image/")) return phrase("parameters.picture");
    if (schema.enum) return optionWords(value);
    if (Array.isArray(value)) return value.length === 0 ? phrase("parameters.unset") : value.join(", ");
    return typeof value === "number" ? value : String(value);
  }
}

/** @param {Control} control @param {boolean} isWrong what stands in it just now */
function mark({ element }, isWrong) {
  for (const part of element.querySelectorAll("input, select, textarea")) {
    if (isWrong) part.setAttribute("aria-invalid", "true");
    else part.removeAttribute("aria-invalid");
  }
}

/** @param {Schema} schema @param {Schema} root @returns {Schema} */
function resolvedItems(schema, root) {
  return schema.items ? { ...schema, items: resolved(schema.items, root) } : schema;
}
