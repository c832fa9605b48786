/**
 * A window whose functions are replaced: the page's, or one of a frame in it.
 */

import { embedder, mark } from "../base/embedder.js";
import { faces } from "../base/faces.js";
import { cloneTrack } from "../base/natives.js";
import { DeviceFace, deviceIds, withFilteredCameras } from "../camera/devices.js";
import { TrackFace } from "../camera/track_face.js";
import { DelayedMicrophone } from "../sound/delayed_microphone.js";
import { CameraElements } from "./camera_elements.js";
import { FrameWatch } from "./frame_watch.js";
import { Mirrors } from "./mirrors.js";
import { replacePhotos } from "./photos.js";
import { Replacements } from "./replacements.js";

/** @import { Page } from "./page.js" */

const NAME = "p2pcamera";

export class Place {
  #page;
  #frames;
  #replacements = new Replacements();
  #elements;
  #mirrors;
  #isInstalled = false;

  /**
   * @param {Window & typeof globalThis} own the window
   * @param {Page} page that answers for the replaced functions
   * @param {(frame: HTMLIFrameElement, content: Window & typeof globalThis) => void} reached takes its frames
   */
  constructor(own, page, reached) {
    this.window = own;
    this.#page = page;
    this.#mirrors = new Mirrors(() => this.#isInstalled && page.mirror === "self");
    this.#elements = new CameraElements(this, async (video, raw) =>
      (await this.#isOn()) ? page.filteredStream(this, { video }, async () => raw) : raw,
    );
    this.#frames = new FrameWatch((frame, content) => {
      if (this.#isInstalled) reached(frame, content);
    });
  }

  get isInstalled() {
    return this.#isInstalled;
  }

  async #isOn() {
    return this.#isInstalled && (!embedder || (await embedder.isOn()));
  }

  install() {
    this.#isInstalled = true;
    const value = embedder ? true : this.#page;
    Object.defineProperty(this.window, mark, { value, configurable: true });
    const { MediaDeviceInfo, InputDeviceInfo, MediaStream, MediaStreamTrack } = this.window;
    for (const calls of this.#whereCallsStand()) this.#replaceCalls(calls);
    this.#replaceOldCalls();
    this.#askFaces(MediaStreamTrack.prototype, TrackFace);
    this.#askFaces(MediaDeviceInfo.prototype, DeviceFace);
    if (InputDeviceInfo) this.#askFaces(InputDeviceInfo.prototype, DeviceFace);
    this.#replaceStreamClone(MediaStream);
    replacePhotos(this.#replacements, this.window);
    this.#elements.install(this.#replacements, (asked) => ({
      ...asked,
      ...(asked?.video && { video: deviceIds.widened(asked.video) }),
    }));
    this.#replaceFrameAccess();
    this.#replaceSetter(MediaStreamTrack.prototype);
    this.#mirrors.install(this.#replacements, this.window);
    this.watch(this.window.document);
    if (!embedder) this.#takeName();
    this.window.navigator.mediaDevices?.dispatchEvent(new Event("devicechange"));
  }

  uninstall() {
    this.#isInstalled = false;
    this.mirror();
    this.#frames.stop();
    this.#elements.uninstall();
    this.#replacements.undo();
    Reflect.deleteProperty(this.window, mark);
    if (Reflect.get(this.window, NAME) === this.#page) Reflect.deleteProperty(this.window, NAME);
    this.window.navigator.mediaDevices?.dispatchEvent(new Event("devicechange"));
  }

  /** Looks for frames. @param {Document} document of this place */
  watch(document) {
    this.#frames.watch(document);
  }

  /** Takes a frame of this place whose page has changed. @param {HTMLIFrameElement} frame */
  reach(frame) {
    if (this.#isInstalled) this.#frames.reach(frame);
  }

  /** Gives the page `window.p2pcamera`, before an element or a frame of that name, unless it has its own variable. */
  #takeName() {
    if (Object.hasOwn(this.window, NAME)) {
      console.warn("p2pcamera: the page has a variable p2pcamera, so window.p2pcamera is not ours to set");
      return;
    }
    Object.defineProperty(this.window, NAME, { value: this.#page, enumerable: true, configurable: true });
  }

  /**
   * The browser's functions stand in the prototype. A script before this one may have put its own into the object, or
   * have frozen the prototype; then the object gets functions of its own.
   * @returns {MediaDevices[]}
   * @throws {TypeError} if the object is frozen too
   */
  #whereCallsStand() {
    const { prototype } = this.window.MediaDevices;
    const devices = this.window.navigator.mediaDevices;
    if (!devices) return [prototype];
    if (Object.getOwnPropertyDescriptor(prototype, "getUserMedia")?.configurable) {
      return Object.hasOwn(devices, "getUserMedia") ? [prototype, devices] : [prototype];
    }
    const about = { writable: true, enumerable: true, configurable: true };
    for (const name of /** @type {const} */ (["getUserMedia", "enumerateDevices"])) {
      Object.defineProperty(devices, name, { ...about, value: devices[name] });
    }
    return [devices];
  }

  /** @param {MediaDevices} prototype */
  #replaceCalls(prototype) {
    const place = this;
    const page = this.#page;
    this.#replacements.replace(prototype, "getUserMedia", (native) => ({
      /** @this {MediaDevices} @param {[MediaStreamConstraints?]} asked */
      async getUserMedia(...asked) {
        const [constraints] = asked;
        if (!constraints?.video || !(await place.#isOn())) {
          const stream = await native.apply(this, asked);
          return place.isInstalled ? page.delayedStream(place, stream) : stream;
        }
        return page.filteredStream(place, constraints, (widened) => native.call(this, widened));
      },
    }));
    this.#replacements.replace(prototype, "enumerateDevices", (native) => ({
      /** @this {MediaDevices} */
      async enumerateDevices() {
        const devices = await native.call(this);
        return (await place.#isOn()) ? withFilteredCameras(devices) : devices;
      },
    }));
  }

  /** The callback forms would give out the raw camera. */
  #replaceOldCalls() {
    for (const name of ["getUserMedia", "webkitGetUserMedia"]) {
      this.#replacements.replace(this.window.Navigator.prototype, name, () => ({
        /**
         * @this {Navigator} @param {MediaStreamConstraints} constraints
         * @param {(stream: MediaStream) => void} onStream @param {(error: DOMException) => void} onError
         */
        [name](constraints, onStream, onError) {
          this.mediaDevices.getUserMedia(constraints).then(onStream, onError);
        },
      }));
    }
  }

  /** @param {typeof globalThis.MediaStream} Stream */
  #replaceStreamClone(Stream) {
    this.#replacements.replace(Stream.prototype, "clone", (native) => ({
      /** @this {MediaStream} */
      clone() {
        const tracks = this.getTracks();
        if (!tracks.some((track) => faces.has(track))) return native.call(this);
        return new Stream(tracks.map((track) => faces.get(track)?.clone() ?? cloneTrack.call(track)));
      },
    }));
  }

  /** Looks at all elements of the document after a change of `mirror`. */
  mirror() {
    this.#mirrors.lookAtAll(this.window.document);
  }

  /** Replaces the functions of a frame's window before the page gets hold of it. */
  #replaceFrameAccess() {
    const place = this;
    for (const name of ["contentWindow", "contentDocument"]) {
      this.#replacements.replace(this.window.HTMLIFrameElement.prototype, name, (native) => ({
        /** @this {HTMLIFrameElement} */
        [name]() {
          place.reach(this);
          return native.call(this);
        },
      }));
    }
  }

  /** Switches a delayed sound off at its beginning, too. @param {object} prototype of tracks */
  #replaceSetter(prototype) {
    const make = (/** @type {Function} */ native) => ({
      /** @this {MediaStreamTrack} @param {unknown} isEnabled */
      enabled(isEnabled) {
        native.call(this, isEnabled);
        const face = faces.get(this);
        if (face instanceof DelayedMicrophone) face.enable(Boolean(isEnabled));
      },
    });
    this.#replacements.replace(prototype, "enabled", make, "set");
  }

  /**
   * Lets members answer by the face of an object that has one.
   * @param {object} prototype of the objects
   * @param {{prototype: object}} Face
   */
  #askFaces(prototype, Face) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (name === "constructor" || !(name in Face.prototype)) continue;
      this.#replacements.replace(prototype, name, (native) => ({
        /** @this {object} @param {any[]} given */
        [name](...given) {
          const face = faces.get(this);
          if (!face) return native.apply(this, given);
          return typeof face[name] === "function" ? face[name](...given) : face[name];
        },
      }));
    }
  }
}
