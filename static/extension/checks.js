/**
 * Which calls the service worker makes for a page, and what each may carry. It refuses all others.
 */

import { isObject, parsedJson } from "./shared/json.js";

const MAX_BODY_CHARACTERS = 1024 * 1024;
const MAX_SDP_CHARACTERS = 64 * 1024;
const MAX_FRAGMENT_CHARACTERS = 16 * 1024;
const MAX_FILTERS = 8;
const JSON_TYPE = "application/json";
const TRICKLE_TYPE = "application/trickle-ice-sdpfrag";

/**
 * @typedef {{method: string, path: string, contentType?: string, body?: string}} Call
 * @typedef {{method: string, path: RegExp, keys: readonly string[], isBody?: (call: Call) => boolean}} Allowed
 */

/** @type {readonly Allowed[]} */
const ALLOWED = [
  { method: "GET", path: /^ice-servers$/, keys: [] },
  { method: "GET", path: /^filters$/, keys: [] },
  { method: "POST", path: /^offer$/, keys: ["contentType", "body"], isBody: isOffer },
  {
    method: "PATCH",
    path: /^sessions\/[0-9a-f]{32}$/,
    keys: ["contentType", "body"],
    isBody: (call) => isFragment(call) || isQuestion(call) || isChange(call),
  },
  { method: "DELETE", path: /^sessions\/[0-9a-f]{32}$/, keys: [] },
];

/**
 * @param {unknown} message as it came from a page's frame
 * @returns {Call | null} null where it is no call that the shim makes
 */
export function checkedCall(message) {
  if (!isObject(message) || message.type !== "call") return null;
  const { type: _, ...call } = message;
  const { method, path } = call;
  if (typeof method !== "string" || typeof path !== "string") return null;
  const allowed = ALLOWED.find((one) => one.method === method && one.path.test(path));
  if (!allowed || !hasKeys(call, ["method", "path", ...allowed.keys])) return null;
  const checked = /** @type {Call} */ (call);
  return !allowed.isBody || allowed.isBody(checked) ? checked : null;
}

/** @param {string} path @returns {string | null} the session that a call is about */
export function sessionOf(path) {
  return path.startsWith("sessions/") ? path.slice("sessions/".length) : null;
}

/** @param {unknown} id @returns {id is string} */
export function isSessionId(id) {
  return typeof id === "string" && /^[0-9a-f]{32}$/.test(id);
}

/** @param {Call} call */
function isOffer({ contentType, body }) {
  const offer = contentType === JSON_TYPE ? parsed(body) : null;
  if (!isObject(offer) || !hasKeys(offer, ["type", "sdp", "filter", "params", "outage"])) return false;
  const { type, sdp, filter = [], params = {}, outage = "closed" } = offer;
  return (
    type === "offer" &&
    typeof sdp === "string" &&
    sdp.startsWith("v=0") &&
    sdp.length <= MAX_SDP_CHARACTERS &&
    isFilter(filter) &&
    isObject(params) &&
    (outage === "closed" || outage === "open")
  );
}

/** @param {Call} call candidates that were found after the offer */
function isFragment({ contentType, body }) {
  return (
    contentType === TRICKLE_TYPE &&
    typeof body === "string" &&
    body.length <= MAX_FRAGMENT_CHARACTERS &&
    /^(?:[am]=[^\r\n]*\r\n)+$/.test(body)
  );
}

/** @param {Call} call whether a session is still there; it changes nothing */
function isQuestion({ contentType, body }) {
  return contentType === JSON_TYPE && body === "{}";
}

/** @param {Call} call a choice that is too long for the data channel */
function isChange({ contentType, body }) {
  const change = contentType === JSON_TYPE ? parsed(body) : null;
  if (!isObject(change) || !hasKeys(change, ["filter", "params"])) return false;
  return isFilter(change.filter) && isObject(change.params);
}

/** @param {unknown} filter */
function isFilter(filter) {
  const names = Array.isArray(filter) ? filter : [filter];
  return (
    names.length <= MAX_FILTERS &&
    names.every((name) => typeof name === "string" && /^[\w.-]{1,64}$/.test(name))
  );
}

/** @param {unknown} text @returns {unknown} */
function parsed(text) {
  if (typeof text !== "string" || text.length > MAX_BODY_CHARACTERS) return null;
  return parsedJson(text);
}

/** @param {Record<string, unknown>} value @param {readonly string[]} keys that it may have, and no other */
function hasKeys(value, keys) {
  return Object.keys(value).every((key) => keys.includes(key));
}
