/**
 * The browser's own functions, taken before a later script of the page replaces them.
 *
 * A browser that lacks one of them has no camera either, or lacks what the member is for.
 */

const trackPrototype = globalThis.MediaStreamTrack?.prototype ?? {};
const framePrototype = globalThis.HTMLIFrameElement?.prototype ?? {};

export const {
  RTCPeerConnection,
  fetch: fetchNative,
  ImageCapture,
  AudioContext,
  DelayNode,
  GainNode,
  MediaStreamAudioDestinationNode,
  MediaStreamAudioSourceNode,
} = globalThis;

export const {
  stop: stopTrack,
  clone: cloneTrack,
  getSettings: getTrackSettings,
  getConstraints: getTrackConstraints,
  getCapabilities: getTrackCapabilities,
  applyConstraints: applyTrackConstraints,
} = trackPrototype;

export const { grabFrame } = globalThis.ImageCapture?.prototype ?? {};

export const labelOf = getterOf(trackPrototype, "label");
export const photographedTrackOf = getterOf(globalThis.ImageCapture?.prototype ?? {}, "track");
export const isMutedOf = getterOf(trackPrototype, "muted");
export const statsOf = getterOf(trackPrototype, "stats");

/** @type {() => (Window & typeof globalThis) | null} */
export const contentWindowOf = getterOf(framePrototype, "contentWindow") ?? (() => null);

/** @param {object} prototype @param {string} name @returns {(() => any) | undefined} */
function getterOf(prototype, name) {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get;
}
