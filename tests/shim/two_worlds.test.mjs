// The extension's two worlds, joined as in a page, with a shim, a server and a popup that the test plays.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

class HeardEvent extends Event {
  #init;
  /** @param {string} type @param {any} init */
  constructor(type, init) {
    super(type, init);
    this.#init = init;
  }
  get ports() {
    return this.#init.ports;
  }
  get data() {
    return this.#init.data;
  }
  get track() {
    return this.#init.track;
  }
}

class Port extends EventTarget {
  /** @type {Port} */
  other = this;
  start() {}
  /** @param {any} data */
  postMessage(data) {
    const copy = structuredClone(data);
    queueMicrotask(() => this.other.dispatchEvent(new HeardEvent("message", { data: copy })));
  }
}

class Channel {
  port1 = new Port();
  port2 = new Port();
  constructor() {
    [this.port1.other, this.port2.other] = [this.port2, this.port1];
  }
}

/** @param {string} name @param {Record<string, any>} globals @returns {any} what the script gives the shim */
function run(name, globals) {
  const text = readFileSync(new URL(`../../static/extension/${name}`, import.meta.url), "utf8");
  new Function(...Object.keys(globals), text)(...Object.values(globals));
  return globals.window[Symbol.for("p2pcamera.embedder")];
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** An open call with the filter `invert`; the server refuses `hidden`, and says late which filters are private. */
async function call() {
  const setTimeout = () => 0;
  const common = {
    navigator: { mediaDevices: new EventTarget() },
    MessageEvent: HeardEvent,
    MediaStreamTrackEvent: HeardEvent,
  };
  const window = Object.assign(new EventTarget(), { setTimeout, clearTimeout: () => {}, Promise, Symbol });
  const inPage = run("page_world.js", { ...common, window, MessagePort: Port });

  /** @type {string[]} */
  const asked = [];
  let tellPrivate = () => {};
  const told = new Promise((resolve) => {
    tellPrivate = () => resolve(["hidden"]);
  });
  class Link {
    id = "1";
    filters = ["invert"];
    control = { ping: async () => {}, changeOutage: async () => {} };
    async open() {}
    close() {}
    getStats = async () => new Map();
    /** @param {string} filter */
    async changeFilter(filter) {
      asked.push(filter);
      if (filter === "hidden") throw { code: "filter_failed", message: "It cannot run." };
      return { filters: [filter], isPrivate: false, first: null };
    }
  }
  class Signaling {
    privateFilters = () => told;
    iceServersOrFault = async () => [];
  }
  let filter = "invert";
  /** @type {(message: object) => void} */
  let change = () => {};
  /** @type {(popup: any) => void} */
  let openPopup = () => {};
  const runtime = {
    id: "extension",
    sendMessage: async () => ({ isOn: true, filter, params: {}, outage: "closed" }),
    onMessage: { addListener: (/** @type {any} */ heard) => (change = heard) },
    onConnect: { addListener: (/** @type {any} */ heard) => (openPopup = heard) },
  };
  const own = run("own_world.js", {
    ...common,
    window: {},
    chrome: { runtime },
    MessageChannel: Channel,
    dispatchEvent: window.dispatchEvent.bind(window),
    addEventListener: () => {},
  });

  /** @type {any} */
  let link = null;
  const page = {
    outage: "closed",
    /** @param {string} name @param {object} params */
    setFilter: async (name, params) => link?.changeFilter(name, params),
    /** @param {string} name */
    coverFor: async (name) => (await inPage.newSignaling().privateFilters()).includes(name),
  };
  inPage.begin(page, Error);
  own.connect({ Link, Signaling });
  await turn();
  link = inPage.newLink(
    { filter, params: {}, outage: "closed" },
    { track: () => {}, message: () => {}, loss: () => {} },
  );
  await link.open({}, null, 1_000);

  return {
    asked,
    tellPrivate,
    /** @param {string} name what the user has chosen, and every page is told of */
    async choose(name) {
      filter = name;
      change({ type: "changed" });
      await turn();
    },
    /** @returns {Promise<{refused: any, covered: any}>} what the popup is told */
    async report() {
      await turn();
      /** @type {any} */
      const report = await new Promise((resolve) => {
        openPopup({
          onMessage: { addListener: (/** @type {() => void} */ ask) => queueMicrotask(ask) },
          postMessage: resolve,
        });
      });
      return { refused: report.refused?.filter ?? null, covered: report.covered };
    },
  };
}

test("a refusal is told to the popup together with whether it covers the picture", async () => {
  const { choose, report, tellPrivate } = await call();
  await choose("hidden");
  assert.deepEqual(await report(), { refused: null, covered: null });
  tellPrivate();
  assert.deepEqual(await report(), { refused: "hidden", covered: "hidden" });
});

test("a choice that is told of again is not made again, answered or refused", async () => {
  const { asked, choose, report, tellPrivate } = await call();
  await choose("hidden");
  await choose("hidden");
  tellPrivate();
  await report();
  await choose("hidden");
  assert.deepEqual(asked, ["hidden"]);
  await choose("ink");
  await choose("hidden");
  assert.deepEqual(asked, ["hidden", "ink", "hidden"]);
});

test("the popup is told of the newest choice alone", async () => {
  const { choose, report, tellPrivate } = await call();
  await choose("hidden");
  await choose("ink");
  tellPrivate();
  assert.deepEqual(await report(), { refused: null, covered: null });
});
