/**
 * JSON that may be anything.
 */

/** @param {unknown} value @returns {value is object} */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {string} text @returns {any} undefined where the text is not JSON */
export function parsedJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
