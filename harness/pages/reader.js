// @ts-check
"use strict";
// Reads the picture that harness/picture.py draws, and notes when a video element presents which frame.

/**
 * What a picture said, see picture.py.
 * @typedef {{counter: number, mark: number, inverted: boolean}} Code
 * @typedef {{at: number, width: number, height: number, code: Code | null, patch: number[], age: number | null}} Row
 */

const COLUMNS = 16;
const CELL = 4;
const MIN_CONTRAST = 50;
const MAX_COUNTERS = 1024;
// The camera's file begins again after LOOP_S (picture.py): an older match is a frame the original skipped.
const LOOP_MS = 10_000;

class PictureReader {
  #canvas = new OffscreenCanvas(COLUMNS * CELL, 3 * CELL);
  #context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    this.#canvas.getContext("2d", { willReadFrequently: true })
  );

  /**
   * @param {HTMLVideoElement} video
   * @returns {{code: Code | null, patch: number[]}}
   */
  read(video) {
    const width = video.videoWidth;
    const height = video.videoHeight;
    const context = this.#context;
    context.drawImage(video, 0, (height * 5) / 6, width, height / 6, 0, 0, COLUMNS * CELL, 2 * CELL);
    // The middle of the patch only: chroma bleeds over its border.
    context.drawImage(video, width / 32, height / 24, width / 16, height / 12, 0, 2 * CELL, CELL, CELL);
    const pixels = context.getImageData(0, 0, COLUMNS * CELL, 3 * CELL).data;
    return { code: decode(pixels), patch: mean(pixels, 0, 2) };
  }
}

/**
 * @param {Uint8ClampedArray} pixels
 * @param {number} column
 * @param {number} row
 * @returns {number[]} mean RGB of the middle of a cell
 */
function mean(pixels, column, row) {
  const sum = [0, 0, 0];
  for (let y = row * CELL + 1; y < row * CELL + 3; y++) {
    for (let x = column * CELL + 1; x < column * CELL + 3; x++) {
      for (let channel = 0; channel < 3; channel++) {
        sum[channel] += pixels[(y * COLUMNS * CELL + x) * 4 + channel] / 4;
      }
    }
  }
  return sum.map(Math.round);
}

/**
 * @param {Uint8ClampedArray} pixels
 * @returns {Code | null}
 */
function decode(pixels) {
  /** @param {number} row */
  const green = (row) => Array.from({ length: COLUMNS }, (_, column) => mean(pixels, column, row)[1]);
  const top = green(0);
  const bottom = green(1);
  const black = (top[0] + bottom[1]) / 2;
  const white = (top[1] + bottom[0]) / 2;
  if (Math.abs(white - black) < MIN_CONTRAST) return null;
  const inverted = white < black;
  if (top[1] > top[0] === inverted || bottom[0] > bottom[1] === inverted) return null;
  /** @param {number[]} cells */
  const number = (cells) =>
    cells.reduce((bits, cell) => bits * 2 + (cell > (black + white) / 2 !== inverted ? 1 : 0), 0);
  const counter = number(top.slice(2, 12));
  const mark = number([...top.slice(12), ...bottom.slice(2, 6)]);
  const check = (counter * 677 + mark * 331 + 85) % 1021;
  return number(bottom.slice(6)) === check ? { counter, mark, inverted } : null;
}

class Meter {
  /** @type {Map<string, Row[]>} */
  #rows = new Map();
  /** When the original last showed each counter. */
  #originalAt = new Float64Array(MAX_COUNTERS).fill(-Infinity);

  /**
   * Note every frame `video` presents; the one named "original" is what the ages of the others count from.
   * @param {string} name
   * @param {HTMLVideoElement} video
   */
  watch(name, video) {
    const reader = new PictureReader();
    /** @type {Row[]} */
    const rows = [];
    this.#rows.set(name, rows);
    /** @param {number} at */
    const onFrame = (at) => {
      const { code, patch } = reader.read(video);
      let age = null;
      if (code && name === "original") {
        this.#originalAt[code.counter] = at;
      } else if (code) {
        const sinceOriginal = at - this.#originalAt[code.counter];
        age = sinceOriginal < LOOP_MS ? sinceOriginal : null;
      }
      rows.push({ at, width: video.videoWidth, height: video.videoHeight, code, patch, age });
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  }

  /** @param {string} name */
  rows(name) {
    return this.#rows.get(name) ?? [];
  }

  forget() {
    for (const rows of this.#rows.values()) rows.length = 0;
    return performance.now();
  }
}

/** @type {any} */ (window).meter = new Meter();
// Scripts that come later, a shim for one, may replace both of these.
/** @type {any} */ (window).rawGetUserMedia = navigator.mediaDevices.getUserMedia.bind(
  navigator.mediaDevices,
);
/** @type {RTCPeerConnection[]} */
const connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  /** @param {RTCConfiguration} [configuration] */
  constructor(configuration) {
    super(configuration);
    connections.push(this);
  }
};

/** Bytes of the video of all connections of this page, both ways; the encoder's target, the size sent, the frames received. */
/** @type {any} */ (window).traffic = async () => {
  const sum = {
    sentBytes: 0,
    sentFrames: 0,
    targetBitrate: 0,
    receivedBytes: 0,
    sentWidth: 0,
    sentHeight: 0,
    keyFrames: 0,
    frames: 0,
  };
  for (const connection of connections) {
    for (const report of (await connection.getStats()).values()) {
      if (report.kind !== "video") continue;
      if (report.type === "outbound-rtp") {
        sum.sentBytes += report.bytesSent;
        sum.sentFrames += report.framesSent ?? 0;
        sum.targetBitrate = Math.max(sum.targetBitrate, report.targetBitrate ?? 0);
        sum.sentWidth = Math.max(sum.sentWidth, report.frameWidth ?? 0);
        sum.sentHeight = Math.max(sum.sentHeight, report.frameHeight ?? 0);
      } else if (report.type === "inbound-rtp") {
        sum.receivedBytes += report.bytesReceived;
        sum.keyFrames += report.keyFramesDecoded ?? 0;
        sum.frames += report.framesDecoded ?? 0;
      }
    }
  }
  return sum;
};

/** Names of the codecs that video is sent and received by, in this order. */
/** @type {any} */ (window).codecs = async () => {
  /** @type {string[]} */
  const found = [];
  for (const connection of connections) {
    const reports = await connection.getStats();
    for (const type of ["outbound-rtp", "inbound-rtp"]) {
      for (const report of reports.values()) {
        if (report.type === type && report.kind === "video") {
          found.push(reports.get(report.codecId)?.mimeType);
        }
      }
    }
  }
  return found;
};
