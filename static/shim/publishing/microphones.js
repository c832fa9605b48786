/**
 * The microphones that the page has been given, as the browser gave them: the page mutes and stops them.
 */

export class Microphones {
  /** @type {MediaStreamTrack[]} */
  #given = [];

  /** @param {MediaStreamTrack} microphone */
  note(microphone) {
    this.#given = [...this.#given.filter(isLive), microphone];
  }

  /** The one that the page has had for longest, of those that it has not stopped. */
  get current() {
    return this.#given.find(isLive) ?? null;
  }
}

/** @param {MediaStreamTrack} track */
function isLive({ readyState }) {
  return readyState === "live";
}
