/**
 * The filtered camera in the list of devices.
 */

import { embedder } from "../base/embedder.js";
import { faces } from "../base/faces.js";
import { backwards, DeviceIds } from "./device_ids.js";

/**
 * With an extension, whose user has a switch, all cameras are filtered under their own ids: a site finds the
 * one that it remembers.
 */
export const deviceIds = new DeviceIds(embedder ? (id) => id : backwards);

/** @param {string} label of a camera, empty before permission @returns {string} */
export const filteredLabel = (label) => label && `${label} (filtered)`;

/** What a filtered camera in the list of devices says of itself; see `faces`. */
export class DeviceFace {
  #camera;

  /** @param {MediaDeviceInfo} camera */
  constructor(camera) {
    this.#camera = camera;
  }

  get deviceId() {
    return deviceIds.other(this.#camera.deviceId);
  }
  get kind() {
    return this.#camera.kind;
  }
  get label() {
    return filteredLabel(this.#camera.label);
  }
  get groupId() {
    return this.#camera.groupId;
  }
  getCapabilities() {
    return deviceIds.withOther(/** @type {InputDeviceInfo} */ (this.#camera).getCapabilities());
  }
  toJSON() {
    const { deviceId, kind, label, groupId } = this;
    return { deviceId, kind, label, groupId };
  }
}

/**
 * @param {MediaDeviceInfo[]} devices
 * @returns {MediaDeviceInfo[]} with a filtered camera before each camera, so that the first camera is a filtered one
 */
export function withFilteredCameras(devices) {
  return devices.flatMap((device) => {
    // Without permission a list has one camera at most, and that one has no id.
    if (device.kind !== "videoinput" || !device.deviceId) return [device];
    const filtered = Object.create(Object.getPrototypeOf(device));
    faces.set(filtered, new DeviceFace(device));
    return embedder ? [filtered] : [filtered, device];
  });
}
