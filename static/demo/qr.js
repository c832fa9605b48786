/**
 * A QR code (ISO/IEC 18004) of a text: bytes, error correction of level M, versions 1 to 20.
 *
 * Why the page has an encoder of its own: docs/decisions/0016-qr-codes-in-the-page.md.
 *
 * Numbers of sections and tables in the comments are those of ISO/IEC 18004:2015.
 */

const LARGEST_VERSION = 20;
/** Codewords of error correction in each block, by version (table 9, level M). */
const CHECKS = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26];
/** Blocks, by version (table 9, level M). */
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];
const BYTE_MODE = 0b0100;
const PADDING = [0b11101100, 0b00010001];
/** Modulo x^8 + x^4 + x^3 + x^2 + 1 (section 7.5.2). */
const FIELD = 0b100011101;
/** Of format and version information (annexes C and D). */
const FORMAT_CODE = 0b10100110111;
const FORMAT_MASK = 0b101010000010010;
const VERSION_CODE = 0b1111100100101;
const LEVEL_M = 0b00;

/** By reference (table 10); `x` counts columns, `y` rows. @type {((x: number, y: number) => boolean)[]} */
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** @typedef {boolean[][]} Modules rows of modules; true: dark */

/** @param {string} text @returns {Modules | null} without the quiet zone; null where the text is too long */
export function qrCode(text) {
  const bytes = [...new TextEncoder().encode(text)];
  for (let version = 1; version <= LARGEST_VERSION; version += 1) {
    const codewords = codewordsOf(bytes, version);
    if (codewords) return drawn(codewords, version);
  }
  return null;
}

/** @param {Modules} modules @returns {string} the dark ones as the path of an SVG, whose unit is one module */
export function pathOf(modules) {
  const dark = modules.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : [])));
  return dark.join("");
}

/** @param {number[]} bytes @param {number} version @returns {number[] | null} null where they do not fit */
function codewordsOf(bytes, version) {
  const blocks = BLOCKS[version - 1];
  const checks = CHECKS[version - 1];
  const all = capacity(version);
  const room = all - blocks * checks;
  const countBits = version < 10 ? 8 : 16;
  if (4 + countBits + 8 * bytes.length > 8 * room) return null;
  const bits = [...bitsOf(BYTE_MODE, 4), ...bitsOf(bytes.length, countBits)];
  for (const byte of bytes) bits.push(...bitsOf(byte, 8));
  bits.push(...Array(Math.min(4, 8 * room - bits.length)).fill(0));
  bits.push(...Array(-bits.length & 7).fill(0));
  /** @type {number[]} */
  const data = [];
  for (let at = 0; at < bits.length; at += 8) data.push(Number.parseInt(bits.slice(at, at + 8).join(""), 2));
  for (let index = 0; data.length < room; index += 1) data.push(PADDING[index % 2]);
  // The last blocks have one more, where they cannot be equal (section 7.6).
  const short = Math.floor(room / blocks);
  const shortBlocks = blocks - (room % blocks);
  const divisor = divisorOf(checks);
  let from = 0;
  const parts = Array.from({ length: blocks }, (_, index) => {
    const own = data.slice(from, (from += short + (index < shortBlocks ? 0 : 1)));
    return { own, checks: remainder(own, divisor) };
  });
  const made = [];
  for (let at = 0; at <= short; at += 1) made.push(...parts.flatMap(({ own }) => own.slice(at, at + 1)));
  for (let at = 0; at < checks; at += 1) made.push(...parts.map((part) => part.checks[at]));
  return made;
}

/** @param {number} version @returns {number} codewords that a code has room for (table 1) */
function capacity(version) {
  const side = 17 + 4 * version;
  const { length } = centresOf(version);
  const finders = 3 * 64 + 2 * 15 + 1;
  // Those on the timing patterns share five modules with them.
  const alignment = length > 0 ? 25 * (length ** 2 - 3) - 10 * (length - 2) : 0;
  const versions = version < 7 ? 0 : 36;
  return (side ** 2 - finders - 2 * (side - 16) - alignment - versions) >> 3;
}

/** @param {number} version @returns {number[]} centres of the alignment patterns, as rows and columns (annex E) */
function centresOf(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const last = 10 + 4 * version;
  const step = 2 * Math.ceil((last - 6) / (count - 1) / 2);
  return [6, ...Array.from({ length: count - 1 }, (_, index) => last - step * (count - 2 - index))];
}

/** @param {number[]} codewords @param {number} version @returns {Modules} with the mask that reads best */
function drawn(codewords, version) {
  const side = 17 + 4 * version;
  /** @type {(boolean | null)[][]} null: free for data */
  const fixed = Array.from({ length: side }, () => Array(side).fill(null));
  drawFixed(fixed, version);
  const order = [...freeModules(fixed)];
  const bits = codewords.flatMap((codeword) => bitsOf(codeword, 8));
  /** @type {{modules: Modules, penalty: number}[]} */
  const made = MASKS.map((isMasked, mask) => {
    const modules = fixed.map((row) => row.map((module) => module === true));
    order.forEach(([x, y], index) => {
      modules[y][x] = (bits[index] === 1) !== isMasked(x, y);
    });
    drawFormat(modules, mask);
    return { modules, penalty: penaltyOf(modules) };
  });
  return made.reduce((best, one) => (one.penalty < best.penalty ? one : best)).modules;
}

/** @param {(boolean | null)[][]} fixed @param {number} version */
function drawFixed(fixed, version) {
  const side = fixed.length;
  for (let at = 0; at < side; at += 1) fixed[6][at] = fixed[at][6] = at % 2 === 0;
  for (const [left, top] of [
    [0, 0],
    [side - 7, 0],
    [0, side - 7],
  ]) {
    for (let y = -1; y <= 7; y += 1) {
      for (let x = -1; x <= 7; x += 1) {
        const ring = Math.max(Math.abs(x - 3), Math.abs(y - 3));
        if (fixed[top + y]?.[left + x] !== undefined) fixed[top + y][left + x] = ring !== 2 && ring !== 4;
      }
    }
  }
  const centres = centresOf(version);
  const last = centres.at(-1);
  for (const row of centres) {
    for (const column of centres) {
      const isAtFinder = (row === 6 && (column === 6 || column === last)) || (row === last && column === 6);
      if (isAtFinder) continue;
      for (let y = -2; y <= 2; y += 1) {
        for (let x = -2; x <= 2; x += 1) {
          fixed[row + y][column + x] = Math.max(Math.abs(x), Math.abs(y)) !== 1;
        }
      }
    }
  }
  // Reserved until the mask is known.
  for (let at = 0; at < 9; at += 1) fixed[8][at] ??= fixed[at][8] ??= false;
  for (let at = side - 8; at < side; at += 1) fixed[8][at] = fixed[at][8] = false;
  if (version >= 7) {
    const bits = bitsOf(withChecks(version, VERSION_CODE, 12), 18).reverse();
    bits.forEach((bit, index) => {
      const [near, far] = [Math.floor(index / 3), side - 11 + (index % 3)];
      fixed[near][far] = fixed[far][near] = bit === 1;
    });
  }
}

/**
 * Columns in pairs from the right, upwards and downwards in turn (section 7.7.3).
 * @param {(boolean | null)[][]} fixed @returns {Generator<[number, number]>} places as x, y
 */
function* freeModules(fixed) {
  const side = fixed.length;
  for (let pair = 0, right = side - 1; right > 0; pair += 1, right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < side; step += 1) {
      const y = pair % 2 === 0 ? side - 1 - step : step;
      for (const x of [right, right - 1]) if (fixed[y][x] === null) yield [x, y];
    }
  }
}

/** @param {Modules} modules @param {number} mask */
function drawFormat(modules, mask) {
  const side = modules.length;
  const format = withChecks((LEVEL_M << 3) | mask, FORMAT_CODE, 10) ^ FORMAT_MASK;
  // From the most significant one, beside the upper left finder, and beside the two others (figure 25).
  bitsOf(format, 15).forEach((bit, index) => {
    const isDark = bit === 1;
    const along = index < 6 ? index : index < 8 ? index + 1 : 15 - index;
    if (index < 8) modules[8][along] = isDark;
    else modules[index === 8 ? 7 : 14 - index][8] = isDark;
    if (index < 7) modules[side - 1 - index][8] = isDark;
    else modules[8][side - 15 + index] = isDark;
  });
  modules[side - 8][8] = true;
}

/** @param {Modules} modules @returns {number} how hard it is to read (section 7.8.3) */
function penaltyOf(modules) {
  const side = modules.length;
  const columns = modules.map((_, x) => modules.map((row) => row[x]));
  const lines = [...modules, ...columns].map((line) => line.map((isDark) => (isDark ? "1" : "0")).join(""));
  let penalty = 0;
  for (const line of lines) {
    for (const [run] of line.matchAll(/0{5,}|1{5,}/g)) penalty += run.length - 2;
    penalty += 40 * [...line.matchAll(/(?=10111010000|00001011101)/g)].length;
  }
  for (let y = 1; y < side; y += 1) {
    for (let x = 1; x < side; x += 1) {
      const one = modules[y][x];
      const isBlock = one === modules[y - 1][x] && one === modules[y][x - 1] && one === modules[y - 1][x - 1];
      if (isBlock) penalty += 3;
    }
  }
  const dark = modules.flat().filter(Boolean).length;
  return penalty + 10 * Math.floor(Math.abs((100 * dark) / side ** 2 - 50) / 5);
}

/** @param {number} value @param {number} length @returns {number[]} bits, the most significant one first */
function bitsOf(value, length) {
  return Array.from({ length }, (_, index) => (value >> (length - 1 - index)) & 1);
}

/**
 * Appends the checks of a BCH code.
 * @param {number} value @param {number} code generator polynomial @param {number} length of the checks
 */
function withChecks(value, code, length) {
  let rest = value << length;
  for (let bit = 30; bit >= length; bit -= 1) if ((rest >> bit) & 1) rest ^= code << (bit - length);
  return (value << length) | rest;
}

/** @param {number} a @param {number} b @returns {number} their product in the field of 256 elements */
function product(a, b) {
  let made = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    made = (made << 1) ^ (made & 0x80 ? FIELD : 0) ^ ((b >> bit) & 1 ? a : 0);
  }
  return made;
}

/** @param {number} degree @returns {number[]} the generator polynomial without its first coefficient (annex A) */
function divisorOf(degree) {
  let divisor = [1];
  let root = 1;
  for (let count = 0; count < degree; count += 1) {
    const by = root;
    divisor = [...divisor, 0].map((one, index) => one ^ (index > 0 ? product(divisor[index - 1], by) : 0));
    root = product(root, 2);
  }
  return divisor.slice(1);
}

/** @param {number[]} data @param {number[]} divisor @returns {number[]} codewords of error correction (section 7.5.2) */
function remainder(data, divisor) {
  const rest = Array(divisor.length).fill(0);
  for (const byte of data) {
    const factor = byte ^ rest[0];
    rest.shift();
    rest.push(0);
    divisor.forEach((one, index) => {
      rest[index] ^= product(one, factor);
    });
  }
  return rest;
}
