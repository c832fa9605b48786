/**
 * Who may import what in static/shim. Imports that run go downwards, and no module reaches itself by them.
 *
 * Types may name any room: what only tsc reads is in no bundle.
 */

/** From above to below. Rooms of one floor do not know each other; the root has the entry points. */
const FLOORS = [
  [""],
  ["page"],
  ["check", "sound"],
  ["session"],
  ["publishing"],
  ["connection"],
  ["camera", "settings"],
  ["picture"],
  ["base"],
];
const MODULE = /^shim\/(?:(\w+)\/)?(\w+\.js)$/;

/**
 * @param {import("esbuild").Metafile["inputs"]} inputs of a bundle, by path relative to static/
 * @returns {string[]} what is wrong
 */
export function faultsOfRooms(inputs) {
  const faults = [];
  for (const [path, { imports }] of Object.entries(inputs)) {
    const room = roomOf(path);
    if (room === null) continue;
    if (floorOf(room) < 0) {
      faults.push(`${path}: deploy/shim_rooms.mjs has no floor for the room ${room}`);
    }
    for (const { path: imported } of imports) {
      const below = roomOf(imported);
      if (below === null || below === room || floorOf(below) > floorOf(room)) continue;
      faults.push(`${path} imports ${imported}, which is not below it`);
    }
  }
  const circle = circleIn(inputs);
  if (circle) faults.push(`imports in a circle: ${circle.join(" > ")}`);
  return faults;
}

/** @param {string} path @returns {string | null} null outside static/shim */
function roomOf(path) {
  const found = MODULE.exec(path);
  return found && (found[1] ?? "");
}

/** @param {string} room */
function floorOf(room) {
  return FLOORS.findIndex((rooms) => rooms.includes(room));
}

/** @param {import("esbuild").Metafile["inputs"]} inputs @returns {string[] | null} the first one found */
function circleIn(inputs) {
  /** @type {Set<string>} */
  const seen = new Set();
  /** @param {string} path @param {string[]} above @returns {string[] | null} */
  const follow = (path, above) => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path];
    if (seen.has(path)) return null;
    seen.add(path);
    for (const { path: imported } of inputs[path]?.imports ?? []) {
      const circle = follow(imported, [...above, path]);
      if (circle) return circle;
    }
    return null;
  };
  for (const path of Object.keys(inputs)) {
    const circle = follow(path, []);
    if (circle) return circle;
  }
  return null;
}
