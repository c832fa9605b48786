// @ts-check
"use strict";
// A page that wants to know all: it listens to every event, and replaces whatever objects inherit from by
// something that notes what passes. `window.spied()` returns all texts that it has seen.

(() => {
  const DEPTH = 3;
  const INTERFACES = [
    "Object",
    "Array",
    "Map",
    "Set",
    "WeakMap",
    "Promise",
    "Function",
    "String",
    "RegExp",
    "Error",
    "Number",
    "EventTarget",
    "Event",
    "MessageEvent",
    "CustomEvent",
    "MessagePort",
    "MessageChannel",
    "BroadcastChannel",
    "MediaStreamTrackEvent",
    "MediaStream",
    "MediaStreamTrack",
    "RTCPeerConnection",
    "RTCSessionDescription",
    "RTCIceCandidate",
    "RTCPeerConnectionIceEvent",
    "RTCDataChannel",
    "RTCRtpSender",
    "RTCRtpReceiver",
    "RTCRtpTransceiver",
    "RTCTrackEvent",
    "Headers",
    "Request",
    "Response",
    "URL",
    "AbortController",
    "AbortSignal",
    "XMLHttpRequest",
    "WebSocket",
    "Storage",
    "ReadableStream",
    "ReadableStreamDefaultReader",
    "WritableStream",
    "WritableStreamDefaultWriter",
    "DOMException",
  ];
  const NAMESPACES = ["JSON", "Reflect", "Object", "Promise", "Array", "console", "Symbol", "String", "URL"];
  const CONSTRUCTORS = ["RTCPeerConnection", "MessageChannel", "Headers", "URL", "Request", "Promise", "Map"];
  // What a conversion of our objects would look for in vain, and find here.
  const MISSING = [
    "then",
    "toJSON",
    "sdp",
    "token",
    "server",
    "iceServers",
    "bundlePolicy",
    "headers",
    "signal",
  ];

  const { apply, construct, ownKeys, getOwnPropertyDescriptor, defineProperty, getPrototypeOf } = Reflect;
  const callOf = Function.prototype.call.bind(Function.prototype.call);
  const addText = callOf.bind(null, Set.prototype.add);
  const hasObject = callOf.bind(null, WeakSet.prototype.has);
  const addObject = callOf.bind(null, WeakSet.prototype.add);
  const makeWeakSet = WeakSet;
  const textsOf = Array.from;
  const { isArray } = Array;
  const nodes = Node;
  const promises = Promise;
  const { then } = promises.prototype;
  /** @type {Set<string>} */
  const texts = new Set();
  let isBusy = false;
  let calls = 0;

  /** @param {unknown} value @param {number} depth @param {WeakSet<object>} known */
  function walk(value, depth, known) {
    if (typeof value === "string") return addText(texts, value);
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
    if (depth > DEPTH || value === window || value instanceof nodes || hasObject(known, value)) return;
    addObject(known, value);
    const chain = isArray(value) ? [value] : [value, getPrototypeOf(value)];
    for (let place = 0; place < chain.length; place += 1) {
      if (!chain[place] || chain[place] === Object.prototype || chain[place] === Function.prototype) continue;
      const keys = ownKeys(chain[place]);
      for (let at = 0; at < keys.length && at < 200; at += 1) {
        try {
          if (typeof keys[at] === "string") addText(texts, keys[at]);
          walk(/** @type {any} */ (value)[keys[at]], depth + 1, known);
        } catch {
          // A getter that is not for this object.
        }
      }
    }
  }

  /** @param {unknown[]} values */
  function note(values) {
    if (isBusy) return;
    isBusy = true;
    calls += 1;
    walk(values, 0, new makeWeakSet());
    isBusy = false;
  }

  /** @param {any} original */
  function spying(original) {
    return function (/** @type {any[]} */ ...given) {
      if (isBusy) return apply(original, this, given);
      for (let place = 0; place < given.length; place += 1) {
        const one = given[place];
        if (typeof one !== "function" || original !== addListener) continue;
        given[place] = function (/** @type {any[]} */ ...heard) {
          note(heard);
          return apply(one, this, heard);
        };
      }
      const value = new.target ? construct(original, given, new.target) : apply(original, this, given);
      note([this, given, value]);
      return value;
    };
  }

  const addListener = EventTarget.prototype.addEventListener;
  const types = ["message", "p2pcamera-port", "messageerror", "camera", "track-1", "online", "statechange"];
  for (const target of [window, document]) {
    for (const type of types) {
      apply(addListener, target, [type, (/** @type {Event} */ event) => note([event]), true]);
    }
  }

  /** @param {any} holder @param {boolean} isStatic */
  function spyOn(holder, isStatic) {
    for (const key of ownKeys(holder)) {
      const found = getOwnPropertyDescriptor(holder, key);
      if (!found?.configurable || key === "constructor" || key === "prototype") continue;
      const { get, value } = found;
      if (get) defineProperty(holder, key, { ...found, get: spying(get) });
      else if (typeof value === "function" && (!isStatic || !/^[A-Z]/.test(String(key)))) {
        const spy = spying(value);
        Object.assign(spy, value);
        defineProperty(holder, key, { ...found, value: spy });
      }
    }
  }

  const { fetch } = window;
  for (const name of NAMESPACES) spyOn(/** @type {any} */ (window)[name], true);
  for (const name of INTERFACES) {
    const { prototype } = /** @type {any} */ (window)[name] ?? {};
    if (prototype) spyOn(prototype, false);
  }
  for (const name of CONSTRUCTORS) {
    const original = /** @type {any} */ (window)[name];
    /** @type {any} */ (window)[name] = new Proxy(original, {
      construct(target, given, newTarget) {
        const made = construct(target, given, newTarget);
        note([given, made]);
        return made;
      },
    });
  }
  window.fetch = spying(fetch);
  defineProperty(Promise.prototype, "constructor", {
    get() {
      if (isBusy) return promises;
      // `then` asks for the constructor, too.
      isBusy = true;
      apply(then, this, [(/** @type {unknown} */ value) => note([value]), () => {}]);
      isBusy = false;
      return promises;
    },
  });
  for (const name of MISSING) {
    defineProperty(Object.prototype, name, {
      configurable: true,
      get() {
        note([this]);
        return undefined;
      },
      set(value) {
        defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true });
      },
    });
  }
  /** @type {any} */ (window).spied = () => {
    isBusy = true;
    return { calls, texts: textsOf(texts) };
  };
})();
