/**
 * Stands in for the shim's connections in the page's own world, right before the shim and before any script
 * of the page.
 *
 * `own_world.js` makes the connections, in a world whose objects no page can reach. These messages pass
 * between the two worlds. They contain no token, no address and no SDP.
 *
 *     port handed over:  a MessageEvent on the window, dispatched by the other world before the page has a script
 *     page -> own:       {type: "prepare"}                                     a camera is about to be opened
 *                        event `camera` on the port with the camera's track, before each `open` and `send`
 *                        {type: "open", link: 3, filter, params, outage, timeout_ms}, {type: "send", key, link: 3}
 *                        {type: "close", link: 3}
 *                        {type: "filter" | "outage" | "ping" | "check", key, link: 3, ...}
 *                        {type: "private", key}
 *                        {type: "chosen", isRefused, covered}    what became of the newest choice; `covered` is
 *                                                     a private filter that was refused, else null
 *     own -> page:       {type: "settings", isOn, filter, params, outage}
 *                        event `track-3` on the port, with the filtered track
 *                        {type: "opened", link: 3, applied}, {type: "failed", link: 3, fault}
 *                        {type: "lost", link: 3}, {type: "heard", link: 3}
 *                        {type: "said", link: 3, said}    what the server uses instead
 *                        {type: "answer", key, value} or {type: "answer", key, fault}
 *
 * A page may replace what its objects inherit, so this file takes the functions that it calls at once. It is
 * one function, which leaves no name in the page.
 */
(() => {
  "use strict";

  if (!navigator.mediaDevices) return;

  const SETTINGS_TIMEOUT_MS = 10_000;
  const CLOSE_AFTER_MS = 2_000;

  const { apply } = Reflect;
  const { addEventListener, dispatchEvent } = EventTarget.prototype;
  const { preventDefault, stopImmediatePropagation } = Event.prototype;
  const { postMessage, start } = MessagePort.prototype;
  const TrackEvent = MediaStreamTrackEvent;
  const { setTimeout, clearTimeout, Promise, Symbol } = window;
  const { stringify } = JSON;
  const now = performance.now.bind(performance);
  const portsOf = getterOf(MessageEvent.prototype, "ports");
  const dataOf = getterOf(MessageEvent.prototype, "data");
  const trackOf = getterOf(TrackEvent.prototype, "track");

  /** @param {object} prototype @param {string} name @returns {(event: Event) => any} */
  function getterOf(prototype, name) {
    const { get } = /** @type {any} */ (Object.getOwnPropertyDescriptor(prototype, name));
    return (event) => apply(get, event, []);
  }

  /** Both ends of the port belong to this window. Both worlds see events on this end. */
  class OtherWorld {
    /** @type {MessagePort | null} */
    #port = null;
    /** @type {any[]} */
    #unsent = [];
    /**
     * Questions that wait for an answer, by key.
     * @type {Record<number, {resolve: Function, reject: Function}>}
     */
    #asked = Object.create(null);
    #count = 0;
    /** @type {(message: any) => void} */
    #receive;

    /** @param {(message: any) => void} receive */
    constructor(receive) {
      this.#receive = receive;
    }

    /** @param {MessagePort} port */
    open(port) {
      this.#port = port;
      apply(addEventListener, port, ["message", (/** @type {Event} */ event) => this.#hear(dataOf(event))]);
      apply(start, port, []);
      for (let place = 0; place < this.#unsent.length; place += 1) this.post(this.#unsent[place]);
      this.#unsent.length = 0;
    }

    /** @param {object} message */
    post(message) {
      if (this.#port) apply(postMessage, this.#port, [message]);
      else this.#unsent[this.#unsent.length] = message;
    }

    /** @param {object} message @returns {Promise<any>} what the other world answers, or its fault */
    ask(message) {
      this.#count += 1;
      const key = this.#count;
      return new Promise((resolve, reject) => {
        this.#asked[key] = { resolve, reject };
        this.post({ ...message, key });
      });
    }

    /** To be called right before the message that the track belongs to. @param {MediaStreamTrack} track */
    sendCamera(track) {
      if (this.#port) apply(dispatchEvent, this.#port, [new TrackEvent("camera", { track })]);
    }

    /** @param {number} link @param {(track: MediaStreamTrack) => void} hear */
    takeTrack(link, hear) {
      const listener = (/** @type {Event} */ event) => hear(trackOf(event));
      if (this.#port) apply(addEventListener, this.#port, [`track-${link}`, listener, { once: true }]);
    }

    /** @param {any} message */
    #hear(message) {
      if (message.type !== "answer") return this.#receive(message);
      const asked = this.#asked[message.key];
      delete this.#asked[message.key];
      if (message.fault) asked?.reject(faultFrom(message.fault));
      else asked?.resolve(message.value);
    }
  }

  /** Stands in for the shim's `Control`. */
  class RemoteControl {
    #other;
    #link;

    /** @param {OtherWorld} other @param {number} link */
    constructor(other, link) {
      this.#other = other;
      this.#link = link;
    }

    /** @param {'closed' | 'open'} outage */
    changeOutage(outage) {
      return this.#other.ask({ type: "outage", link: this.#link, outage });
    }

    async ping() {
      const sentAt_ms = now();
      await this.#other.ask({ type: "ping", link: this.#link });
      return now() - sentAt_ms;
    }

    askForWord() {
      this.ping().catch(() => {});
    }
  }

  /** Stands in for the shim's `Link`: one connection, which the other world makes and keeps. */
  class RemoteLink {
    #settings;
    #on;
    #other;
    #number;
    /** @type {{resolve: () => void, reject: (fault: any) => void} | null} */
    #opening = null;
    /** @type {any} the fault it was closed with */
    #closed = null;
    /** @type {RemoteControl | null} */
    control = null;
    /** @type {string | null} */
    id = null;
    /** @type {{filter: string | string[] | null, params: object} | null} */
    asked = null;
    /** @type {readonly string[]} */
    filters = [];
    isPrivate = false;
    heardAt_ms = -Infinity;

    /** @param {any} settings @param {any} on @param {OtherWorld} other @param {number} number */
    constructor(settings, on, other, number) {
      this.#settings = settings;
      this.#on = on;
      this.#other = other;
      this.#number = number;
    }

    /** @param {string | string[]} name @param {object} params @returns {Promise<object>} what applies now */
    changeFilter(name, params) {
      return this.#other.ask({ type: "filter", link: this.#number, filter: name, params });
    }

    /** @param {MediaStreamTrack} camera @param {Promise<unknown>} _ @param {number} timeout_ms */
    async open(camera, _, timeout_ms) {
      const { filter, params, outage } = this.#settings;
      if (this.#closed) throw this.#closed;
      const opened = new Promise((resolve, reject) => {
        this.#opening = { resolve: () => resolve(undefined), reject };
      });
      this.asked = { filter, params };
      this.control = new RemoteControl(this.#other, this.#number);
      this.heardAt_ms = now();
      this.#other.takeTrack(this.#number, (track) => {
        if (!this.#closed) this.#on.track(track);
      });
      this.#other.sendCamera(camera);
      this.#other.post({ type: "open", link: this.#number, filter, params, outage, timeout_ms });
      // The other world keeps the time. It may be gone, as after an update of the extension.
      const gone = faultFrom({ code: "unreachable", message: "the extension does not answer" });
      const timer = setTimeout(() => this.close(gone), timeout_ms + CLOSE_AFTER_MS);
      try {
        await opened;
      } finally {
        clearTimeout(timer);
        this.#opening = null;
      }
    }

    /** @param {MediaStreamTrack} camera */
    async send(camera) {
      if (this.#closed) return;
      this.#other.sendCamera(camera);
      await this.#other.ask({ type: "send", link: this.#number });
    }

    /** @returns {Promise<RTCStatsReport> | undefined} */
    getStats() {
      return undefined;
    }

    /** @param {any} fault */
    close(fault) {
      if (this.#closed) return;
      this.#closed = fault;
      delete links[this.#number];
      this.#other.post({ type: "close", link: this.#number });
      this.#opening?.reject(fault);
    }

    /** @param {any} message */
    receive({ type, applied, fault, said }) {
      this.heardAt_ms = now();
      if (type === "opened") {
        this.id = `${this.#number}`;
        this.filters = applied.filters;
        this.isPrivate = applied.isPrivate;
        this.#opening?.resolve();
      } else if (type === "failed") {
        this.close(faultFrom(fault));
      } else if (type === "lost" && !this.#closed) {
        this.#on.loss();
      } else if (type === "said" && !this.#closed) {
        this.#on.message(said);
      }
    }
  }

  /** Stands in for the shim's `Signaling`. */
  class RemoteSignaling {
    #other;

    /** @param {OtherWorld} other */
    constructor(other) {
      this.#other = other;
    }

    async iceServers() {
      this.#other.post({ type: "prepare" });
      return [];
    }

    async iceServersOrFault() {
      return [];
    }

    privateFilters() {
      return this.#other.ask({ type: "private" });
    }

    /** @param {string} id */
    async check(id) {
      await this.#other.ask({ type: "check", link: +id });
    }
  }

  /** @type {any} the shim's class of faults */
  let Fault = Error;
  /** @type {any} the shim's side of the page */
  let page = null;
  let isOn = true;
  let linkCount = 0;
  let choiceCount = 0;
  /** What the user chose last, as text. */
  let chosen = "";
  /** @type {Record<number, RemoteLink>} */
  const links = Object.create(null);
  let settle = () => {};
  const settled = new Promise((resolve) => {
    settle = () => resolve(undefined);
    // Without an answer a call for the camera is filtered, as promised, and fails.
    setTimeout(settle, SETTINGS_TIMEOUT_MS);
  });
  const settings = {
    server: "",
    filter: null,
    params: {},
    outage: "closed",
    audio: "untouched",
    mirror: "off",
    token: undefined,
    fault: null,
  };

  const other = new OtherWorld((message) => {
    if (message.type === "settings") take(message);
    else links[message.link]?.receive(message);
  });

  /** @param {any} fault @returns {Error} */
  function faultFrom({ code, message, status = 0, retryAfterS = null, trouble = null }) {
    const fault = new Fault(code, message);
    fault.trouble = trouble;
    fault.status = status;
    fault.retryAfterS = retryAfterS;
    return fault;
  }

  /** @param {any} chosen by the user, now or at some time before */
  function take({ isOn: isOnNow, filter, params, outage }) {
    // A frame that keeps its first window uses the shim of the page around it.
    if (page === null) return;
    if (isOn !== isOnNow) {
      isOn = isOnNow;
      // The list of cameras has changed.
      apply(dispatchEvent, navigator.mediaDevices, [new Event("devicechange")]);
    }
    if (page.outage !== outage) page.outage = outage;
    // Not beside what applies: a choice that was refused, or is still being answered, would be made again.
    const told = stringify([filter, params]);
    if (told !== chosen && filter !== null) choose(filter, params);
    chosen = told;
    settle();
  }

  /** @param {string} filter @param {object} params */
  async function choose(filter, params) {
    choiceCount += 1;
    const choice = choiceCount;
    let isRefused = false;
    let isCovered = false;
    try {
      await page.setFilter(filter, params);
    } catch {
      isRefused = true;
      // The user may look at no page of ours now, and believes to be hidden.
      isCovered = await page.coverFor(filter, params);
    }
    if (choice === choiceCount) {
      other.post({ type: "chosen", isRefused, covered: isCovered ? filter : null });
    }
  }

  /** @type {any} */ (window)[Symbol.for("p2pcamera.embedder")] = {
    settings,
    isOn: async () => {
      await settled;
      return isOn;
    },
    newSignaling: () => new RemoteSignaling(other),
    /** @param {any} linkSettings @param {any} on */
    newLink: (linkSettings, on) => {
      linkCount += 1;
      const link = new RemoteLink(linkSettings, on, other, linkCount);
      links[linkCount] = link;
      return link;
    },
    /** @param {any} shim @param {any} fault */
    begin: (shim, fault) => {
      page = shim;
      Fault = fault;
    },
  };

  const takePort = (/** @type {Event} */ event) => {
    // This is the first listener, so nobody else hears of the event.
    apply(stopImmediatePropagation, event, []);
    apply(preventDefault, event, []);
    other.open(portsOf(event)[0]);
  };
  apply(addEventListener, window, ["p2pcamera-port", takePort, { capture: true, once: true }]);
})();
