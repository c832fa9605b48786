/**
 * A link to this page with the current choice: `#filter=ink&params={...}`, or several filters: `#filter=light,ink`.
 * With `publish=NAME` the page offers to send its camera to `/watch/NAME`.
 */

import { isObject, parsedJson } from "../shared/json.js";

/**
 * `filters` are names in order.
 * @typedef {{filters: string[] | null, params: Record<string, unknown>, language: string | null,
 *   publish: string | null}} Asked
 */

const MAX_CHARACTERS = 2_000;
const STREAM = /^[A-Za-z0-9_-]{1,64}$/;

/** @param {string} hash of an address, whatever it is @returns {Asked} */
export function readLink(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const stream = fields.get("publish") ?? "";
  return {
    filters: fields.get("filter")?.split(",") ?? null,
    params: objectOf(fields.get("params") ?? "{}"),
    language: fields.get("lang"),
    publish: STREAM.test(stream) ? stream : null,
  };
}

/**
 * @param {readonly string[]} filters none: the camera alone
 * @param {Record<string, unknown>} params
 * @returns {string} the hash, never with a token
 */
export function linkTo(filters, params) {
  const fields = new URLSearchParams({ filter: filters.join(",") });
  // The user's own picture is too long for an address.
  const short = shortOf(params);
  if (Object.keys(short).length > 0) fields.set("params", JSON.stringify(short));
  return `#${fields}`;
}

/** @param {Record<string, unknown>} params of a filter, or of several by name @returns {Record<string, unknown>} */
function shortOf(params) {
  const entries = Object.entries(params)
    .map(([name, value]) => [name, isObject(value) ? shortOf(value) : value])
    .filter(([, value]) => isObject(value) || String(value).length <= MAX_CHARACTERS);
  return Object.fromEntries(entries);
}

/** @param {string} text @returns {Record<string, unknown>} */
function objectOf(text) {
  const value = parsedJson(text);
  return isObject(value) ? value : {};
}
