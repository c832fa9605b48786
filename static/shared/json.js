/**
 * JSON that may be anything, and JSON that means the same in every page. The shim, the demo page and the extension
 * read it here.
 *
 * A page may have patched what JSON is made with: old libraries give arrays a `toJSON` that makes a text of
 * them. So the browser's own functions are taken before a later script replaces them, and `toJSON` of the
 * prototypes is not asked.
 */

const { parse, stringify } = JSON;
const { create, defineProperty, keys } = Object;
const { isArray } = Array;

/** @param {unknown} value @returns {value is Record<string, unknown>} */
export function isObject(value) {
  return typeof value === "object" && value !== null && !isArray(value);
}

/** @template T @param {T | T[] | null | undefined} value @returns {T[]} of what may be one, several or none */
export function asList(value) {
  if (isArray(value)) return value;
  return value === null || value === undefined ? [] : [value];
}

/** @param {string} text @returns {any} undefined where the text is not JSON */
export function parsedJson(text) {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** @param {unknown} value of arrays, objects, texts, numbers and dates @returns {string} */
export function jsonText(value) {
  return stringify(bare(value));
}

/** @param {any} value @returns {any} a copy that no prototype of the page's says anything about */
function bare(value) {
  if (typeof value !== "object" || value === null) return value;
  if (isArray(value)) {
    /** @type {any[]} */
    const list = [];
    // By index: a page may have patched what iterates, and what appends.
    for (let index = 0; index < value.length; index += 1) {
      defineProperty(list, index, { value: bare(value[index]), enumerable: true });
    }
    // Found before that of the prototype, and no function.
    return defineProperty(list, "toJSON", { value: undefined });
  }
  // That of a date says what it is; one that every object has is a library's.
  const { toJSON } = value;
  if (typeof toJSON === "function" && toJSON !== Reflect.get(Object.prototype, "toJSON")) {
    return bare(value.toJSON());
  }
  const copy = create(null);
  const names = keys(value);
  for (let index = 0; index < names.length; index += 1) copy[names[index]] = bare(value[names[index]]);
  return copy;
}
