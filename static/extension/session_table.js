/**
 * Which page's document has opened which session.
 *
 * The table lasts as long as the browser runs. The service worker does not: Chrome ends it after half a
 * minute without work.
 */

/** @typedef {{document: string, tab: number}} Owner */

const KEY = "sessions";

export class SessionTable {
  /** @type {Promise<Map<string, Owner>> | null} */
  #rows = null;

  /** @param {string} id @param {Owner} owner */
  async add(id, owner) {
    (await this.#read()).set(id, owner);
    await this.#write();
  }

  /** @param {string} id @param {string} document @returns {Promise<boolean>} */
  async isOf(id, document) {
    return (await this.#read()).get(id)?.document === document;
  }

  /** @param {string} id */
  async remove(id) {
    if ((await this.#read()).delete(id)) await this.#write();
  }

  /** @param {(owner: Owner) => boolean} isMeant @returns {Promise<string[]>} ids */
  async where(isMeant) {
    return [...(await this.#read())].filter(([, owner]) => isMeant(owner)).map(([id]) => id);
  }

  /** @returns {Promise<Map<string, Owner>>} */
  #read() {
    this.#rows ??= chrome.storage.session
      .get({ [KEY]: [] })
      .then((stored) => new Map(/** @type {[string, Owner][]} */ (stored[KEY])));
    return this.#rows;
  }

  async #write() {
    await chrome.storage.session.set({ [KEY]: [...(await this.#read())] });
  }
}
