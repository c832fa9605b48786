/**
 * A drawn portrait in place of a picture that has not come yet, as a camera or a filter would show it.
 *
 * The drawing only suggests a filter's look. Filters that this file does not know get a tint made from their
 * name.
 */

const WIDTH = 320;
const HEIGHT = 240;

/**
 * @typedef {'sky' | 'sun' | 'far' | 'near' | 'hair' | 'neck' | 'shirt' | 'collar' | 'face' | 'fringe' | 'ear' | 'cheek'} Part
 * @typedef {{fills: Record<Part, string | [string, string]>, line: {colour: string, width: number} | null}} Paint
 */

/** From back to front, in a space of 320 by 240. @type {[Part, string][]} */
const PARTS = [
  ["sky", "M0 0H320V240H0Z"],
  ["sun", "M236 58m-30 0a30 30 0 1 0 60 0a30 30 0 1 0-60 0"],
  ["far", "M-10 190L62 108L76 118L90 104L104 120L116 110L190 190Z"],
  ["near", "M-10 200C60 168 110 186 170 178S280 160 330 184V250H-10Z"],
  [
    "hair",
    "M110 130C104 60 140 38 168 40C204 40 226 72 218 128C216 150 222 166 226 176C196 186 132 188 102 176C108 164 112 150 110 130Z",
  ],
  ["neck", "M148 150H184V192C176 202 156 202 148 192Z"],
  ["shirt", "M60 250C62 212 96 198 146 186C152 202 180 202 186 186C236 198 270 212 272 250Z"],
  ["collar", "M146 186L134 200L152 216L166 202L180 216L198 200L186 186C180 202 152 202 146 186Z"],
  ["ear", "M122 118c-8-4-11 6-7 15c3 8 9 9 12 5ZM210 118c8-4 11 6 7 15c-3 8-9 9-12 5Z"],
  [
    "face",
    "M122 104C122 72 142 60 166 60C190 60 210 72 210 104C210 142 190 166 166 166C142 166 122 142 122 104Z",
  ],
  ["cheek", "M140 132m-9 0a9 6 0 1 0 18 0a9 6 0 1 0-18 0M192 132m-9 0a9 6 0 1 0 18 0a9 6 0 1 0-18 0"],
  [
    "fringe",
    "M118 112C116 70 140 50 168 52C198 52 216 74 214 110C206 100 200 90 198 80C182 94 150 98 136 84C132 96 126 104 118 112Z",
  ],
];
const FEATURES = "M138 116q8-9 17 0M177 116q8-9 17 0M150 141q16 14 32 0M166 120q-4 9 1 11";

/** @type {Record<Part, string | [string, string]>} */
const AS_SEEN = {
  sky: ["#f7b98a", "#6f9fc7"],
  sun: ["#fff3cf", "#ffd58a"],
  far: ["#8aa0bd", "#6c7f9f"],
  near: ["#7c9573", "#4c6650"],
  hair: ["#4a352c", "#1f1512"],
  neck: ["#d09a7a", "#b47c5e"],
  shirt: ["#3f7f86", "#275a63"],
  collar: ["#eef0ea", "#c9cfcb"],
  ear: ["#dca584", "#c28a6a"],
  face: ["#f2c8a8", "#d99f7d"],
  cheek: ["#e8947f66", "#e8947f22"],
  fringe: ["#5a4235", "#2b1d17"],
};
/** @type {Record<Part, string>} */
const INKED = {
  sky: "#f3d9b8",
  sun: "#fff1c9",
  far: "#9db4cd",
  near: "#8fae86",
  hair: "#3b2a26",
  neck: "#dfa988",
  shirt: "#4f9aa0",
  collar: "#fbf8ef",
  ear: "#eab898",
  face: "#f8d3b4",
  cheek: "#f0a58e",
  fringe: "#4b362e",
};
/** @type {Record<Part, string>} */
const BODY_PARTS = {
  sky: "#12141b",
  sun: "#12141b",
  far: "#12141b",
  near: "#12141b",
  hair: "#f3e13c",
  neck: "#2fb37a",
  shirt: "#2a788e",
  collar: "#2a788e",
  ear: "#f3e13c",
  face: "#b8de29",
  cheek: "#b8de29",
  fringe: "#f3e13c",
};

/**
 * Draws the portrait, filling the canvas.
 * @param {HTMLCanvasElement} canvas of any size with sides of about 4 to 3
 * @param {string} filter name; empty: as the camera sees it
 */
export function drawScene(canvas, filter) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const scale = Math.max(canvas.width / WIDTH, canvas.height / HEIGHT);
  context.setTransform(
    scale,
    0,
    0,
    scale,
    (canvas.width - WIDTH * scale) / 2,
    (canvas.height - HEIGHT * scale) / 2,
  );
  if (filter === "ink") paint(context, { fills: INKED, line: { colour: "#1c1714", width: 3 } });
  else if (filter === "densepose") paint(context, { fills: BODY_PARTS, line: null });
  else paint(context, { fills: AS_SEEN, line: null });
  if (filter === "invert") cover(context, "difference", "#ffffff");
  else if (!["", "ink", "densepose", "passthrough"].includes(filter)) {
    cover(context, "color", `hsl(${hueOf(filter)} 70% 50%)`);
  }
}

/** @param {CanvasRenderingContext2D} context @param {Paint} how */
function paint(context, { fills, line }) {
  context.lineJoin = context.lineCap = "round";
  for (const [part, outline] of PARTS) {
    const path = new Path2D(outline);
    context.fillStyle = fillOf(context, fills[part]);
    context.fill(path);
    if (!line || part === "sky" || part === "cheek") continue;
    Object.assign(context, { strokeStyle: line.colour, lineWidth: line.width });
    context.stroke(path);
  }
  if (fills === BODY_PARTS) return;
  Object.assign(context, { strokeStyle: line?.colour ?? "#4a2f26", lineWidth: line?.width ?? 2.4 });
  context.stroke(new Path2D(FEATURES));
}

/** @param {CanvasRenderingContext2D} context @param {string | [string, string]} fill */
function fillOf(context, fill) {
  if (typeof fill === "string") return fill;
  const gradient = context.createLinearGradient(40, 0, 260, HEIGHT);
  for (const [index, colour] of fill.entries()) gradient.addColorStop(index, colour);
  return gradient;
}

/** @param {CanvasRenderingContext2D} context @param {GlobalCompositeOperation} how @param {string} colour */
function cover(context, how, colour) {
  context.globalCompositeOperation = how;
  context.fillStyle = colour;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.globalCompositeOperation = "source-over";
}

/** @param {string} name @returns {number} always the same for the same name */
function hueOf(name) {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 3600;
  return hash / 10;
}
