/**
 * What stands behind objects that the page holds.
 *
 * The browser's own functions and getters, once replaced, look here. They answer with the member of the same
 * name.
 * @type {WeakMap<object, any>}
 */
export const faces = new WeakMap();
