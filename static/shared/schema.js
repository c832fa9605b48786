/**
 * What a filter's JSON Schema (draft 2020-12, as pydantic writes it) says of one parameter.
 */

/**
 * @typedef {{
 *   type?: string | string[], title?: string, description?: string, default?: unknown, enum?: unknown[],
 *   const?: unknown, minimum?: number, maximum?: number, exclusiveMinimum?: number, exclusiveMaximum?: number,
 *   multipleOf?: number, minLength?: number, maxLength?: number, pattern?: string, format?: string,
 *   contentMediaType?: string, contentEncoding?: string, items?: Schema, $ref?: string, anyOf?: Schema[], allOf?: Schema[],
 *   properties?: Record<string, Schema>, $defs?: Record<string, Schema>,
 * }} Schema
 *
 * @typedef {'range' | 'number' | 'switch' | 'choice' | 'choices' | 'colour' | 'picture' | 'text'} Kind
 */

/**
 * Follows references and takes the first alternative that is not null: an optional parameter.
 * @param {Schema} schema
 * @param {Schema} root
 * @returns {Schema}
 */
export function resolved(schema, root) {
  const target = schema.$ref
    ? root.$defs?.[schema.$ref.replace("#/$defs/", "")]
    : (schema.anyOf ?? schema.allOf)?.find(({ type }) => type !== "null");
  if (!target) return schema;
  const { $ref, anyOf, allOf, ...own } = schema;
  return { ...resolved(target, root), ...own };
}

const DATA_URL = /^data:image\/(?:jpeg|png|webp);base64,/;

/** @param {Schema} schema resolved @returns {Kind | null} null for what has no control: the default holds */
export function kindOf(schema) {
  if (schema.enum) return "choice";
  if (schema.type === "boolean") return "switch";
  if (schema.type === "number" || schema.type === "integer") {
    const { least, most } = limits(schema);
    return least !== undefined && most !== undefined ? "range" : "number";
  }
  if (schema.type === "string") return isPicture(schema) ? "picture" : isColour(schema) ? "colour" : "text";
  if (schema.type === "array" && schema.items?.enum) return "choices";
  return null;
}

/** @param {Schema} schema */
export function limits({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  return { least: minimum ?? exclusiveMinimum, most: maximum ?? exclusiveMaximum };
}

/**
 * Tells what is wrong with a value. The server is asked only about values without a problem.
 * @param {unknown} value @param {Schema} schema resolved
 * @returns {{problem: string, limit?: number} | null} the last part of the phrase's key, and its value
 */
export function problemOf(value, schema) {
  if (schema.type === "number" || schema.type === "integer") return problemOfNumber(value, schema);
  if (typeof value !== "string" || schema.enum) return null;
  if (isPicture(schema)) return value === "" || DATA_URL.test(value) ? null : { problem: "picture" };
  const { minLength = 0, maxLength = Infinity, pattern } = schema;
  const length = [...value].length;
  if (length < minLength) return { problem: "longer", limit: minLength };
  if (length > maxLength) return { problem: "shorter", limit: maxLength };
  if (pattern !== undefined && !matches(pattern, value)) return { problem: "pattern" };
  return null;
}

/** @param {Schema} schema @returns {number} of a slider, which can stand at the parameter's default */
export function stepOf(schema) {
  const { least = 0, most = 1 } = limits(schema);
  if (schema.multipleOf || schema.type === "integer") return schema.multipleOf ?? 1;
  const steps = niceSteps(most - least);
  const parts = (/** @type {number} */ step) => (Number(schema.default ?? least) - least) / step;
  return steps.find((step) => Math.abs(parts(step) - Math.round(parts(step))) < 1e-6) ?? steps[0];
}

/** @param {unknown} value @param {Schema} schema */
function problemOfNumber(value, { type, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }) {
  if (typeof value !== "number" || !Number.isFinite(value)) return { problem: "number" };
  if (type === "integer" && !Number.isInteger(value)) return { problem: "integer" };
  if (minimum !== undefined && value < minimum) return { problem: "least", limit: minimum };
  if (maximum !== undefined && value > maximum) return { problem: "most", limit: maximum };
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) {
    return { problem: "more", limit: exclusiveMinimum };
  }
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) {
    return { problem: "less", limit: exclusiveMaximum };
  }
  if (multipleOf !== undefined) {
    // In floating point 0.3 is no multiple of 0.1.
    const parts = value / multipleOf;
    if (Math.abs(parts - Math.round(parts)) > 1e-6) return { problem: "multiple", limit: multipleOf };
  }
  return null;
}

/** A file of the user's, as a data URL. @param {Schema} schema */
function isPicture({ contentMediaType, contentEncoding }) {
  return contentEncoding === "base64" && (contentMediaType ?? "").startsWith("image/");
}

/** @param {Schema} schema */
function isColour({ format, pattern, default: preset }) {
  if (format === "color") return true;
  // A pattern that takes every #rrggbb and refuses plain words.
  const takesColours = pattern !== undefined && matches(pattern, "#12abEF") && !matches(pattern, "word");
  return takesColours && typeof preset === "string" && /^#[0-9a-f]{6}$/i.test(preset);
}

/** @param {string} pattern @param {string} value @returns {boolean} true for what only the server can read */
function matches(pattern, value) {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true;
  }
}

/** @param {number} range @returns {number[]} about a hundredth of it and less: 1, 2 or 5 of a power of ten */
function niceSteps(range) {
  const hundredth = range / 100;
  const power = 10 ** Math.floor(Math.log10(hundredth));
  return [5, 2, 1, 0.5, 0.2, 0.1]
    .map((factor) => factor * power)
    .filter((step) => step <= hundredth * 1.0001);
}
