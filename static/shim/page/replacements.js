/**
 * Functions and getters of ours in the place of the browser's own.
 */

export class Replacements {
  /** @type {(() => void)[]} */
  #undos = [];

  /**
   * Replaces a native function or accessor by one that is equal to it in name, length and attributes.
   * @param {object} prototype
   * @param {string} name
   * @param {(native: Function) => Record<string, Function>} make an object with a method of that name: a method is no
   *   constructor, as native functions are not
   * @param {'get' | 'set' | 'value'} [wanted] by default the getter where there is one
   */
  replace(prototype, name, make, wanted) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
    if (!descriptor) return;
    const kind = wanted ?? (descriptor.get ? "get" : "value");
    const native = descriptor[kind];
    const ours = make(native)[name];
    const about = { configurable: true, enumerable: false, writable: false };
    Object.defineProperty(ours, "name", { ...about, value: kind === "value" ? name : `${kind} ${name}` });
    Object.defineProperty(ours, "length", { ...about, value: native.length });
    Object.defineProperty(prototype, name, { ...descriptor, [kind]: ours });
    this.#undos.push(() => {
      // A later script may have put its own there, which calls ours.
      const isOurs = Object.getOwnPropertyDescriptor(prototype, name)?.[kind] === ours;
      if (isOurs) Object.defineProperty(prototype, name, descriptor);
    });
  }

  /** Puts the browser's own back. */
  undo() {
    for (const undo of this.#undos.splice(0)) undo();
  }
}
