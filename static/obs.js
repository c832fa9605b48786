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
 * | `&status=show` | says in the picture what is wrong, in the language of `&lang=` or the browser's        |
 * | `#token=`      | what the server's `--api-key` expects: behind `#`, since that part is never sent   |
 *
 * Without `status=show` nothing is written over the picture. Where there is none, the window's title and the
 * console say why.
 */

import { cannotRun, failureOf } from "./demo/failures.js";
import { PageLanguage } from "./demo/language.js";
import { PictureNews } from "./demo/picture_news.js";
import { faultWords } from "./shared/fault_words.js";
import { phrase } from "./shared/language.js";

/** @import { P2PCamera, P2PCameraFault } from "./p2pcamera.js" */
/** @import { Phrase } from "./shared/language.js" */

const SHORTEST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** What the address asks for and cannot have: a sentence for the console, `said` for the picture. */
class Wrong extends Error {
  /** @param {string} sentence @param {Phrase} said */
  constructor(sentence, said) {
    super(sentence);
    this.said = said;
  }
}

/** What is wrong, written over the picture for who asked for it. */
class Status {
  #element;
  #language = new PageLanguage();
  /** Of the session that was made last. @type {P2PCameraFault | null} */
  #fault = null;
  #news = new PictureNews();

  /** @param {HTMLElement} element @param {string | null} language that the address asks for */
  constructor(element, language) {
    this.#element = element;
    this.#language.start(language);
  }

  /** @param {P2PCamera} shim */
  follow(shim) {
    shim.addEventListener("statechange", ({ detail: { session } }) => {
      this.#fault = session.fault;
      if (session.state === "connecting") this.show(phrase("message.connecting"));
      if (session.state === "reconnecting") this.show(phrase("message.reconnecting"));
      if (session.state === "live") this.show(this.#news.await().said);
    });
    shim.addEventListener("stats", ({ detail: { stats } }) => {
      const news = this.#news.of(stats, phrase("stage.filtered-short"));
      if (stats.state === "live") this.show(null);
      else if (news) this.show(news.said);
    });
    shim.addEventListener("progress", ({ detail: { filter, fraction } }) => {
      const title = phrase(`filter.${filter}.title`, {}, filter);
      this.show(phrase("message.loading", { filter: title, percent: Math.round(fraction * 100) }));
    });
    shim.addEventListener("fault", ({ detail: { fault } }) => {
      const filter = phrase("stage.filtered-short");
      this.show(
        fault.trouble
          ? cannotRun(fault.trouble)
          : phrase("message.filter-failed", { filter, reason: faultWords(fault) }),
      );
    });
  }

  /** @param {unknown} error of the address or of the call for the camera */
  failed(error) {
    this.show(error instanceof Wrong ? error.said : failureOf(/** @type {Error} */ (error), this.#fault));
  }

  /** @param {Phrase | string | null} said null: nothing is wrong */
  show(said) {
    this.#element.hidden = said === null;
    this.#language.write(this.#element, said ?? "");
  }
}

/** Asks for the camera until it comes, and again after it has ended. */
class Source {
  #shim;
  #wanted;
  #video;
  #status;
  #pause_ms = SHORTEST_PAUSE_MS;

  /**
   * @param {P2PCamera} shim @param {URLSearchParams} wanted @param {HTMLVideoElement} video
   * @param {Status | null} status null: nothing is written over the picture
   */
  constructor(shim, wanted, video, status) {
    this.#status = status;
    this.#shim = shim;
    this.#wanted = wanted;
    this.#video = video;
  }

  async run() {
    try {
      this.#choose();
    } catch (error) {
      this.#status?.failed(error);
      return say("failed", `The address is wrong: ${/** @type {Error} */ (error).message}`);
    }
    for (;;) {
      await this.#show().catch((error) => {
        this.#status?.failed(error);
        say("waiting", String(error));
      });
      await new Promise((resolve) => setTimeout(resolve, this.#pause_ms));
      this.#pause_ms = Math.min(2 * this.#pause_ms, LONGEST_PAUSE_MS);
    }
  }

  #choose() {
    const filters = (this.#wanted.get("filter") ?? "").split(",").filter(Boolean);
    if (filters.length > 0) this.#shim.filter = filters;
    this.#set("params", () => {
      this.#shim.params = JSON.parse(this.#wanted.get("params") ?? "{}");
    });
    this.#set("outage", () => {
      const outage = this.#wanted.get("outage");
      if (outage) this.#shim.outage = /** @type {'closed' | 'open'} */ (outage);
    });
    this.#shim.token = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
  }

  /** @param {"params" | "outage"} name of a part of the address @param {() => void} act throws where it is wrong */
  #set(name, act) {
    try {
      act();
    } catch (error) {
      throw new Wrong(/** @type {Error} */ (error).message, phrase(`obs.wrong.${name}`));
    }
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
    const names = found.map(({ label }) => label).join(", ");
    throw new Wrong(
      `no camera is named ${name}: there are ${names}`,
      phrase("obs.no-camera", { name, names }),
    );
  }
}

/** @param {'waiting' | 'live' | 'failed'} state @param {string} sentence */
function say(state, sentence) {
  document.body.dataset.state = state;
  document.title = sentence;
  if (state !== "live") console.warn(`p2pcamera: ${sentence}`);
}

/** @returns {Status | null} null where the address does not ask for it */
function newStatus() {
  if (wanted.get("status") !== "show") return null;
  return new Status(/** @type {HTMLElement} */ (document.getElementById("status")), wanted.get("lang"));
}

const shim = window.p2pcamera;
const wanted = new URLSearchParams(location.search);
for (const name of ["fit", "background"]) document.body.dataset[name] = wanted.get(name) ?? "";
if (shim) {
  const status = newStatus();
  status?.follow(shim);
  const video = /** @type {HTMLVideoElement} */ (document.getElementById("filtered"));
  new Source(shim, wanted, video, status).run();
} else {
  newStatus()?.show(phrase("message.insecure"));
  say("failed", "Browsers give a camera to https:// pages and to localhost alone.");
}
