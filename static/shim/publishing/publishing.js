/**
 * Which of the page's sessions publishes: one at a time, as long as the page wants it.
 */

/**
 * @import { P2PCameraPublication } from "../api.js"
 * @import { CameraSession } from "../session/camera_session.js"
 * @import { PublishWish } from "../settings/settings.js"
 */

export class Publishing {
  #wish;
  /** The one that publishes, or is to. @type {CameraSession | null} */
  #session = null;

  /** @param {PublishWish | null} wish of the script tag */
  constructor(wish) {
    this.#wish = wish;
  }

  /** @returns {P2PCameraPublication | null} */
  get told() {
    return this.#session?.publication ?? null;
  }

  /** Lets a new session publish, unless another one does. @param {CameraSession} session */
  begin(session) {
    if (this.#wish === null || this.#session !== null) return;
    this.#session = session;
    session.wantPublished(this.#wish);
  }

  /**
   * @param {PublishWish} wish @param {readonly CameraSession[]} sessions that are open
   * @returns {Promise<P2PCameraPublication | null>} null: the next camera is published
   * @throws {Fault}
   */
  async to(wish, sessions) {
    this.#wish = wish;
    this.#session ??= sessions.at(-1) ?? null;
    return (await this.#session?.publish(wish)) ?? null;
  }

  async end() {
    const session = this.#session;
    this.#wish = this.#session = null;
    await session?.unpublish();
  }

  /** Takes note of news. @param {CameraSession} session @param {P2PCameraPublication | null} publication */
  note(session, publication) {
    if (session !== this.#session || this.#wish === null) return;
    if (publication === null) this.#wish = this.#session = null;
    else this.#wish = { ...this.#wish, name: publication.name };
  }

  /**
   * Lets another one publish in the place of a session that has ended.
   * @param {CameraSession} session @param {readonly CameraSession[]} sessions that are open
   */
  noteEnd(session, sessions) {
    if (session !== this.#session) return;
    this.#session = null;
    const wish = this.#wish;
    // A page that goes away ends all of them, one after the other.
    queueMicrotask(() => {
      const other = sessions.filter(({ isOpen }) => isOpen).at(-1);
      if (wish === null || other === undefined || this.#session !== null || wish !== this.#wish) return;
      this.to(wish, [other]).catch((error) => console.warn(`p2pcamera: ${error.message}`));
    });
  }
}
