// @ts-check
"use strict";
// What any page does: getUserMedia as always. The raw camera, for comparison, was put aside by reader.js.

/** @type {any} */ (window).opened = (async () => {
  const original = /** @type {HTMLVideoElement} */ (document.getElementById("original"));
  const filtered = /** @type {HTMLVideoElement} */ (document.getElementById("filtered"));
  const { meter, rawGetUserMedia } = /** @type {any} */ (window);
  const wanted = { video: { width: 640, height: 480, frameRate: 30 } };

  original.srcObject = await rawGetUserMedia(wanted);
  meter.watch("original", original);
  meter.watch("filtered", filtered);
  const began = performance.now();
  const stream = await navigator.mediaDevices.getUserMedia(wanted);
  /** @type {any} */ (window).stream = stream;
  filtered.srcObject = stream;
  return { afterMs: performance.now() - began, began };
})();
