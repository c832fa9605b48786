/**
 * One control for one parameter, by its kind. All have the same interface: see `Field`.
 */

import { phrase } from "./language.js";
import { asDataUrl, drawInto } from "./picture_file.js";
import { limits, stepOf } from "./schema.js";

/**
 * `read` gives undefined for "not set", and NaN for what is no number. A label belongs to `main`.
 * @typedef {{parts: HTMLElement[], main: HTMLElement, read: () => unknown, write: (value: unknown) => void}} Field
 *
 * @typedef {import('./language.js').Text} Text
 * @typedef {import('./schema.js').Schema} Schema
 * @typedef {{id: string, title: Text, schema: Schema, language: import('./language.js').Words}} About
 */

const LONG_TEXT = 120;

/** @type {Record<import('./schema.js').Kind, (about: About) => Field>} */
export const FIELDS = { range, number, switch: toggle, choice, choices, colour, picture, text };

/** A slider to find a value, and a field for an exact one. @param {About} about @returns {Field} */
function range({ id, title, schema, language }) {
  const { least, most } = limits(schema);
  const slider = inputOf("range", id);
  const exact = inputOf("number", `${id}-exact`);
  language.label(exact, phrase("parameters.exactly", { name: title }));
  for (const input of [slider, exact]) {
    input.min = String(least);
    input.max = String(most);
  }
  slider.step = String(stepOf(schema));
  exact.step = schema.type === "integer" ? "1" : "any";
  slider.addEventListener("input", () => {
    exact.value = slider.value;
  });
  exact.addEventListener("input", () => {
    if (exact.value !== "") slider.value = exact.value;
  });
  const write = (/** @type {unknown} */ value) => {
    slider.value = exact.value = String(value ?? least);
  };
  return { parts: [exact, slider], main: slider, read: () => exact.valueAsNumber, write };
}

/** @param {About} about @returns {Field} */
function number({ id, schema }) {
  const input = inputOf("number", id);
  input.step = schema.type === "integer" ? "1" : "any";
  const isOptional = schema.default === null || schema.default === undefined;
  const read = () => (isOptional && isEmpty(input) ? undefined : input.valueAsNumber);
  const write = (/** @type {unknown} */ value) => {
    input.value = String(value ?? "");
  };
  return { parts: [input], main: input, read, write };
}

/** @param {About} about @returns {Field} */
function toggle({ id }) {
  const input = inputOf("checkbox", id);
  input.setAttribute("role", "switch");
  const write = (/** @type {unknown} */ value) => {
    input.checked = value === true;
  };
  return { parts: [input], main: input, read: () => input.checked, write };
}

/** @param {About} about @returns {Field} */
function choice({ id, schema, language }) {
  const options = schema.enum ?? [];
  const select = document.createElement("select");
  select.id = id;
  select.append(
    ...options.map((option, index) => {
      const element = new Option("", String(index));
      language.write(element, optionWords(option));
      return element;
    }),
  );
  const write = (/** @type {unknown} */ value) => {
    select.selectedIndex = options.indexOf(value);
  };
  return { parts: [select], main: select, read: () => options[select.selectedIndex], write };
}

/** Several boxes, any of which may be ticked. @param {About} about @returns {Field} */
function choices({ id, title, schema, language }) {
  const options = schema.items?.enum ?? [];
  const group = document.createElement("div");
  group.id = id;
  group.className = "choices";
  group.setAttribute("role", "group");
  language.label(group, title);
  const boxes = options.map((option, index) => {
    const label = document.createElement("label");
    const box = inputOf("checkbox", `${id}-${index}`);
    const words = document.createElement("span");
    language.write(words, optionWords(option));
    label.append(box, words);
    group.append(label);
    return box;
  });
  const write = (/** @type {unknown} */ value) => {
    for (const [index, box] of boxes.entries()) {
      box.checked = Array.isArray(value) && value.includes(options[index]);
    }
  };
  const read = () => options.filter((_, index) => boxes[index].checked);
  return { parts: [group], main: group, read, write };
}

/** @param {About} about @returns {Field} */
function colour({ id }) {
  const input = inputOf("color", id);
  const output = document.createElement("output");
  output.htmlFor.add(id);
  const show = () => {
    output.value = input.value;
  };
  input.addEventListener("input", show);
  const write = (/** @type {unknown} */ value) => {
    input.value = String(value ?? "#000000");
    show();
  };
  return { parts: [output, input], main: input, read: () => input.value, write };
}

/** A picture file of the user's, made small enough to be sent. @param {About} about @returns {Field} */
function picture({ id, title, schema, language }) {
  const input = inputOf("file", id);
  input.accept = "image/*";
  const preview = document.createElement("canvas");
  preview.setAttribute("role", "img");
  language.label(preview, title);
  const remove = document.createElement("button");
  remove.type = "button";
  language.write(remove, phrase("parameters.picture.remove"));
  const group = document.createElement("div");
  group.className = "picture";
  group.append(input, preview, remove);
  let value = "";
  let choiceCount = 0;

  const write = (/** @type {unknown} */ given) => {
    choiceCount += 1;
    value = String(given ?? "");
    input.value = "";
    preview.hidden = remove.hidden = value === "";
    if (value !== "") drawInto(preview, value);
  };
  const tell = () => {
    for (const type of ["input", "change"]) group.dispatchEvent(new Event(type, { bubbles: true }));
  };
  // The file is not the value, which comes after the file has been read.
  for (const type of ["input", "change"]) input.addEventListener(type, (event) => event.stopPropagation());
  input.addEventListener("change", async () => {
    const [file] = input.files ?? [];
    if (!file) return;
    choiceCount += 1;
    const ours = choiceCount;
    // A file that cannot be read gives a value that is refused.
    const read = await asDataUrl(file, schema.maxLength).catch(() => "unreadable");
    if (ours !== choiceCount) return;
    if (read === "unreadable") value = read;
    else write(read);
    tell();
  });
  remove.addEventListener("click", () => {
    write("");
    tell();
  });
  return { parts: [group], main: input, read: () => value, write };
}

/** @param {About} about @returns {Field} */
function text({ id, schema }) {
  const isLong = (schema.maxLength ?? 0) > LONG_TEXT;
  const input = isLong ? document.createElement("textarea") : inputOf("text", id);
  input.id = id;
  // An optional text that is left empty is not set: the schema may not allow an empty text.
  const isOptional = schema.default === null || schema.default === undefined;
  const write = (/** @type {unknown} */ value) => {
    input.value = String(value ?? "");
  };
  const read = () => (input.value === "" && isOptional ? undefined : input.value);
  return { parts: [input], main: input, read, write };
}

/** @param {unknown} option of a schema @returns {Text} */
export function optionWords(option) {
  return typeof option === "string" ? phrase(`option.${option}`, {}, option) : String(option);
}

/** @param {string} type @param {string} id */
function inputOf(type, id) {
  const input = document.createElement("input");
  input.type = type;
  input.id = id;
  return input;
}

/** @param {HTMLInputElement} input of a number, whose value is also empty where it cannot be read */
function isEmpty(input) {
  return input.value === "" && !input.validity.badInput;
}
