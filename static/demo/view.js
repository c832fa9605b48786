/** The elements of index.html by role. */

export function pageElements() {
  return {
    language: element("language", HTMLSelectElement),
    theme: element("theme", HTMLButtonElement),
    copy: element("copy", HTMLButtonElement),
    share: element("share", HTMLButtonElement),
    split: element("split", HTMLElement),
    divider: element("divider", HTMLElement),
    original: element("original", HTMLVideoElement),
    filtered: element("filtered", HTMLVideoElement),
    originalPoster: element("original-poster", HTMLCanvasElement),
    filteredPoster: element("filtered-poster", HTMLCanvasElement),
    originalSize: element("original-size", HTMLElement),
    filteredSize: element("filtered-size", HTMLElement),
    filteredTitle: element("filtered-title", HTMLElement),
    recording: element("recording", HTMLElement),
    recordingTime: element("recording-time", HTMLElement),
    start: element("start", HTMLButtonElement),
    message: element("message", HTMLElement),
    messageOnPicture: element("message-on-picture", HTMLElement),
    whispered: element("whispered", HTMLElement),
    snapshot: element("snapshot", HTMLButtonElement),
    record: element("record", HTMLButtonElement),
    mirror: element("mirror", HTMLButtonElement),
    fullscreen: element("fullscreen", HTMLButtonElement),
    tokenForm: element("token-form", HTMLFormElement),
    token: element("token", HTMLInputElement),
    filterForm: element("filter-form", HTMLFormElement),
    filters: {
      well: element("filters", HTMLElement),
      apart: element("filters-apart", HTMLElement),
      ill: element("filters-ill", HTMLElement),
    },
    chain: {
      form: element("parameter-form", HTMLFormElement),
      members: element("parameters", HTMLElement),
      adding: element("adding", HTMLElement),
      add: element("add-filter", HTMLSelectElement),
    },
    takes: element("takes", HTMLElement),
    takesList: element("takes-list", HTMLElement),
    camera: {
      panel: element("camera-panel", HTMLElement),
      select: element("camera", HTMLSelectElement),
      turn: element("turn-camera", HTMLButtonElement),
    },
    measured: {
      total: element("latency", HTMLElement),
      figures: element("figures", HTMLElement),
      stages: element("stages", HTMLElement),
      plot: element("latency-plot", HTMLCanvasElement),
    },
    live: {
      begin: element("live-begin", HTMLButtonElement),
      sound: element("live-sound", HTMLInputElement),
      message: element("live-message", HTMLElement),
      link: element("live-link", HTMLElement),
      code: element("live-code", SVGElement),
      address: element("live-address", HTMLAnchorElement),
      viewers: element("live-viewers", HTMLElement),
      copy: element("live-copy", HTMLButtonElement),
      phone: element("live-phone", HTMLButtonElement),
      phonePart: element("live-phone-part", HTMLElement),
      phoneCode: element("live-phone-code", SVGElement),
      phoneAddress: element("live-phone-address", HTMLElement),
      phoneCopy: element("live-phone-copy", HTMLButtonElement),
      phoneNote: element("live-phone-note", HTMLElement),
    },
    doctor: {
      list: element("doctor-steps", HTMLElement),
      outcome: element("doctor-outcome", HTMLElement),
      run: element("doctor-run", HTMLButtonElement),
      copy: element("doctor-copy", HTMLButtonElement),
    },
  };
}

/** @param {HTMLVideoElement} video */
export function sizeOf({ srcObject, videoWidth, videoHeight }) {
  return srcObject && videoWidth ? `${videoWidth} × ${videoHeight}` : "";
}

/**
 * @template {Element} T
 * @param {string} id @param {new () => T} type
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`index.html has no ${type.name} with the id ${id}`);
}
