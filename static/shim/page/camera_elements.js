/**
 * The elements by which a page asks for a camera: `<usermedia>` has a stream, `<camera>` a track.
 *
 * The browser sets them, and says so by an event. The page sees neither before the filtered camera is there.
 */

/** @import { Place } from "./place.js" */
/** @import { Replacements } from "./replacements.js" */

/** @typedef {{raw: object, seen: object | null, error: DOMException | null}} Answer what stands behind one element */

/** What has the answer, which is also the name of the event that tells of it. */
const KINDS = { HTMLUserMediaElement: "stream", HTMLCameraElement: "track" };

export class CameraElements {
  #place;
  #filter;
  /** @type {WeakMap<object, Answer>} */
  #answers = new WeakMap();
  /** What the page has asked of an element. @type {WeakMap<object, MediaTrackConstraints>} */
  #asked = new WeakMap();
  /** @type {AbortController | null} */
  #listening = null;

  /**
   * @param {Place} place
   * @param {(video: MediaTrackConstraints | true, raw: MediaStream) => Promise<MediaStream>} filter makes the
   *   filtered stream of a raw one, or gives that back where cameras are not filtered now
   */
  constructor(place, filter) {
    this.#place = place;
    this.#filter = filter;
  }

  /** @param {Replacements} replacements @param {(video: any) => any} widened names both ids of a camera */
  install(replacements, widened) {
    const own = /** @type {any} */ (this.#place.window);
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const [name, member] of Object.entries(KINDS)) {
      const { prototype } = own[name] ?? {};
      if (!prototype) continue;
      const native = Object.getOwnPropertyDescriptor(prototype, member)?.get;
      if (!native) continue;
      const elements = this;
      const make = (/** @type {string} */ one, /** @type {(answer: Answer) => any} */ read) => {
        replacements.replace(prototype, one, (before) => ({
          /** @this {HTMLElement} */
          [one]() {
            const answer = elements.#answerOf(this, native, member);
            return answer === null ? before.call(this) : read(answer);
          },
        }));
      };
      make(member, ({ seen }) => seen);
      make("error", ({ error }) => error);
      replacements.replace(prototype, "setConstraints", (before) => ({
        /** @this {HTMLElement} @param {any} constraints */
        setConstraints(constraints) {
          elements.#asked.set(this, constraints?.video ?? constraints ?? true);
          return before.call(this, widened(constraints));
        },
      }));
      own.addEventListener(
        member,
        (/** @type {Event} */ event) => {
          const { target } = event;
          if (!(target instanceof own[name])) return;
          const answer = elements.#answerOf(/** @type {HTMLElement} */ (target), native, member);
          if (answer && answer.seen === null) event.stopImmediatePropagation();
        },
        { capture: true, signal },
      );
    }
  }

  uninstall() {
    this.#listening?.abort();
  }

  /**
   * @param {HTMLElement} element @param {() => any} native getter of what the browser gives
   * @param {string} member
   * @returns {Answer | null} null where the browser gives nothing
   */
  #answerOf(element, native, member) {
    const raw = native.call(element);
    if (!raw) return null;
    const known = this.#answers.get(element) ?? null;
    if (known !== null && known.raw === raw) return known;
    /** @type {Answer} */
    const answer = { raw, seen: null, error: null };
    this.#answers.set(element, answer);
    this.#fill(element, answer, member);
    return answer;
  }

  /** @param {HTMLElement} element @param {Answer} answer @param {string} member */
  async #fill(element, answer, member) {
    const { window } = this.#place;
    const isTrack = member === "track";
    const { raw } = /** @type {any} */ (answer);
    try {
      const stream = isTrack ? new window.MediaStream([raw]) : raw;
      const hasVideo = stream.getVideoTracks().length > 0;
      const filtered = hasVideo ? await this.#filter(this.#asked.get(element) ?? true, stream) : stream;
      answer.seen = isTrack ? filtered.getVideoTracks()[0] : filtered;
      element.dispatchEvent(new window.Event(member));
    } catch (error) {
      answer.error = /** @type {DOMException} */ (error);
      element.dispatchEvent(new window.Event("error"));
    }
  }
}
