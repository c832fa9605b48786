/**
 * A link to this page with the current choice: `#filter=ink&params={...}`.
 */

/** @typedef {{filter: string | null, params: Record<string, unknown>, language: string | null}} Asked */

const MAX_CHARACTERS = 2_000;

/** @param {string} hash of an address, whatever it is @returns {Asked} */
export function readLink(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  return {
    filter: fields.get("filter"),
    params: objectOf(fields.get("params") ?? "{}"),
    language: fields.get("lang"),
  };
}

/**
 * @param {string} filter
 * @param {Record<string, unknown>} params
 * @returns {string} the hash, never with a token
 */
export function linkTo(filter, params) {
  const fields = new URLSearchParams({ filter });
  // The user's own picture is too long for an address.
  const short = Object.entries(params).filter(([, value]) => String(value).length <= MAX_CHARACTERS);
  if (short.length > 0) fields.set("params", JSON.stringify(Object.fromEntries(short)));
  return `#${fields}`;
}

/** @param {string} text @returns {Record<string, unknown>} */
function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}
