/**
 * The filtered camera in the whole window, for a browser source of OBS. What the address may say:
 *
 * | `?filter=`     | `ink`, or several in order: `invert,ink`; without it, the server's own default      |
 * | `&params=`     | JSON object of the filter's parameters                                             |
 * | `&outage=`     | `closed` (default) or `open`                                                       |
 * | `&device=`     | part of the camera's name, where there are several                                 |
 * | `&width=`, `&height=`, `&fps=` | what the camera is asked for; without them 1280, 720 and 30         |
 * | `&fit=`        | `contain` (default): the whole picture; `cover`: the whole window                  |
 * | `&background=` | `transparent` (default) or `black`, where there is no picture                      |
 * | `#token=`      | what the server's `--api-key` expects: behind `#`, since that part is never sent   |
 *
 * Nothing is written over the picture. Where there is none, the window's title and the console say why.
 */

/** @import { P2PCamera } from "./p2pcamera.js" */

const SHORTEST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** Asks for the camera until it comes, and again after it has ended. */
class Source {
  #shim;
  #wanted;
  #video;
  #pause_ms = SHORTEST_PAUSE_MS;

  /** @param {P2PCamera} shim @param {URLSearchParams} wanted @param {HTMLVideoElement} video */
  constructor(shim, wanted, video) {
    this.#shim = shim;
    this.#wanted = wanted;
    this.#video = video;
  }

  async run() {
    try {
      this.#choose();
    } catch (error) {
      return say("failed", `The address is wrong: ${/** @type {Error} */ (error).message}`);
    }
    for (;;) {
      await this.#show().catch((error) => say("waiting", String(error)));
      await new Promise((resolve) => setTimeout(resolve, this.#pause_ms));
      this.#pause_ms = Math.min(2 * this.#pause_ms, LONGEST_PAUSE_MS);
    }
  }

  #choose() {
    const filters = (this.#wanted.get("filter") ?? "").split(",").filter(Boolean);
    if (filters.length > 0) this.#shim.filter = filters;
    this.#shim.params = JSON.parse(this.#wanted.get("params") ?? "{}");
    const outage = this.#wanted.get("outage");
    if (outage) this.#shim.outage = /** @type {'closed' | 'open'} */ (outage);
    this.#shim.token = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
  }

  /** Returns when the picture has ended. */
  async #show() {
    const number = (/** @type {string} */ name, /** @type {number} */ usual) => ({
      ideal: Number(this.#wanted.get(name)) || usual,
    });
    const size = {
      width: number("width", 1280),
      height: number("height", 720),
      frameRate: number("fps", 30),
    };
    const name = this.#wanted.get("device");
    const device = name ? { deviceId: { exact: await this.#deviceId(name) } } : {};
    const stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, ...device } });
    this.#video.srcObject = stream;
    await this.#video.play();
    this.#pause_ms = SHORTEST_PAUSE_MS;
    say("live", "p2pcamera");
    const [track] = stream.getVideoTracks();
    if (track.readyState === "live") {
      await new Promise((resolve) => track.addEventListener("ended", resolve, { once: true }));
    }
    this.#video.srcObject = null;
    throw new Error("the camera ended");
  }

  /** @param {string} name part of it @returns {Promise<string>} */
  async #deviceId(name) {
    const cameras = async () =>
      (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    let found = await cameras();
    if (!found.some(({ label }) => label)) {
      // A browser does not tell names before a page has asked for a camera.
      const stream = await this.#shim.originalGetUserMedia({ video: true });
      for (const track of stream.getTracks()) track.stop();
      found = await cameras();
    }
    const named = found.filter(({ label }) => label.includes(name));
    // The list has the filtered camera and the real one behind it.
    const chosen = named.find(({ label }) => label.includes("(filtered)")) ?? named[0];
    if (chosen) return chosen.deviceId;
    throw new Error(`no camera is named ${name}: there are ${found.map(({ label }) => label).join(", ")}`);
  }
}

/** @param {'waiting' | 'live' | 'failed'} state @param {string} sentence */
function say(state, sentence) {
  document.body.dataset.state = state;
  document.title = sentence;
  if (state !== "live") console.warn(`p2pcamera: ${sentence}`);
}

const shim = window.p2pcamera;
const wanted = new URLSearchParams(location.search);
for (const name of ["fit", "background"]) document.body.dataset[name] = wanted.get(name) ?? "";
if (shim) {
  new Source(shim, wanted, /** @type {HTMLVideoElement} */ (document.getElementById("filtered"))).run();
} else {
  say("failed", "Browsers give a camera to https:// pages and to localhost alone.");
}
