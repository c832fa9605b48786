/**
 * What the page wants: the attributes of the script tag, and what the page sets later.
 */

import { isObject, parsedJson } from "../../shared/json.js";
import { Fault, faultFrom } from "../base/fault.js";
import { tokenSource } from "./token_source.js";

/**
 * @import { TokenSource } from "./token_source.js"
 *
 * `name` is true where the server is to make one that cannot be guessed.
 * @typedef {{name: string | true, sound: boolean}} PublishWish
 */

const STREAM_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * @typedef {object} Settings
 * @property {string} server a URL that ends with a slash
 * @property {string | string[] | null} filter null: the server's default
 * @property {object} params
 * @property {'closed' | 'open'} outage
 * @property {TokenSource | undefined} token
 * @property {'untouched' | 'sync'} audio
 * @property {'off' | 'self'} mirror
 * @property {PublishWish | null} publish null: nobody else sees the picture
 * @property {Fault | null} fault of the script tag
 */

/**
 * Reads the script tag.
 *
 * A page with a wrong attribute must not get another picture than it asked for. The fault is kept, and calls
 * for video fail with it.
 * @param {{src?: string, dataset: DOMStringMap} | null} script null: the shim was imported as a module
 * @param {string} baseUrl of the page
 * @returns {Settings}
 */
export function readSettings(script, baseUrl) {
  const { filter, params, outage, token, tokenUrl, server, audio, mirror, publish, publishSound } =
    script?.dataset ?? {};
  /** @type {Settings} */
  const settings = {
    server: "",
    filter: null,
    params: {},
    outage: "closed",
    token: undefined,
    audio: "untouched",
    mirror: "off",
    publish: null,
    fault: null,
  };
  try {
    settings.outage = checkedOutage(outage ?? "closed");
    settings.audio = checkedAudio(audio ?? "untouched");
    settings.mirror = checkedMirror(mirror ?? "off");
    const sound = checkedPublishSound(publishSound ?? "off") === "on";
    if (publish !== undefined) settings.publish = { name: checkedStream(publish), sound };
    settings.token = tokenSource(token, tokenUrl, baseUrl);
    settings.filter = filterFromText(filter ?? "");
    settings.params = paramsFromText(params ?? "{}");
    // An imported module has no tag. The page names the server later.
    settings.server = script ? serverFromText(server ?? "", script.src ?? "", baseUrl) : "";
  } catch (error) {
    settings.fault = faultFrom(error, "bad_settings");
    console.error(`p2pcamera: ${settings.fault.message}`);
  }
  return settings;
}

/** @param {string} text @returns {string | string[] | null} */
export function filterFromText(text) {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  return names.length > 1 ? names : (names[0] ?? null);
}

/** @param {string} text @returns {object} @throws {Fault} */
function paramsFromText(text) {
  const value = parsedJson(text);
  if (isObject(value)) return value;
  throw new Fault("bad_settings", `data-params is a JSON object, not ${text}`);
}

/**
 * @param {string} text of `data-server`
 * @param {string} source where the script came from
 * @param {string} baseUrl of the page
 * @returns {string} a URL that ends with a slash
 * @throws {Fault}
 */
export function serverFromText(text, source, baseUrl) {
  if (text) return new URL(text.replace(/\/*$/, "/"), baseUrl).href;
  if (/^https?:/.test(source)) return new URL(".", source).href;
  const why = source
    ? `a script from ${source.slice(0, 40)} does not tell where the server is`
    : "where is the server";
  throw new Fault("bad_settings", `${why}: the script tag needs data-server, or p2pcamera.server an address`);
}

/** @param {string} value @returns {'closed' | 'open'} @throws {Fault} */
export function checkedOutage(value) {
  if (value === "closed" || value === "open") return value;
  throw new Fault("bad_settings", `outage is closed or open, not ${value}`);
}

/** @param {string} value @returns {'untouched' | 'sync'} @throws {Fault} */
export function checkedAudio(value) {
  if (value === "untouched" || value === "sync") return value;
  throw new Fault("bad_settings", `audio is untouched or sync, not ${value}`);
}

/** @param {string} value @returns {'off' | 'self'} @throws {Fault} */
export function checkedMirror(value) {
  if (value === "off" || value === "self") return value;
  throw new Fault("bad_settings", `mirror is off or self, not ${value}`);
}

/** @param {string} value @returns {'off' | 'on'} @throws {Fault} */
function checkedPublishSound(value) {
  if (value === "off" || value === "on") return value;
  throw new Fault("bad_settings", `data-publish-sound is off or on, not ${value}`);
}

/** @param {unknown} name of a stream; nothing: one that cannot be guessed @returns {string | true} @throws {Fault} */
export function checkedStream(name) {
  if (name === undefined || name === null || name === "") return true;
  if (typeof name === "string" && STREAM_NAME.test(name)) return name;
  throw new Fault("bad_settings", `a stream's name has 1 to 64 letters, digits, - or _, not ${name}`);
}
