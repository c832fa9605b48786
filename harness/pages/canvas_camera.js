// @ts-check
// A camera for browsers that play no file: a canvas that the page paints as harness/picture.py does. Runs before the
// page's own scripts.
{
  const width = 640;
  const height = 480;
  const fps = 30;
  const columns = 16;

  /** @param {number} base @param {number} noise */
  const texture = (base, noise) => {
    const canvas = new OffscreenCanvas(width, height);
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const picture = pen.createImageData(width, height);
    for (let place = 0; place < picture.data.length; place += 4) {
      const column = (place / 4) % width;
      const row = Math.floor(place / 4 / width);
      const luma = base + 50 * Math.sin(column / 9) + 50 * Math.sin(row / 13) + noise * (Math.random() - 0.5);
      picture.data.set([luma, luma * 0.9, luma * 0.8, 255], place);
    }
    pen.putImageData(picture, 0, 0);
    return canvas;
  };

  /** @param {number} counter */
  const cells = (counter) => {
    /** @param {number} value @param {number} bits */
    const bitsOf = (value, bits) => Array.from({ length: bits }, (_, bit) => (value >> (bits - 1 - bit)) & 1);
    const check = (counter * 677 + 85) % 1021;
    return [
      [0, 1, ...bitsOf(counter, 10), 0, 0, 0, 0],
      [1, 0, 0, 0, 0, 0, ...bitsOf(check, 10)],
    ];
  };

  const open = async () => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const scenes = [0, 1, 2, 3].map(() => texture(128, 8));
    const moving = texture(110, 8);
    const began = performance.now();
    const paint = () => {
      const counter = Math.round(((performance.now() - began) / 1000) * fps);
      pen.drawImage(scenes[counter % scenes.length], 0, 0);
      const [across, down] = [(counter * 4) % 320, (counter * 2) % 240];
      pen.drawImage(moving, across, down, 214, 240, 213, 0, 214, height);
      pen.fillStyle = "rgb(200 60 30)";
      pen.fillRect(0, 0, width / 8, height / 6);
      for (const [row, bits] of cells(counter % 300).entries()) {
        for (const [column, bit] of bits.entries()) {
          pen.fillStyle = bit ? "white" : "black";
          pen.fillRect((column * width) / columns, (height * (10 + row)) / 12, width / columns, height / 12);
        }
      }
      setTimeout(paint, began + ((counter + 1) * 1000) / fps - performance.now());
    };
    paint();
    return canvas.captureStream();
  };

  /** @type {Promise<MediaStream> | undefined} */
  let camera;
  navigator.mediaDevices.getUserMedia = async () => (await (camera ??= open())).clone();
}
