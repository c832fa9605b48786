/**
 * The ids of filtered cameras, and constraints that name them.
 */

import { asList, isObject } from "../../shared/json.js";

/**
 * Reads an id backwards.
 *
 * A filtered camera's id is its camera's id read backwards. No table is needed, and a page may use an id that
 * it kept from an earlier visit, before it has permission to list devices.
 * @param {string} id @returns {string}
 */
export const backwards = (id) => [...id].reverse().join("");

/** Maps between a camera's own id and its filtered id, by a function that is its own inverse. */
export class DeviceIds {
  /**
   * @param {(id: string) => string} other id of the same camera; the same id where all cameras are filtered
   */
  constructor(other) {
    this.other = other;
  }

  /** @template {{deviceId?: string}} T @param {T} told by a camera @returns {T} */
  withOther(told) {
    return told.deviceId ? { ...told, deviceId: this.other(told.deviceId) } : told;
  }

  /**
   * Names both ids of each camera that the constraints name, so that the browser finds it by either. The old
   * `mandatory: {sourceId}` can name but one: see `candidates`.
   * @template {MediaTrackConstraints} T @param {T} video @returns {T}
   */
  widened(video) {
    return mapDeviceIds(video, (ids) => {
      if (typeof ids === "string") return [ids, this.other(ids)];
      return Array.isArray(ids) ? ids.flatMap((id) => [id, this.other(String(id))]) : ids;
    });
  }

  /**
   * Returns the constraints with which the browser is to be asked, one after the other, until it finds a camera.
   * @template {MediaTrackConstraints} T @param {T} video as the page wrote it @returns {T[]}
   */
  candidates(video) {
    const wide = this.widened(video);
    const { mandatory } = /** @type {any} */ (wide);
    const { sourceId } = mandatory ?? {};
    if (sourceId === undefined || this.other(String(sourceId)) === sourceId) return [wide];
    const byOther = { ...wide, mandatory: { ...mandatory, sourceId: this.other(String(sourceId)) } };
    return [byOther, wide];
  }

  /**
   * @template {MediaTrackConstraints} T @param {T} video from `candidates`, as the browser tells it of a track
   * @param {string} [own] the id of the track's camera, which the page knows by the other one
   * @returns {T} as the page wrote it
   */
  narrowed(video, own) {
    const told = mapDeviceIds(video, (ids) => {
      if (!Array.isArray(ids)) return ids;
      const named = ids.filter((_, index) => index % 2 === 0);
      return named.length === 1 ? named[0] : named;
    });
    // From `optional` the browser has made a set for each of both ids, from `mandatory` the camera's own.
    const { deviceId, advanced } = /** @type {any} */ (told);
    if (Array.isArray(advanced)) {
      const isSecond = (/** @type {any} */ set, /** @type {number} */ index) =>
        typeof set.deviceId === "string" && this.other(set.deviceId) === advanced[index - 1]?.deviceId;
      /** @type {any} */ (told).advanced = advanced.filter((set, index) => !isSecond(set, index));
    }
    if (own && deviceId?.exact === own)
    /** @type {any} */ {
      told.deviceId = { ...deviceId, exact: this.other(own) };
    }
    return told;
  }

  /**
   * @param {any} video the constraints as the page wrote them
   * @param {MediaTrackSettings} settings of the camera that the browser chose
   * @returns {boolean} whether that camera is to be left unfiltered
   */
  asksForRaw(video, { deviceId = "", displaySurface }) {
    // An extension's capture of the screen comes by this call, too.
    if (displaySurface || video.mandatory?.chromeMediaSource || video.mediaSource) return true;
    const ids = exactIds(video);
    return ids.includes(deviceId) && !ids.includes(this.other(deviceId));
  }
}

/** @param {any} video constraints @returns {string[]} the ids of which the page demands one */
export function exactIds(video) {
  return [...asList(video.deviceId?.exact), ...asList(video.mandatory?.sourceId)];
}

/** @param {unknown} video constraints @returns {boolean} whether they may name a camera */
export function namesCamera(video) {
  if (!isObject(video)) return false;
  const { mandatory } = /** @type {any} */ (video);
  // Of before the standard are the last two. Screens are named by other members of `mandatory`.
  return (
    "deviceId" in video ||
    "advanced" in video ||
    "optional" in video ||
    (isObject(mandatory) && "sourceId" in mandatory)
  );
}

/** @template {any} T @param {T} video @param {(ids: any) => any} map @returns {T} */
function mapDeviceIds(video, map) {
  if (!isObject(video)) return video;
  const mapped = /** @type {any} */ ({ ...video });
  const { deviceId, advanced, optional } = mapped;
  if (isObject(deviceId)) {
    mapped.deviceId = Object.fromEntries(Object.entries(deviceId).map(([how, ids]) => [how, map(ids)]));
  } else if (deviceId !== undefined) {
    mapped.deviceId = map(deviceId);
  }
  // Of before the standard: a list whose members name one id each, and are wishes.
  if (Array.isArray(optional)) {
    mapped.optional = optional.flatMap((set) => {
      const ids = isObject(set) && "sourceId" in set ? asList(map(set.sourceId)) : null;
      return ids === null ? [set] : ids.map((sourceId) => ({ ...set, sourceId }));
    });
  }
  if (Array.isArray(advanced)) mapped.advanced = advanced.map((set) => mapDeviceIds(set, map));
  return mapped;
}
