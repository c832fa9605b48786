// @ts-check
"use strict";
// What a page can see of a camera, told in words that can be compared: loaded in a page with the shim, and in
// one without, where the same questions go to the browser's own camera.

(() => {
  /** @type {MediaStreamTrack[]} */
  const opened = [];
  const FILTERED = " (filtered)";
  const isFiltered = "p2pcamera" in window;

  const allCameras = async () => {
    const devices = await navigator.mediaDevices.enumerateDevices();
    // Chromium's second made-up camera gives depths, which no connection sends.
    return devices.filter(({ kind, label }) => kind === "videoinput" && !label.startsWith("fake_device_1"));
  };

  /** @param {MediaStreamConstraints} constraints */
  const openStream = async (constraints) => {
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    opened.push(...stream.getTracks());
    return stream;
  };

  const manners = {
    openStream,

    /** @param {boolean | MediaTrackConstraints} [video] */
    async open(video = true) {
      return (await openStream({ video })).getVideoTracks()[0];
    },

    /** @returns {Promise<MediaDeviceInfo[]>} with the shim the filtered ones */
    async cameras() {
      const cameras = await allCameras();
      return cameras.filter(({ label }) => label.endsWith(FILTERED) === isFiltered);
    },

    /** @returns {Promise<MediaDeviceInfo[]>} the only one twice where there is but one */
    async twoCameras() {
      const [first, second = first] = await manners.cameras();
      return [first, second];
    },

    async rawCameras() {
      const cameras = await allCameras();
      return cameras.filter(({ label }) => !label.endsWith(FILTERED)).map((camera) => camera.toJSON());
    },

    /** @param {(page: object) => Promise<unknown>} question @returns {Promise<string>} JSON */
    async answer(question) {
      try {
        return JSON.stringify(await question(manners));
      } finally {
        for (const track of opened.splice(0)) track.stop();
      }
    },

    /** @param {Promise<unknown>} promise */
    async failure(promise) {
      const error = await promise.then(
        () => null,
        (reason) => reason,
      );
      const kind = Object.prototype.toString.call(error);
      // Firefox keeps the class to itself.
      const Class = /** @type {any} */ (window).OverconstrainedError ?? Object;
      return error && [kind, error.name, error.constraint, error.message, error instanceof Class];
    },

    /** @param {MediaStreamTrack} track @param {(frame: any) => boolean} isWanted @returns {Promise<any>} */
    async frame(track, isWanted) {
      const Processor = /** @type {any} */ (window).MediaStreamTrackProcessor;
      if (!Processor) return manners.shown(track, isWanted);
      const reader = new Processor({ track, maxBufferSize: 1 }).readable.getReader();
      let last = "no frame at all";
      const timer = setTimeout(() => reader.cancel(), 8_000);
      try {
        for (;;) {
          const { value: frame, done } = await reader.read();
          if (done) return `waited in vain, the last was ${last}`;
          const size = [frame.displayWidth, frame.displayHeight];
          const isFound = isWanted(frame);
          frame.close();
          if (isFound) return size;
          last = size.join("x");
        }
      } finally {
        clearTimeout(timer);
        reader.cancel().catch(() => {});
      }
    },

    /**
     * What `frame` is where frames can only be seen in an element.
     * @param {MediaStreamTrack} track @param {(frame: any) => boolean} isWanted @returns {Promise<any>}
     */
    async shown(track, isWanted) {
      const video = document.createElement("video");
      Object.assign(video, { srcObject: new MediaStream([track]), muted: true });
      await video.play();
      const until_ms = performance.now() + 8_000;
      const size = () => [video.videoWidth, video.videoHeight];
      // A camera that has not changed in so many frames does not change.
      for (let count = 0; count < 150 && performance.now() < until_ms; count += 1) {
        const { mediaTime } = await new Promise((resolve) => {
          video.requestVideoFrameCallback((_, metadata) => resolve(metadata));
          setTimeout(() => resolve({ mediaTime: video.currentTime }), 1_000);
        });
        const [displayWidth, displayHeight] = size();
        if (isWanted({ displayWidth, displayHeight, timestamp: mediaTime * 1e6 })) return size();
      }
      return `waited in vain, the last was ${size().join("x")}`;
    },

    /** @param {MediaStreamTrack} track @param {number} width @param {number} height */
    sized(track, width, height) {
      return manners.frame(track, (frame) => frame.displayWidth === width && frame.displayHeight === height);
    },

    /** @param {MediaStreamTrack} track @returns {Promise<number>} between its next frames, the median */
    async interval_ms(track) {
      /** @type {number[]} */
      const at_us = [];
      await manners.frame(track, (frame) => at_us.push(frame.timestamp) === 7);
      const intervals = at_us.slice(1).map((time_us, index) => (time_us - at_us[index]) / 1000);
      return intervals.toSorted((a, b) => a - b)[intervals.length >> 1];
    },

    /**
     * By the clock, since Firefox may call back for no frame of a track that is off.
     * @param {MediaStreamTrack} track
     * @returns {Promise<boolean>} whether the picture is without any light, once it is as `enabled` says or after 8 s
     */
    async isDark(track) {
      const video = document.createElement("video");
      Object.assign(video, { srcObject: new MediaStream([track]), muted: true });
      await video.play();
      const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (
        new OffscreenCanvas(1, 1).getContext("2d")
      );
      const until_ms = performance.now() + 8_000;
      for (;;) {
        pen.drawImage(video, 0, 0, 1, 1);
        const [red, green, blue, opacity] = pen.getImageData(0, 0, 1, 1).data;
        const isDark = Math.max(red, green, blue) < 20;
        if ((opacity && isDark !== track.enabled) || performance.now() > until_ms) return isDark;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    },

    /** @param {object} prototype */
    members(prototype) {
      return Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([key, descriptor]) => {
        const { value, get, set, ...flags } = descriptor;
        const about = [value, get, set].map(
          (one) => typeof one === "function" && [one.name, one.length, Object.hasOwn(one, "prototype")],
        );
        return [key, about, flags];
      });
    },
  };
  Object.assign(window, { manners });
})();
