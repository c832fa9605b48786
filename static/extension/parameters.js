/**
 * Controls for a filter's parameters, made from their JSON Schema (draft 2020-12, as pydantic writes it).
 */

/**
 * @typedef {{
 *   type?: string | string[], title?: string, description?: string, default?: unknown, enum?: unknown[],
 *   const?: unknown, minimum?: number, maximum?: number, exclusiveMinimum?: number, exclusiveMaximum?: number,
 *   multipleOf?: number, maxLength?: number, $ref?: string, anyOf?: Schema[], allOf?: Schema[],
 *   properties?: Record<string, Schema>, $defs?: Record<string, Schema>, preset?: unknown,
 * }} Schema
 *
 * @typedef {{element: HTMLElement, read: () => unknown}} Control `read` gives undefined for "not set"
 */

/** The controls of one filter at a time. */
export class Parameters {
  #container;
  #onChange;
  /** @type {Map<string, Control>} */
  #controls = new Map();

  /**
   * @param {HTMLElement} container is emptied and filled
   * @param {() => void} onChange is called at each change by the user
   */
  constructor(container, onChange) {
    this.#container = container;
    this.#onChange = onChange;
    container.addEventListener("input", () => this.#onChange());
  }

  /** @returns {boolean} whether there is anything to set */
  get isEmpty() {
    return this.#controls.size === 0;
  }

  /** @returns {Record<string, unknown>} what the controls say */
  get values() {
    /** @type {Record<string, unknown>} */
    const values = {};
    for (const [name, { read }] of this.#controls) {
      const value = read();
      if (value !== undefined) values[name] = value;
    }
    return values;
  }

  /** @param {Schema} schema of the parameters, an object's @param {Record<string, unknown>} values set before */
  show(schema, values) {
    this.#controls.clear();
    for (const [name, declared] of Object.entries(schema.properties ?? {})) {
      const parameter = resolved(declared, schema);
      const value = { default: values[name], preset: parameter.default };
      const control = controlFor(name, name in values ? { ...parameter, ...value } : parameter);
      if (control) this.#controls.set(name, control);
    }
    this.#container.replaceChildren(...[...this.#controls.values()].map(({ element }) => element));
  }
}

/**
 * Follows references and takes the first alternative that is not null: an optional parameter.
 * @param {Schema} schema
 * @param {Schema} root
 * @returns {Schema}
 */
function resolved(schema, root) {
  const target = schema.$ref
    ? root.$defs?.[schema.$ref.replace("#/$defs/", "")]
    : (schema.anyOf ?? schema.allOf)?.find(({ type }) => type !== "null");
  if (!target) return schema;
  const { $ref, anyOf, allOf, ...own } = schema;
  return { ...resolved(target, root), ...own };
}

/**
 * @param {string} name
 * @param {Schema} schema
 * @returns {Control | null} null for what has no control: the server's default holds
 */
function controlFor(name, schema) {
  if (schema.enum) return selectControl(name, schema, schema.enum);
  if (schema.type === "boolean") return checkboxControl(name, schema);
  if (schema.type === "number" || schema.type === "integer") return numberControl(name, schema);
  if (schema.type === "string") return textControl(name, schema);
  return null;
}

/** @param {string} name @param {Schema} schema @param {unknown[]} choices @returns {Control} */
function selectControl(name, schema, choices) {
  const select = document.createElement("select");
  for (const [index, choice] of choices.entries()) {
    select.append(new Option(String(choice), String(index), false, choice === schema.default));
  }
  return { element: labelled(name, schema, select), read: () => choices[select.selectedIndex] };
}

/** @param {string} name @param {Schema} schema @returns {Control} */
function checkboxControl(name, schema) {
  const input = inputOf("checkbox");
  input.checked = schema.default === true;
  const element = labelled(name, schema, input);
  element.classList.add("checkbox");
  return { element, read: () => input.checked };
}

/** @param {string} name @param {Schema} schema @returns {Control} */
function numberControl(name, schema) {
  const minimum = schema.minimum ?? schema.exclusiveMinimum;
  const maximum = schema.maximum ?? schema.exclusiveMaximum;
  if (minimum === undefined || maximum === undefined) return unboundedControl(name, schema, minimum, maximum);

  const slider = inputOf("range");
  slider.min = String(minimum);
  slider.max = String(maximum);
  slider.step = String(schema.multipleOf ?? (schema.type === "integer" ? 1 : niceStep(maximum - minimum)));
  slider.value = String(schema.default ?? minimum);
  const output = document.createElement("output");
  const showValue = () => {
    output.value = slider.value;
  };
  slider.addEventListener("input", showValue);
  showValue();
  return { element: labelled(name, schema, slider, output), read: () => slider.valueAsNumber };
}

/**
 * @param {string} name @param {Schema} schema
 * @param {number | undefined} minimum @param {number | undefined} maximum
 * @returns {Control}
 */
function unboundedControl(name, schema, minimum, maximum) {
  const input = inputOf("number");
  if (minimum !== undefined) input.min = String(minimum);
  if (maximum !== undefined) input.max = String(maximum);
  input.step = String(schema.multipleOf ?? (schema.type === "integer" ? 1 : "any"));
  input.value = String(schema.default ?? "");
  const read = () =>
    Number.isNaN(input.valueAsNumber) || !input.validity.valid ? undefined : input.valueAsNumber;
  return { element: labelled(name, schema, input), read };
}

/** @param {string} name @param {Schema} schema @returns {Control} */
function textControl(name, schema) {
  const input = inputOf("text");
  if (schema.maxLength !== undefined) input.maxLength = schema.maxLength;
  input.value = String(schema.default ?? "");
  // An optional text left empty is not set, which an empty text may not be allowed to say.
  const preset = "preset" in schema ? schema.preset : schema.default;
  const isOptional = preset === null || preset === undefined;
  return {
    element: labelled(name, schema, input),
    read: () => (input.value === "" && isOptional ? undefined : input.value),
  };
}

/** @param {string} type */
function inputOf(type) {
  const input = document.createElement("input");
  input.type = type;
  return input;
}

/**
 * @param {string} name @param {Schema} schema
 * @param {HTMLInputElement | HTMLSelectElement} field @param {HTMLOutputElement} [output]
 */
function labelled(name, schema, field, output) {
  const element = document.createElement("div");
  element.className = "parameter";
  field.id = `parameter-${name}`;
  field.name = name;
  const label = document.createElement("label");
  label.htmlFor = field.id;
  label.textContent = schema.title ?? name;
  element.append(label);
  if (output) {
    output.htmlFor.add(field.id);
    element.append(output);
  }
  element.append(field);
  if (schema.description) {
    const hint = document.createElement("small");
    hint.id = `${field.id}-hint`;
    hint.textContent = schema.description;
    field.setAttribute("aria-describedby", hint.id);
    element.append(hint);
  }
  return element;
}

/** @param {number} range @returns {number} a hundredth of it, rounded down to 1, 2 or 5 of a power of ten */
function niceStep(range) {
  const hundredth = range / 100;
  const power = 10 ** Math.floor(Math.log10(hundredth));
  const factor = [5, 2, 1].find((candidate) => candidate * power <= hundredth * 1.0001) ?? 1;
  return factor * power;
}
