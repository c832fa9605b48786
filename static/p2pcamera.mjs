// Made from static/shim by `make shim`. Change it there.
/**
 * p2pcamera.js as an ES module, for bundlers and `import`:
 *
 *     import { p2pcamera } from "https://server/p2pcamera.mjs";
 *     p2pcamera.filter = "ink";
 *
 * The import replaces `getUserMedia`, once, however often it is imported. Behind a bundler the page names the
 * server: `p2pcamera.server = "https://server/"`. Outside a secure context there is no camera, and
 * `p2pcamera` is undefined; so it is where a server renders the page.
 */
// shim/base/embedder.js
/**
 * A browser extension that runs the shim in two worlds of a page.
 *
 * It leaves an object in each world right before the shim runs there. In the world that no page reaches, the
 * shim makes the connections: it hands over the class of links, and uses the extension's `fetch`. In the
 * page's world, the object stands in for links and signaling, so the page can see nothing of either.
 * `window.p2pcamera` is not made there.
 *
 * @typedef {object} Embedder
 * @property {typeof window.fetch} [fetch]
 * @property {(parts: {Link: typeof Link, Signaling: typeof Signaling}) => void} [connect]
 * @property {Settings} settings
 * @property {() => Promise<boolean>} isOn whether the user wants the page's cameras filtered now
 * @property {(settings: Settings) => SignalingCalls} newSignaling
 * @property {(settings: Settings, on: LinkEvents) => Connection} newLink
 * @property {(page: P2PCamera, fault: typeof Fault) => void} begin
 */
/** Taken at once, so that no script of the page sees it. @type {Embedder | null} */
var embedder = takeEmbedder();
/**
 * The key that marks a window as ours. No element, variable or frame of a page is called so by chance. Its value is
 * `window.p2pcamera`, or `true` with an extension.
 */
var mark = /* @__PURE__ */ Symbol.for(embedder ? "p2pcamera.embedded" : "p2pcamera.installed");
/** @returns {Embedder | null} */
function takeEmbedder() {
  const key = /* @__PURE__ */ Symbol.for("p2pcamera.embedder");
  const left = Reflect.get(globalThis, key);
  Reflect.deleteProperty(globalThis, key);
  return left ?? null;
}

// shim/base/fault.js
/**
 * The reason why there is no filtered picture.
 */
/** @implements {P2PCameraFault} */
var Fault = class extends Error {
  status = 0;
  field = "";
  /** @type {import("../api.js").P2PCameraTrouble | null} */
  trouble = null;
  /** @type {number | null} */
  retryAfterS = null;
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
};
/** @param {any} error of the server's JSON, which may be anything @returns {Fault} */
function faultFromError(error) {
  const message = String(error?.message ?? "the server gives no reason");
  const fault = new Fault(String(error?.code ?? "error"), message);
  fault.field = String(error?.field ?? "");
  fault.trouble = error?.trouble ?? null;
  return fault;
}
/** @param {unknown} error @param {string} code for an error that is no fault yet @returns {Fault} */
function faultFrom(error, code) {
  return error instanceof Fault ? error : new Fault(code, String(error));
}

// shim/base/natives.js
/**
 * The browser's own functions, taken before a later script of the page replaces them.
 *
 * A browser that lacks one of them has no camera either, or lacks what the member is for.
 */
var trackPrototype = globalThis.MediaStreamTrack?.prototype ?? {};
var framePrototype = globalThis.HTMLIFrameElement?.prototype ?? {};
var {
  RTCPeerConnection,
  fetch: fetchNative,
  ImageCapture,
  AudioContext,
  DelayNode,
  GainNode,
  MediaStreamAudioDestinationNode,
  MediaStreamAudioSourceNode
} = globalThis;
var {
  stop: stopTrack,
  clone: cloneTrack,
  getSettings: getTrackSettings,
  getConstraints: getTrackConstraints,
  getCapabilities: getTrackCapabilities,
  applyConstraints: applyTrackConstraints
} = trackPrototype;
var { grabFrame } = globalThis.ImageCapture?.prototype ?? {};
var labelOf = getterOf(trackPrototype, "label");
var photographedTrackOf = getterOf(globalThis.ImageCapture?.prototype ?? {}, "track");
var isMutedOf = getterOf(trackPrototype, "muted");
var statsOf = getterOf(trackPrototype, "stats");
/** @type {() => (Window & typeof globalThis) | null} */
var contentWindowOf = getterOf(framePrototype, "contentWindow") ?? (() => null);
/** @param {object} prototype @param {string} name @returns {(() => any) | undefined} */
function getterOf(prototype, name) {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get;
}

// shim/picture/sizes.js
/**
 * Sizes of pictures: which is the largest, what of a frame fills another size, and how many bits a size is
 * worth.
 */
/**
 * @typedef {{width: number, height: number, crop: [number, number, number, number]}} Fit `crop`: x, y,
 *   width, height
 */
/**
 * @param {number} width of a frame @param {number} height of it
 * @param {{width?: number, height?: number}} wanted
 * @returns {Fit} the size to make of the frame, and what of it fills that: its middle, in the proportions of the size
 */
function fit(width, height, wanted) {
  let size = { width: wanted.width || width, height: wanted.height || height };
  // A telephone was turned: the camera's settings may stay those of the upright one.
  if (width < height !== size.width < size.height) size = { width: size.height, height: size.width };
  const scale = Math.min(width / size.width, height / size.height);
  const [cropWidth, cropHeight] = [size.width * scale, size.height * scale];
  return { ...size, crop: [(width - cropWidth) / 2, (height - cropHeight) / 2, cropWidth, cropHeight] };
}
/**
 * @param {MediaTrackSettings} settings of a camera's track
 * @param {boolean} showsFrames false for a track that is muted or has ended
 * @returns {number} pixels of a frame, 0 while none comes; the frame rate decides a tie
 */
function pixels({ width = 0, height = 0, frameRate = 0 }, showsFrames) {
  return showsFrames ? width * height + frameRate / 1e3 : 0;
}
var LEAST_BITS_PER_S = 3e5;
var REFERENCE = { pixels: 640 * 480, bits_per_s: 15e5 };
/** Three times the pixels are worth twice the bits, since neighbours in a larger picture differ less. */
var GROWTH = 0.631;
/**
 * The cap of the sender: what the service takes a picture of this size to be worth, by the same formula. A
 * sender that is capped where the server's encoder is finds no queue in its own pacer.
 * @param {MediaTrackSettings} settings
 * @returns {number} bits per second
 */
function bitrateCap({ width = 640, height = 480 }) {
  const worth = REFERENCE.bits_per_s * (width * height / REFERENCE.pixels) ** GROWTH;
  return Math.max(LEAST_BITS_PER_S, Math.round(worth));
}

// shim/connection/camera_sender.js
/**
 * Sends the camera by one peer connection, with as many bits as its size is worth.
 */
var CameraSender = class {
  /** @type {RTCRtpSender | null} */
  #sender = null;
  /** @type {Promise<void>} */
  #sending = Promise.resolve();
  #isEnded;
  /** @param {() => boolean} isEnded whether the connection is closed */
  constructor(isEnded) {
    this.#isEnded = isEnded;
  }
  /**
   * @param {RTCPeerConnection} peer
   * @param {MediaStreamTrack} camera
   * @returns {Promise<RTCRtpTransceiver>} whose receiver is to have the filtered picture
   */
  async begin(peer, camera) {
    camera.contentHint = "motion";
    const transceiver = peer.addTransceiver(camera, {
      direction: "sendrecv",
      sendEncodings: [{ maxBitrate: bitrateCap(getTrackSettings.call(camera)) }]
    });
    this.#sender = transceiver.sender;
    if ("jitterBufferTarget" in transceiver.receiver) transceiver.receiver.jitterBufferTarget = 0;
    // The filter sees and returns as many pixels as the camera has. The encoder lowers the quality first.
    const parameters = transceiver.sender.getParameters();
    Object.assign(parameters, { degradationPreference: "maintain-resolution" });
    await transceiver.sender.setParameters(parameters).catch(() => {
    });
    return transceiver;
  }
  /** @param {MediaStreamTrack} camera to be sent from now on, or sent already in another size */
  async send(camera) {
    // One after another: what is asked for last is what is sent.
    this.#sending = this.#sending.catch(() => {
    }).then(() => this.#sendNow(camera));
    return this.#sending;
  }
  /** @param {MediaStreamTrack} camera */
  async #sendNow(camera) {
    const sender = this.#sender;
    if (sender === null || this.#isEnded()) return;
    camera.contentHint = "motion";
    if (sender.track !== camera) await sender.replaceTrack(camera);
    const parameters = sender.getParameters();
    const maxBitrate = bitrateCap(getTrackSettings.call(camera));
    if (parameters.encodings?.[0]?.maxBitrate === maxBitrate) return;
    for (const encoding of parameters.encodings ?? []) encoding.maxBitrate = maxBitrate;
    await sender.setParameters(parameters);
  }
};

// shim/base/pause.js
/** @param {number} duration_ms @returns {Promise<void>} */
function pause(duration_ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, duration_ms);
  });
}

// shim/connection/candidate_batches.js
/**
 * ICE candidates in batches: one call for those that are found together.
 */
/** How long candidates are gathered before a batch is sent. */
var CANDIDATE_BATCH_MS = 10;
/** Collects the candidates of one connection; it knows neither connection nor network. */
var CandidateBatches = class {
  #later;
  /** @type {string[]} */
  #unsent = [];
  #isComplete = false;
  /** @type {((candidates: string[], isComplete: boolean) => void) | null} */
  #send = null;
  /** @param {(act: () => void, delay_ms: number) => void} later calls `act` after a delay */
  constructor(later) {
    this.#later = later;
  }
  /** Whether the last candidate has come. */
  get isComplete() {
    return this.#isComplete;
  }
  /** @param {string | null} candidate its line without `a=`; empty: a mark that is not sent; null: the end */
  add(candidate) {
    if (candidate) this.#unsent.push(candidate);
    else if (candidate === null) this.#isComplete = true;
    if (this.#send === null) return;
    if (this.#isComplete) this.#flush();
    else if (this.#unsent.length === 1) this.#later(() => this.#flush(), CANDIDATE_BATCH_MS);
  }
  /** Forgets what has come so far, since the offer carries it. */
  drop() {
    this.#unsent = [];
  }
  /** @param {(candidates: string[], isComplete: boolean) => void} send takes each later batch */
  follow(send) {
    this.#send = send;
    if (this.#unsent.length > 0 || this.#isComplete) this.#flush();
  }
  #flush() {
    const candidates = this.#unsent.splice(0);
    if (candidates.length > 0 || this.#isComplete) this.#send?.(candidates, this.#isComplete);
  }
};
/**
 * Writes a batch as an SDP fragment (RFC 8840, section 9).
 * @param {string} sdp the local description, of which the first section counts
 * @param {string[]} candidates
 * @param {boolean} isComplete whether no more will come
 * @returns {string}
 */
function sdpFragment(sdp, candidates, isComplete) {
  // With max-bundle all candidates belong to the first section.
  const lines = [/^a=ice-ufrag:.*$/m, /^a=ice-pwd:.*$/m, /^m=.*$/m, /^a=mid:.*$/m].map(
    (pattern) => (sdp.match(pattern)?.[0] ?? "").trim()
  );
  lines.push(...candidates.map((candidate) => `a=${candidate}`));
  if (isComplete) lines.push("a=end-of-candidates");
  return lines.map((line) => `${line}\r
`).join("");
}

// shim/connection/candidates.js
/**
 * The candidates of one peer connection: the first travel with the offer, later ones as SDP fragments.
 */
/** The offer carries what is found this soon, which is the host candidates. */
var FIRST_CANDIDATE_TIMEOUT_MS = 100;
var Candidates = class {
  #peer;
  #batches = new CandidateBatches((act, delay_ms) => setTimeout(act, delay_ms));
  #noteFirst = () => {
  };
  /** @type {Promise<void>} */
  #first = new Promise((resolve) => {
    this.#noteFirst = resolve;
  });
  /** @param {RTCPeerConnection} peer */
  constructor(peer) {
    this.#peer = peer;
    peer.addEventListener("icecandidate", ({ candidate }) => {
      this.#batches.add(candidate && candidate.candidate);
      this.#noteFirst();
    });
  }
  /** @returns {Promise<RTCSessionDescription>} the local description with the first candidates */
  async offer() {
    const batch = this.#first.then(() => this.#batches.isComplete ? void 0 : pause(CANDIDATE_BATCH_MS));
    await Promise.race([batch, pause(FIRST_CANDIDATE_TIMEOUT_MS)]);
    this.#batches.drop();
    return (
      /** @type {RTCSessionDescription} */
      this.#peer.localDescription
    );
  }
  /** @param {(fragment: string) => void} send takes each later batch, the last with its end mark */
  follow(send) {
    this.#batches.follow((candidates, isComplete) => {
      if (this.#peer.signalingState === "closed") return;
      send(sdpFragment(this.#peer.localDescription?.sdp ?? "", candidates, isComplete));
    });
  }
};

// shared/json.js
/**
 * JSON that may be anything, and JSON that means the same in every page. The shim, the demo page and the extension
 * read it here.
 *
 * A page may have patched what JSON is made with: old libraries give arrays a `toJSON` that makes a text of
 * them. So the browser's own functions are taken before a later script replaces them, and `toJSON` of the
 * prototypes is not asked.
 */
var { parse, stringify } = JSON;
var { create, defineProperty, keys } = Object;
var { isArray } = Array;
/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === "object" && value !== null && !isArray(value);
}
/** @template T @param {T | T[] | null | undefined} value @returns {T[]} of what may be one, several or none */
function asList(value) {
  if (isArray(value)) return value;
  return value === null || value === void 0 ? [] : [value];
}
/** @param {string} text @returns {any} undefined where the text is not JSON */
function parsedJson(text) {
  try {
    return parse(text);
  } catch {
    return void 0;
  }
}
/** @param {unknown} value of arrays, objects, texts, numbers and dates @returns {string} */
function jsonText(value) {
  return stringify(bare(value));
}
/** @param {any} value @returns {any} a copy that no prototype of the page's says anything about */
function bare(value) {
  if (typeof value !== "object" || value === null) return value;
  if (isArray(value)) {
    /** @type {any[]} */
    const list = [];
    // By index: a page may have patched what iterates, and what appends.
    for (let index = 0; index < value.length; index += 1) {
      defineProperty(list, index, { value: bare(value[index]), enumerable: true });
    }
    // Found before that of the prototype, and no function.
    return defineProperty(list, "toJSON", { value: void 0 });
  }
  // That of a date says what it is; one that every object has is a library's.
  const { toJSON } = value;
  if (typeof toJSON === "function" && toJSON !== Reflect.get(Object.prototype, "toJSON")) {
    return bare(value.toJSON());
  }
  const copy = create(null);
  const names = keys(value);
  for (let index = 0; index < names.length; index += 1) copy[names[index]] = bare(value[names[index]]);
  return copy;
}

// shared/retry.js
/**
 * When to try again, for all who call a service by HTTP.
 */
var LARGEST_JITTER = 1 / 4;
/**
 * @param {Headers} headers of an answer @param {number} [now_ms] by `Date`
 * @returns {number | null} what `Retry-After` asks for, in seconds (RFC 9110 section 10.2.3); null where nothing that
 *   can be read is asked for
 */
function retryAfter_s(headers, now_ms = Date.now()) {
  const text = headers.get("Retry-After")?.trim();
  if (!text) return null;
  // Proxies name a date, too.
  const seconds = Number.isNaN(Number(text)) ? (Date.parse(text) - now_ms) / 1e3 : Number(text);
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : null;
}
/**
 * Jitter, so that pages do not reconnect together.
 * @param {number} pause_ms @param {() => number} [random] from 0 to 1 @returns {number} up to a quarter more
 */
function jittered(pause_ms, random = Math.random) {
  return pause_ms * (1 + LARGEST_JITTER * random());
}

// shim/connection/signaling.js
/**
 * The HTTP calls to the signaling service.
 */
var ICE_SERVERS_TIMEOUT_MS = 3e3;
var CHECK_TIMEOUT_MS = 2e3;
var CHANGE_TIMEOUT_MS = 2e4;
/** How long a call for the list of filters may take. */
var FILTERS_TIMEOUT_MS = 3e3;
var JSON_TYPE = { "Content-Type": "application/json" };
var fetchFromServer = embedder?.fetch ?? fetchNative;
/**
 * What a session calls; an extension stands in for these.
 * @typedef {Pick<Signaling, 'iceServers' | 'iceServersOrFault' | 'privateFilters' | 'check'>} SignalingCalls
 */
/**
 * What the server applies. `first` is the RTP timestamp of the first frame of it; null where it is unknown or
 * need not be known.
 * @typedef {{filters: string[], isPrivate: boolean, first: number | null}} Applied
 */
var Signaling = class {
  #settings;
  /** @param {Settings} settings as they were when the camera was asked for */
  constructor(settings) {
    this.#settings = settings;
  }
  /** @returns {Promise<RTCIceServer[]>} none where the server does not answer, since a direct path may do */
  iceServers() {
    return this.iceServersOrFault().catch(() => []);
  }
  /** @returns {Promise<RTCIceServer[]>} @throws {Fault} */
  async iceServersOrFault() {
    const signal = AbortSignal.timeout(ICE_SERVERS_TIMEOUT_MS);
    const response = await this.#call("ice-servers", { signal });
    const { iceServers } = await response.json().catch(() => ({}));
    return Array.isArray(iceServers) ? iceServers : [];
  }
  /**
   * @param {RTCSessionDescription} description
   * @param {AbortSignal} signal
   * @param {boolean} isReconnection whether it takes up a call again, which the server counts
   * @param {AskedToPublish | null} [asked] null: others see nothing of it
   * @returns {Promise<{id: string, sdp: string, filters: string[], isPrivate: boolean, published: string}>}
   * @throws {Fault}
   */
  async offer({ type, sdp }, signal, isReconnection, asked = null) {
    const { filter, params, outage, server } = this.#settings;
    const reconnect = isReconnection || void 0;
    const publish = asked ? { ...publishing(asked), takes_over: asked.takesOver } : {};
    const body = jsonText({ type, sdp, filter: filter ?? void 0, params, outage, reconnect, ...publish });
    const response = await this.#call("offer", { method: "POST", headers: JSON_TYPE, body, signal });
    const answer = await response.json().catch(() => null);
    if (typeof answer?.sdp !== "string" || typeof answer.session !== "string") {
      throw new Fault("bad_answer", `what answers at ${server} is not a p2pcamera server`);
    }
    const filters = asList(answer.filter);
    const published = String(answer.publish ?? "");
    return { id: answer.session, sdp: answer.sdp, filters, isPrivate: answer.private === true, published };
  }
  /**
   * @returns {Promise<{filters: {name: string, private?: boolean}[], default: string}>} what workers serve
   * @throws {Fault}
   */
  async filters() {
    const response = await this.#call("filters", { signal: AbortSignal.timeout(FILTERS_TIMEOUT_MS) });
    return response.json();
  }
  /**
   * @returns {Promise<(string | null)[]>} the private filters, and null where the default is one of them; empty where the
   *   server does not tell
   */
  async privateFilters() {
    try {
      const { filters, default: preset } = await this.filters();
      const names = filters.filter((filter) => filter.private).map(({ name }) => name);
      return names.includes(preset) ? [...names, null] : names;
    } catch {
      return [];
    }
  }
  /** @param {string} id @param {string} body an SDP fragment @throws {Fault} */
  async trickle(id, body) {
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag" };
    await this.#call(`sessions/${id}`, { method: "PATCH", headers, body });
  }
  /**
   * Asks for a session without a change.
   * @param {string} id
   * @throws {Fault} where the session does not exist any more
   */
  async check(id) {
    const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
    await this.#call(`sessions/${id}`, { method: "PATCH", headers: JSON_TYPE, body: "{}", signal });
  }
  /** @param {string} id @param {string} body JSON @returns {Promise<Applied>} @throws {Fault} */
  async change(id, body) {
    return applied(await this.#change(id, body));
  }
  /**
   * @param {string} id @param {AskedToPublish | null} asked null: nobody is to see it any more
   * @returns {Promise<string>} the name under which it is published; empty: under none
   * @throws {Fault}
   */
  async publish(id, asked) {
    const body = jsonText(asked ? publishing(asked) : { publish: false });
    const { publish = "" } = await this.#change(id, body);
    return String(publish);
  }
  /** @param {string} id @param {string} body JSON @returns {Promise<any>} @throws {Fault} */
  async #change(id, body) {
    const signal = AbortSignal.timeout(CHANGE_TIMEOUT_MS);
    const init = { method: "PATCH", headers: JSON_TYPE, body, signal };
    const response = await this.#call(`sessions/${id}`, init);
    return response.json().catch(() => ({}));
  }
  /** @param {string} id */
  async end(id) {
    // The page may be going away.
    await this.#call(`sessions/${id}`, { method: "DELETE", keepalive: true });
  }
  /**
   * Only the refusal of a fresh token is final: one that has been used may have expired.
   * @param {string} path @param {RequestInit} init @returns {Promise<Response>} @throws {Fault}
   */
  async #call(path, init) {
    const source = this.#settings.token;
    // Without a wait where there is one: the page may be going away.
    const used = source?.kept ?? null;
    if (!source?.canRenew || init.keepalive) return this.#callWith(used, path, init);
    const token = used ?? await source.token();
    try {
      return await this.#callWith(token, path, init);
    } catch (error) {
      const { status, code } = (
        /** @type {Fault} */
        error
      );
      const isOfTheToken = status === 401 || code === "forbidden";
      if (used === null || !isOfTheToken) throw error;
      source.forget(used);
      return this.#callWith(await source.token(), path, init);
    }
  }
  /**
   * @param {string | null} token @param {string} path @param {RequestInit} init
   * @returns {Promise<Response>} @throws {Fault}
   */
  async #callWith(token, path, init) {
    const { server } = this.#settings;
    const headers = new Headers(init.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const response = await fetchFromServer(new URL(path, server), {
      credentials: "omit",
      cache: "no-store",
      ...init,
      headers
    }).catch((error) => {
      throw new Fault("unreachable", `the server at ${server} cannot be reached (${error.message})`);
    });
    if (response.ok) return response;
    const body = await response.json().catch(() => null);
    const fault = faultFromError(body?.error);
    fault.status = response.status;
    fault.retryAfterS = retryAfter_s(response.headers);
    throw fault;
  }
};
/** @param {Settings} settings @returns {SignalingCalls} */
function newSignaling(settings) {
  return embedder?.newSignaling?.(settings) ?? new Signaling(settings);
}
/** @param {AskedToPublish} asked */
function publishing({ name, publisher }) {
  return { publish: name, publisher };
}
/** @param {any} said about a change, which may be anything @returns {Applied} */
function applied({ filter, private: isPrivate, first_rtp_timestamp: first }) {
  return {
    filters: asList(filter),
    isPrivate: isPrivate === true,
    first: Number.isSafeInteger(first) ? first : null
  };
}

// shim/connection/control.js
/**
 * The data channel `control`. The server answers changes of filter in the order in which they were sent.
 */
var Control = class {
  #channel;
  #notify;
  /** @type {string[]} */
  #unsent = [];
  /** @type {((outcome: any) => void)[]} */
  #changes = [];
  /** @type {Map<string, (outcome: null | Fault) => void>} */
  #pings = /* @__PURE__ */ new Map();
  #pingCount = 0;
  heardAt_ms = performance.now();
  /**
   * @param {RTCDataChannel} channel
   * @param {(message: any) => void} notify takes what nobody asked for: stats, progress, errors of a worker
   */
  constructor(channel, notify) {
    this.#channel = channel;
    this.#notify = notify;
    channel.addEventListener("open", () => {
      for (const text of this.#unsent.splice(0)) channel.send(text);
    });
    channel.addEventListener("message", ({ data }) => this.#receive(data));
  }
  /** @param {string | string[]} name @param {object} params @returns {Promise<Applied>} @throws {Fault} */
  async changeFilter(name, params) {
    return applied(await this.#change({ name, params }));
  }
  /** @param {'closed' | 'open'} outage @throws {Fault} */
  async changeOutage(outage) {
    await this.#change({ outage });
  }
  /** @returns {Promise<number>} the round trip in milliseconds @throws {Fault} */
  async ping() {
    this.#pingCount += 1;
    const key = ` ${this.#pingCount}`;
    const sentAt_ms = performance.now();
    const outcome = await new Promise((resolve) => {
      this.#pings.set(key, resolve);
      this.#send(`ping${key}`);
    });
    if (outcome instanceof Fault) throw outcome;
    return performance.now() - sentAt_ms;
  }
  /** Asks for a message of any kind: `heardAt_ms` then tells whether the server is there. */
  askForWord() {
    if (this.#channel.readyState === "open") this.#channel.send("ping");
  }
  /** @param {Fault} fault for all who still wait */
  close(fault) {
    this.#channel.close();
    for (const settle of [...this.#changes.splice(0), ...this.#pings.values()]) settle(fault);
    this.#pings.clear();
  }
  /** @param {object} wanted @returns {Promise<any>} the server's answer @throws {Fault} */
  async #change(wanted) {
    const outcome = await new Promise((resolve) => {
      this.#changes.push(resolve);
      this.#send(jsonText({ type: "filter", ...wanted }));
    });
    if (outcome instanceof Fault) throw outcome;
    return outcome;
  }
  /** @param {string} text */
  #send(text) {
    if (this.#channel.readyState === "open") this.#channel.send(text);
    else this.#unsent.push(text);
  }
  /** @param {unknown} text */
  #receive(text) {
    this.heardAt_ms = performance.now();
    if (typeof text !== "string") return;
    if (text.startsWith("pong")) {
      const key = text.slice("pong".length);
      this.#pings.get(key)?.(null);
      this.#pings.delete(key);
      return;
    }
    const message = parsedJson(text);
    if (message?.type === "filter") this.#changes.shift()?.(message);
    else if (message?.type === "error" && !message.of && this.#changes.length > 0) {
      this.#changes.shift()?.(faultFromError(message.error));
    } else if (isObject(message)) this.#notify(message);
  }
};

// shim/connection/filter_changes.js
/**
 * Changes the filter by the data channel, or by HTTP where the change is too long for a message.
 */
/** The server takes messages of 65,536 characters. */
var MAX_CONTROL_CHARACTERS = 6e4;
var FilterChanges = class {
  #control;
  #post;
  /** Settled when the last change has been answered. @type {Promise<unknown>} */
  #changed = Promise.resolve();
  /** Changes by HTTP that are not answered yet, and those that wait for one. */
  #longChanges = 0;
  /** @param {Control} control @param {(body: string) => Promise<Applied>} post sends a change by HTTP */
  constructor(control, post) {
    this.#control = control;
    this.#post = post;
  }
  /** @param {string | string[]} name @param {object} params @returns {Promise<Applied>} @throws {Fault} */
  async make(name, params) {
    const control = this.#control;
    const body = jsonText({ filter: name, params });
    const isLong = body.length > MAX_CONTROL_CHARACTERS;
    if (!isLong && this.#longChanges === 0) {
      const change2 = control.changeFilter(name, params);
      this.#changed = change2.catch(() => {
      });
      return change2;
    }
    // One after another: the two ways do not know of each other, and the last wish has to arrive last.
    this.#longChanges += 1;
    const change = this.#changed.then(() => isLong ? this.#post(body) : control.changeFilter(name, params));
    this.#changed = change.catch(() => {
    }).finally(() => {
      this.#longChanges -= 1;
    });
    return change;
  }
};

// shim/connection/first_frame.js
/**
 * Waits for the first frame of a returned track.
 */
/**
 * Under `closed` the server's card comes 2 s into an outage. A track that is silent for longer is passed on
 * as it is.
 */
var FIRST_FRAME_TIMEOUT_MS = 3e3;
/** @param {RTCPeerConnection} peer @param {MediaStreamTrack} track @returns {Promise<void>} */
function firstFrame(peer, track) {
  return new Promise((resolve) => {
    const limitWait = () => {
      if (peer.connectionState === "connected") setTimeout(resolve, FIRST_FRAME_TIMEOUT_MS);
    };
    track.addEventListener("unmute", () => resolve(), { once: true });
    peer.addEventListener("connectionstatechange", limitWait);
    limitWait();
    if (!track.muted) resolve();
  });
}

// shim/connection/link.js
/**
 * One peer connection and its session at the server. It is opened once and closed once.
 */
var NO_SERVER = "p2pcamera.server is not set, and no script tag with src or data-server tells it";
/**
 * @typedef {{filter: string | string[] | null, params: object}} Choice
 *
 * What a session needs of a link; an extension stands in for this.
 * @typedef {Pick<Link, 'id' | 'asked' | 'filters' | 'isPrivate' | 'heardAt_ms' | 'getStats' | 'open' | 'send' |
 *   'changeFilter' | 'close'> & {readonly control: ControlCalls | null} &
 *   Partial<Pick<Link, 'listenForData' | 'publish' | 'published' | 'sendSound' | 'sendsSound' | 'sound'>>} Connection
 * @typedef {Pick<Control, 'changeOutage' | 'ping' | 'askForWord'>} ControlCalls
 *
 * `loss` tells of a connection that was open; one that is still opening makes `open` fail.
 * @typedef {object} LinkEvents
 * @property {(track: MediaStreamTrack) => void} track
 * @property {(message: any) => void} message
 * @property {(text: unknown) => void} [data] takes what filters tell of their pictures
 * @property {() => void} loss
 * @property {Publication} [publication] asked for by the offer
 * @property {boolean} [isReconnection] whether it takes up a call again
 */
var Link = class {
  #settings;
  #signaling;
  #on;
  #abort = new AbortController();
  /** @type {RTCPeerConnection | null} */
  #peer = null;
  #camera = new CameraSender(() => this.#abort.signal.aborted);
  /** Of a page that publishes its microphone. @type {RTCRtpSender | null} */
  #soundSender = null;
  /** @type {Control | null} */
  #control = null;
  /** @type {FilterChanges | null} */
  #changes = null;
  /** @type {RTCDataChannel | null} */
  #data = null;
  /** @type {string | null} */
  id = null;
  /** What the offer asked for. @type {Choice | null} */
  asked = null;
  /** @type {readonly string[]} */
  filters = [];
  /** Whether the server calls the filters of the offer private. */
  isPrivate = false;
  /** What the offer has besides the camera. @type {MediaStreamTrack | null} */
  sound = null;
  /** The name under which the offer is published; empty: under none. */
  published = "";
  /** @param {Settings} settings of the session, read when the offer is made @param {LinkEvents} on */
  constructor(settings, on) {
    this.#settings = settings;
    this.#signaling = new Signaling(settings);
    this.#on = on;
  }
  /** @returns {Control | null} null before there is a connection to make an offer for */
  get control() {
    return this.#control;
  }
  /** @returns {number} when the server was last heard on the data channel */
  get heardAt_ms() {
    return this.#control?.heardAt_ms ?? -Infinity;
  }
  /** @returns {Promise<RTCStatsReport> | undefined} */
  getStats() {
    return this.#peer?.getStats();
  }
  /**
   * Returns when the filtered track is about to show its first frame.
   * @param {MediaStreamTrack} camera
   * @param {Promise<RTCIceServer[]>} iceServers
   * @param {number} timeout_ms
   * @throws {Fault} with everything closed
   */
  async open(camera, iceServers, timeout_ms) {
    const late = new Fault("timeout", `no picture came back within ${timeout_ms / 1e3} s`);
    const timer = setTimeout(() => this.close(late), timeout_ms);
    try {
      await Promise.race([this.#connect(camera, iceServers), this.#aborted()]);
    } catch (error) {
      const fault = faultFrom(error, "no_media_path");
      this.close(fault);
      throw fault;
    } finally {
      clearTimeout(timer);
    }
  }
  /** @param {MediaStreamTrack} camera to be sent from now on, or sent already in another size */
  async send(camera) {
    return this.#camera.send(camera);
  }
  /** @param {string | string[]} name @param {object} params @returns {Promise<Applied>} @throws {Fault} */
  async changeFilter(name, params) {
    return (
      /** @type {FilterChanges} */
      this.#changes.make(name, params)
    );
  }
  /** @param {string} body of a change @returns {Promise<Applied>} @throws {Fault} */
  async #post(body) {
    const closed = this.#aborted();
    // The server answers this only after it has given the session its id.
    if (this.id === null) await this.#control?.ping();
    this.#abort.signal.throwIfAborted();
    return Promise.race([this.#signaling.change(
      /** @type {string} */
      this.id,
      body
    ), closed]);
  }
  /**
   * @param {AskedToPublish | null} asked null: nobody is to see the picture any more
   * @returns {Promise<string>} the name under which it is published @throws {Fault}
   */
  async publish(asked) {
    const closed = this.#aborted();
    this.#abort.signal.throwIfAborted();
    return Promise.race([this.#signaling.publish(
      /** @type {string} */
      this.id,
      asked
    ), closed]);
  }
  /** Whether the connection has a section for sound. */
  get sendsSound() {
    return this.#soundSender !== null;
  }
  /** @param {MediaStreamTrack | null} sound @returns {boolean} false where only another offer could bring it */
  sendSound(sound) {
    this.#soundSender?.replaceTrack(sound).catch((error) => console.warn(`p2pcamera: ${error.message}`));
    return this.sendsSound || sound === null;
  }
  /** Opens the channel `data`, once; a message that is lost is not sent again, since its picture is gone. */
  listenForData() {
    if (this.#data || !this.#peer || this.#abort.signal.aborted) return;
    this.#data = this.#peer.createDataChannel("data", { ordered: false, maxRetransmits: 0 });
    this.#data.addEventListener("message", ({ data }) => this.#on.data?.(data));
  }
  /** @param {Fault} fault for all who still wait */
  close(fault) {
    if (this.#abort.signal.aborted) return;
    // First of all, since what follows makes the connection report its end.
    this.#abort.abort(fault);
    this.#control?.close(fault);
    this.#peer?.close();
    if (this.id !== null) this.#signaling.end(this.id).catch(() => {
    });
  }
  /** @returns {Promise<never>} rejects when the link is closed */
  #aborted() {
    const { signal } = this.#abort;
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }
  /** @param {MediaStreamTrack} camera @param {Promise<RTCIceServer[]>} iceServers */
  async #connect(camera, iceServers) {
    if (this.#settings.fault) throw this.#settings.fault;
    if (!this.#settings.server) throw new Fault("bad_settings", NO_SERVER);
    const { signal } = this.#abort;
    const configuration = { iceServers: await iceServers, bundlePolicy: (
      /** @type {const} */
      "max-bundle"
    ) };
    if (signal.aborted) return;
    const peer = new RTCPeerConnection(configuration);
    this.#peer = peer;
    const candidates = new Candidates(peer);
    // An answer cannot add a data channel, so it is in the offer.
    const channel = peer.createDataChannel("control");
    this.#control = new Control(channel, this.#on.message);
    this.#changes = new FilterChanges(this.#control, (body) => this.#post(body));
    let isUp = false;
    const lose = () => {
      if (signal.aborted) return;
      if (isUp) return this.#on.loss();
      this.close(new Fault("no_media_path", "the server answered, but no picture can travel to it and back"));
    };
    peer.addEventListener("connectionstatechange", () => {
      if (peer.connectionState === "failed" || peer.connectionState === "closed") lose();
    });
    channel.addEventListener("close", lose);
    const { receiver } = await this.#camera.begin(peer, camera);
    this.sound = this.#on.publication?.sound ?? null;
    const voice = this.sound && peer.addTransceiver(this.sound, { direction: "sendonly" });
    await peer.setLocalDescription(await peer.createOffer());
    const description = await candidates.offer();
    if (signal.aborted) return;
    const { filter, params } = this.#settings;
    this.asked = { filter, params };
    const answer = await this.#offer(description, signal);
    this.id = answer.id;
    if (signal.aborted) {
      this.#signaling.end(answer.id).catch(() => {
      });
      return;
    }
    this.filters = Object.freeze(answer.filters);
    this.isPrivate = answer.isPrivate;
    this.published = answer.published;
    candidates.follow((fragment) => {
      this.#signaling.trickle(answer.id, fragment).catch((error) => console.warn(`p2pcamera: ${error.message}`));
    });
    await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    if (signal.aborted) return;
    if (voice?.currentDirection === "sendonly") this.#soundSender = voice.sender;
    this.#on.track(receiver.track);
    await firstFrame(peer, receiver.track);
    isUp = true;
  }
  /**
   * Offers; where others may not see the picture, for the page alone.
   * @param {RTCSessionDescription} description @param {AbortSignal} signal @throws {Fault}
   */
  async #offer(description, signal) {
    const { publication, isReconnection = false } = this.#on;
    const asked = publication?.asked ?? null;
    try {
      return await this.#signaling.offer(description, signal, isReconnection, asked);
    } catch (error) {
      if (!publication?.isRefusedBy(error)) throw error;
      return this.#signaling.offer(description, signal, isReconnection);
    }
  }
};
/** @param {Settings} settings @param {LinkEvents} on @returns {Connection} */
function newLink(settings, on) {
  return embedder?.newLink?.(settings, on) ?? new Link(settings, on);
}

// shim/base/faces.js
/**
 * What stands behind objects that the page holds.
 *
 * The browser's own functions and getters, once replaced, look here. They answer with the member of the same
 * name.
 * @type {WeakMap<object, any>}
 */
var faces = /* @__PURE__ */ new WeakMap();

// shim/camera/device_ids.js
/**
 * The ids of filtered cameras, and constraints that name them.
 */
/**
 * Reads an id backwards.
 *
 * A filtered camera's id is its camera's id read backwards. No table is needed, and a page may use an id that
 * it kept from an earlier visit, before it has permission to list devices.
 * @param {string} id @returns {string}
 */
var backwards = (id) => [...id].reverse().join("");
/** Maps between a camera's own id and its filtered id, by a function that is its own inverse. */
var DeviceIds = class {
  /**
   * @param {(id: string) => string} other id of the same camera; the same id where all cameras are filtered
   */
  constructor(other) {
    this.other = other;
  }
  /** @template {{deviceId?: string}} T @param {T} told by a camera @returns {T} */
  withOther(told) {
    return told.deviceId ? { ...told, deviceId: this.other(told.deviceId) } : told;
  }
  /**
   * Names both ids of each camera that the constraints name, so that the browser finds it by either. The old
   * `mandatory: {sourceId}` can name but one: see `candidates`.
   * @template {MediaTrackConstraints} T @param {T} video @returns {T}
   */
  widened(video) {
    return mapDeviceIds(video, (ids) => {
      if (typeof ids === "string") return [ids, this.other(ids)];
      return Array.isArray(ids) ? ids.flatMap((id) => [id, this.other(String(id))]) : ids;
    });
  }
  /**
   * Returns the constraints with which the browser is to be asked, one after the other, until it finds a camera.
   * @template {MediaTrackConstraints} T @param {T} video as the page wrote it @returns {T[]}
   */
  candidates(video) {
    const wide = this.widened(video);
    const { mandatory } = (
      /** @type {any} */
      wide
    );
    const { sourceId } = mandatory ?? {};
    if (sourceId === void 0 || this.other(String(sourceId)) === sourceId) return [wide];
    const byOther = { ...wide, mandatory: { ...mandatory, sourceId: this.other(String(sourceId)) } };
    return [byOther, wide];
  }
  /**
   * @template {MediaTrackConstraints} T @param {T} video from `candidates`, as the browser tells it of a track
   * @param {string} [own] the id of the track's camera, which the page knows by the other one
   * @returns {T} as the page wrote it
   */
  narrowed(video, own) {
    const told = mapDeviceIds(video, (ids) => {
      if (!Array.isArray(ids)) return ids;
      const named = ids.filter((_, index) => index % 2 === 0);
      return named.length === 1 ? named[0] : named;
    });
    // From `optional` the browser has made a set for each of both ids, from `mandatory` the camera's own.
    const { deviceId, advanced } = (
      /** @type {any} */
      told
    );
    if (Array.isArray(advanced)) {
      const isSecond = (set, index) => typeof set.deviceId === "string" && this.other(set.deviceId) === advanced[index - 1]?.deviceId;
      /** @type {any} */
      told.advanced = advanced.filter((set, index) => !isSecond(set, index));
    }
    if (own && deviceId?.exact === own) {
      told.deviceId = { ...deviceId, exact: this.other(own) };
    }
    return told;
  }
  /**
   * @param {any} video the constraints as the page wrote them
   * @param {MediaTrackSettings} settings of the camera that the browser chose
   * @returns {boolean} whether that camera is to be left unfiltered
   */
  asksForRaw(video, { deviceId = "", displaySurface }) {
    // An extension's capture of the screen comes by this call, too.
    if (displaySurface || video.mandatory?.chromeMediaSource || video.mediaSource) return true;
    const ids = exactIds(video);
    return ids.includes(deviceId) && !ids.includes(this.other(deviceId));
  }
};
/** @param {any} video constraints @returns {string[]} the ids of which the page demands one */
function exactIds(video) {
  return [...asList(video.deviceId?.exact), ...asList(video.mandatory?.sourceId)];
}
/** @param {unknown} video constraints @returns {boolean} whether they may name a camera */
function namesCamera(video) {
  if (!isObject(video)) return false;
  const { mandatory } = (
    /** @type {any} */
    video
  );
  // Of before the standard are the last two. Screens are named by other members of `mandatory`.
  return "deviceId" in video || "advanced" in video || "optional" in video || isObject(mandatory) && "sourceId" in mandatory;
}
/** @template {any} T @param {T} video @param {(ids: any) => any} map @returns {T} */
function mapDeviceIds(video, map) {
  if (!isObject(video)) return video;
  const mapped = (
    /** @type {any} */
    { ...video }
  );
  const { deviceId, advanced, optional } = mapped;
  if (isObject(deviceId)) {
    mapped.deviceId = Object.fromEntries(Object.entries(deviceId).map(([how, ids]) => [how, map(ids)]));
  } else if (deviceId !== void 0) {
    mapped.deviceId = map(deviceId);
  }
  // Of before the standard: a list whose members name one id each, and are wishes.
  if (Array.isArray(optional)) {
    mapped.optional = optional.flatMap((set) => {
      const ids = isObject(set) && "sourceId" in set ? asList(map(set.sourceId)) : null;
      return ids === null ? [set] : ids.map((sourceId) => ({ ...set, sourceId }));
    });
  }
  if (Array.isArray(advanced)) mapped.advanced = advanced.map((set) => mapDeviceIds(set, map));
  return mapped;
}

// shim/camera/devices.js
/**
 * The filtered camera in the list of devices.
 */
/**
 * With an extension, whose user has a switch, all cameras are filtered under their own ids: a site finds the
 * one that it remembers.
 */
var deviceIds = new DeviceIds(embedder ? (id) => id : backwards);
/** @param {string} label of a camera, empty before permission @returns {string} */
var filteredLabel = (label) => label && `${label} (filtered)`;
/** What a filtered camera in the list of devices says of itself; see `faces`. */
var DeviceFace = class {
  #camera;
  /** @param {MediaDeviceInfo} camera */
  constructor(camera) {
    this.#camera = camera;
  }
  get deviceId() {
    return deviceIds.other(this.#camera.deviceId);
  }
  get kind() {
    return this.#camera.kind;
  }
  get label() {
    return filteredLabel(this.#camera.label);
  }
  get groupId() {
    return this.#camera.groupId;
  }
  getCapabilities() {
    return deviceIds.withOther(
      /** @type {InputDeviceInfo} */
      this.#camera.getCapabilities()
    );
  }
  toJSON() {
    const { deviceId, kind, label, groupId } = this;
    return { deviceId, kind, label, groupId };
  }
};
/**
 * @param {MediaDeviceInfo[]} devices
 * @returns {MediaDeviceInfo[]} with a filtered camera before each camera, so that the first camera is a filtered one
 */
function withFilteredCameras(devices) {
  return devices.flatMap((device) => {
    // Without permission a list has one camera at most, and that one has no id.
    if (device.kind !== "videoinput" || !device.deviceId) return [device];
    const filtered = Object.create(Object.getPrototypeOf(device));
    faces.set(filtered, new DeviceFace(device));
    return embedder ? [filtered] : [filtered, device];
  });
}

// shim/camera/track_face.js
/**
 * How a track of the page's behaves: like the camera's own track behind it.
 */
/**
 * One track of the page's. Each has a camera's track to itself, so that the browser itself checks, keeps and
 * undoes the constraints of each.
 */
var TrackFace = class {
  #owner;
  #track;
  #camera;
  #place;
  #changeCount = 0;
  #hasEnded = false;
  /**
   * @param {MediaStreamTrack} track
   * @param {MediaStreamTrack} camera
   * @param {Place} place where it was asked for
   * @param {{changed: () => void, stopped: () => void, clone: () => TrackFace}} owner
   */
  constructor(track, camera, place, owner) {
    this.#track = track;
    this.#camera = camera;
    this.#place = place;
    this.#owner = owner;
    faces.set(track, this);
    if (track === camera) return;
    for (const type of ["mute", "unmute", "configurationchange"]) {
      camera.addEventListener(type, () => {
        track.dispatchEvent(new Event(type));
        owner.changed();
      });
    }
    camera.addEventListener("ended", () => this.end());
  }
  get track() {
    return this.#track;
  }
  get camera() {
    return this.#camera;
  }
  get place() {
    return this.#place;
  }
  /** Ends the track because the camera is gone. The page hears of it, unlike after its own `stop`. */
  end() {
    if (this.#hasEnded) return;
    this.stop();
    this.#track.dispatchEvent(new Event("ended"));
  }
  /** Lets the browser open the camera again for what this track asks for, and no more. */
  reapply() {
    if (this.#changeCount > 0) return;
    applyTrackConstraints.call(this.#camera, getTrackConstraints.call(this.#camera)).catch(() => {
    });
  }
  // What the page calls
  get label() {
    return filteredLabel(labelOf?.call(this.#camera));
  }
  get muted() {
    return isMutedOf?.call(this.#camera);
  }
  get stats() {
    return statsOf?.call(this.#camera);
  }
  getSettings() {
    return deviceIds.withOther(getTrackSettings.call(this.#camera));
  }
  getCapabilities() {
    return deviceIds.withOther(getTrackCapabilities.call(this.#camera));
  }
  getConstraints() {
    const { deviceId } = getTrackSettings.call(this.#camera);
    return deviceIds.narrowed(getTrackConstraints.call(this.#camera), deviceId);
  }
  /** @param {MediaTrackConstraints} [constraints] */
  async applyConstraints(constraints) {
    const ids = exactIds(constraints ?? {});
    const { deviceId = "" } = this.getSettings();
    // No camera has this id, so the browser refuses it in its own words.
    const refused = { deviceId: { exact: "" } };
    const isOther = ids.length > 0 && !ids.includes(deviceId);
    const wanted = isOther ? refused : constraints && deviceIds.candidates(constraints)[0];
    this.#changeCount += 1;
    try {
      await applyTrackConstraints.call(this.#camera, wanted);
    } finally {
      this.#changeCount -= 1;
    }
    if (!this.#hasEnded) this.#owner.changed();
  }
  clone() {
    if (this.#hasEnded) return endedFace(cloneTrack.call(this.#track), this.#camera, this.#place).track;
    const { track } = this.#owner.clone();
    track.contentHint = this.#track.contentHint;
    track.enabled = this.#track.enabled;
    return track;
  }
  stop() {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    stopTrack.call(this.#track);
    stopTrack.call(this.#camera);
    this.#owner.stopped();
  }
};
/**
 * @param {MediaStreamTrack} track
 * @param {MediaStreamTrack} camera
 * @param {Place} place
 * @returns {TrackFace}
 */
function endedFace(track, camera, place) {
  const owner = { changed() {
  }, stopped() {
  }, clone: () => face };
  /** @type {TrackFace} */
  const face = new TrackFace(track, cloneTrack.call(camera), place, owner);
  face.stop();
  return face;
}
/** The page's tracks that are the camera's own. @type {Set<TrackFace>} */
var rawFaces = /* @__PURE__ */ new Set();
/**
 * Lets the raw camera stand in for the filtered one, as it may under `open`.
 * @param {MediaStreamTrack} camera @param {Place} place @returns {TrackFace}
 */
function rawFace(camera, place) {
  const clone = () => rawFace(cloneTrack.call(camera), place);
  const stopped = () => rawFaces.delete(face);
  /** @type {TrackFace} */
  const face = new TrackFace(camera, camera, place, { changed() {
  }, stopped, clone });
  rawFaces.add(face);
  return face;
}

// shim/check/findings.js
/**
 * What a step of a check has found.
 */
/**
 * @import { P2PCameraStep } from "../api.js"
 * @typedef {Omit<P2PCameraStep, 'name'>} Finding
 */
/** @param {object} detail @returns {Finding} */
function ok(detail) {
  return { outcome: "ok", code: "", message: "", detail };
}
/** @param {string} code @param {string} message @param {object} detail @returns {Finding} */
function note(code, message, detail) {
  return { outcome: "note", code, message, detail };
}
/** @param {string} code @param {string} message @param {object} [detail] @returns {Finding} */
function failure(code, message, detail = {}) {
  return { outcome: "fail", code, message, detail };
}
/** @param {any} error @returns {Finding} */
function failed(error) {
  // The browser's own errors have a name; of ours, the code says more.
  const code = typeof error?.code === "string" ? error.code : String(error?.name ?? "error");
  const fault = [error, error?.cause].find((one) => one instanceof Fault);
  const detail = fault ? { status: fault.status, trouble: fault.trouble } : {};
  return failure(code, String(error?.message ?? error), detail);
}

// shim/check/relays.js
/**
 * Trials of TURN servers: does each relay, and do relays reach the server?
 */
var RELAY_TIMEOUT_MS = 6e3;
var WAY_TIMEOUT_MS = 1e4;
/** Of `icecandidateerror` (W3C WebRTC): the first is of TURN (RFC 8656), the other of no answer at all. */
var UNAUTHORIZED = 401;
var UNREACHABLE = 701;
/**
 * @typedef {"ok" | "unreachable" | "credentials" | "refused"} Relaying
 * @typedef {{server: RTCIceServer, url: string, outcome: Relaying, reason: string}} Trial `reason` is the relay's own
 */
/**
 * @param {RTCIceServer[]} iceServers
 * @returns {RTCIceServer[]} those of TURN, one for each address
 */
function relaysOf(iceServers) {
  return iceServers.flatMap(
    ({ urls, ...rest }) => asList(urls).filter((url) => url.startsWith("turn")).map((url) => ({ ...rest, urls: url }))
  );
}
/** @param {RTCIceServer} server one address @returns {Promise<Trial>} */
async function tryRelay(server) {
  const url = String(server.urls);
  const peer = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: "relay" });
  /** @type {Relaying} */
  let outcome = "unreachable";
  let reason = "";
  try {
    peer.createDataChannel("probe");
    const relays = new Promise((resolve) => {
      setTimeout(() => resolve(false), RELAY_TIMEOUT_MS);
      peer.addEventListener("icecandidate", ({ candidate }) => {
        if (candidate?.candidate) resolve(true);
        else if (candidate === null) resolve(false);
      });
    });
    peer.addEventListener("icecandidateerror", ({ errorCode, errorText }) => {
      if (errorCode === UNREACHABLE) return;
      outcome = errorCode === UNAUTHORIZED ? "credentials" : "refused";
      reason = `${errorCode} ${errorText}`.trim();
    });
    await peer.setLocalDescription(await peer.createOffer());
    if (await relays) outcome = "ok";
    return { server, url, outcome, reason };
  } finally {
    peer.close();
  }
}
/**
 * Makes a call through these relays alone, and ends it.
 * @param {RTCIceServer[]} iceServers
 * @param {import("../settings/settings.js").Settings} settings
 * @returns {Promise<boolean | null>} null where the service has opened no session
 */
async function reachServer(iceServers, settings) {
  const signaling = new Signaling(settings);
  /** @type {string | null} */
  let session = null;
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  try {
    peer.addTransceiver("video", { direction: "sendrecv" });
    const connected = new Promise((resolve) => {
      setTimeout(() => resolve(false), WAY_TIMEOUT_MS);
      peer.addEventListener("iceconnectionstatechange", () => {
        const { iceConnectionState: state } = peer;
        if (state === "connected" || state === "completed") resolve(true);
        else if (state === "failed") resolve(false);
      });
    });
    // The server needs no candidate: it is found by the page's own checks.
    await peer.setLocalDescription(await peer.createOffer());
    const description = (
      /** @type {RTCSessionDescription} */
      peer.localDescription
    );
    const signal = AbortSignal.timeout(WAY_TIMEOUT_MS);
    const made = await signaling.offer(description, signal, false).catch(() => null);
    if (made === null) return null;
    session = made.id;
    await peer.setRemoteDescription({ type: "answer", sdp: made.sdp });
    return await connected;
  } finally {
    peer.close();
    if (session !== null) signaling.end(session).catch(() => {
    });
  }
}

// shim/check/connection_check.js
/**
 * Tries each step between the camera and its filtered picture, in the order in which they depend on each other.
 *
 * Every outcome comes from a trial. A step is skipped where one that it needs has failed.
 */
var ANSWER_TIMEOUT_MS = 5e3;
var PICTURE_TIMEOUT_MS = 1e4;
/** @type {Finding} */
var SKIPPED = { outcome: "skip", code: "", message: "", detail: {} };
var ConnectionCheck = class {
  #page;
  #settings;
  #options;
  /** @type {Map<P2PCameraStep["name"], Finding>} */
  #found = /* @__PURE__ */ new Map();
  /** @type {P2PCameraSession | null} */
  #session;
  /** The check's own call, where no other runs. @type {MediaStream | null} */
  #stream = null;
  /** @type {any} */
  #offers = null;
  /** @param {P2PCamera} page @param {Settings} settings @param {P2PCameraCheckOptions} options */
  constructor(page, settings, options) {
    this.#page = page;
    this.#settings = settings;
    this.#options = options;
    this.#session = page.sessions.find(({ state }) => state === "live") ?? null;
  }
  /** @returns {Promise<P2PCameraCheck>} */
  async run() {
    /** @type {[P2PCameraStep["name"], P2PCameraStep["name"][], () => Promise<Finding>][]} */
    const steps = [
      ["server", [], () => this.#server()],
      ["token", ["server"], () => this.#token()],
      ["filter", ["token"], () => this.#filter()],
      ["relay", ["token"], () => this.#relay()],
      ["camera", [], () => this.#camera()],
      ["path", ["filter", "camera"], () => this.#path()],
      ["picture", ["path"], () => this.#picture()]
    ];
    const told = [];
    try {
      for (const [name, needs, work] of steps) {
        const isReady = needs.every((need) => this.#isWell(need));
        const isWanted = !this.#unwanted.includes(name);
        const finding = isReady && isWanted ? await work().catch(failed) : SKIPPED;
        this.#found.set(name, finding);
        const step = Object.freeze({ name, ...finding });
        told.push(step);
        this.#options.onStep?.(step);
      }
    } finally {
      for (const track of this.#stream?.getTracks() ?? []) track.stop();
    }
    const first = told.find(({ outcome }) => outcome === "fail") ?? null;
    return Object.freeze({ ok: first === null, failure: first, steps: Object.freeze(told) });
  }
  /** @returns {P2PCameraStep["name"][]} */
  get #unwanted() {
    if (this.#options.camera === false) return ["camera", "path", "picture"];
    return this.#options.path === false ? ["path", "picture"] : [];
  }
  /** @param {P2PCameraStep["name"]} name */
  #isWell(name) {
    return ["ok", "note"].includes(this.#found.get(name)?.outcome ?? "");
  }
  async #server() {
    const { server } = this.#settings;
    if (this.#settings.fault) throw this.#settings.fault;
    if (!server) throw new Fault("bad_settings", "p2pcamera.server is not set");
    const began_ms = performance.now();
    const response = await answerOf(new URL("healthz", server));
    const ms = Math.round(performance.now() - began_ms);
    if (response?.ok) return ok({ ms });
    if (response) {
      const { status } = response;
      return failure("bad_answer", `${server} answers ${status}`, { server, status });
    }
    // An opaque answer only tells that there is one.
    if (await answerOf(new URL("healthz", server), { mode: "no-cors" })) {
      const message = `the service at ${server} does not allow this page's origin`;
      return failure("origin_refused", message, { server });
    }
    return failure("unreachable", `nothing answers at ${server}`, { server });
  }
  async #token() {
    this.#offers = await new Signaling(this.#settings).filters();
    return ok({});
  }
  async #filter() {
    /** @type {{filters: any[], default: string}} */
    const { filters, default: preset } = this.#offers;
    const names = asList(this.#settings.filter ?? preset);
    const chosen = names.map((name) => filters.find((one) => one.name === name));
    const workers = Math.min(...chosen.map((offer) => offer?.workers ?? 0));
    const detail = { names, workers, all_workers: Math.max(0, ...filters.map((one) => one.workers)) };
    const absent = names.find((_, place) => !chosen[place]);
    if (absent !== void 0) return failure("unknown_filter", `no worker serves ${absent}`, detail);
    for (const offer of chosen) {
      const trouble = troubleOf(offer);
      if (offer.state === "failed") {
        const message = `${offer.name}: ${offer.reason}; ${offer.remedy}`;
        return failure("cannot_run", message, { ...detail, trouble });
      }
      if (offer.workers === 0) return failure("no_worker", `no live worker serves ${offer.name}`, detail);
      if (trouble && offer.state !== "loading") {
        const { size_bytes } = offer;
        return note(trouble.code, `${offer.name}: ${trouble.text}`, { ...detail, trouble, size_bytes });
      }
      if (offer.state !== "loaded") {
        return note(offer.state, `${offer.name} is loaded when it is first used`, detail);
      }
    }
    return ok(detail);
  }
  async #relay() {
    const relays = relaysOf(await newSignaling(this.#settings).iceServersOrFault());
    if (relays.length === 0) return note("no_relay", "the service names no TURN server", {});
    const trials = await Promise.all(relays.map(tryRelay));
    const good = trials.filter(({ outcome }) => outcome === "ok");
    const urls = good.map(({ url }) => url);
    const detail = { urls, tried: trials.map(({ url, outcome, reason: reason2 }) => ({ url, outcome, reason: reason2 })) };
    // What a relay has said tells more than the silence of another.
    const reason = trials.find((one) => one.reason)?.reason;
    if (good.length === 0) return failure("no_relay", reason ?? "no TURN server has answered", detail);
    const servers = good.map(({ server }) => server);
    if (this.#isWell("filter") && await reachServer(servers, this.#settings) === false) {
      return failure("relay_blocked", `${urls.join(", ")}: no way to the service`, detail);
    }
    return good.length === trials.length ? ok(detail) : note("some_relays", "not all of them relay", detail);
  }
  async #camera() {
    const running = this.#session?.camera;
    if (running?.readyState === "live") return ok(describe(running));
    const stream = await this.#page.originalGetUserMedia({ video: this.#options.video ?? true });
    const [track] = stream.getVideoTracks();
    const detail = describe(track);
    track.stop();
    return ok(detail);
  }
  async #path() {
    if (this.#session === null) {
      const keep = ({ detail }) => {
        this.#session = detail.session;
      };
      this.#page.addEventListener("statechange", keep);
      try {
        this.#stream = await navigator.mediaDevices.getUserMedia({ video: this.#options.video ?? true });
      } finally {
        this.#page.removeEventListener("statechange", keep);
      }
    }
    const session = (
      /** @type {P2PCameraSession} */
      this.#session
    );
    const report = await session.getStats();
    const entries = [...report.values()];
    const transport = entries.find(({ type }) => type === "transport");
    const pair = report.get(transport?.selectedCandidatePairId) ?? entries.find(({ nominated }) => nominated);
    const ends = [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => report.get(id));
    const isRelayed = ends.some((candidate) => candidate?.candidateType === "relay");
    return ok({ ms: Math.round(await session.ping()), isRelayed, protocol: ends[0]?.protocol ?? "" });
  }
  async #picture() {
    const session = (
      /** @type {P2PCameraSession} */
      this.#session
    );
    const page = this.#page;
    const listening = new AbortController();
    /** @type {any} */
    let fault = null;
    /** @type {any} */
    const quality = await new Promise((resolve) => {
      setTimeout(() => resolve(null), PICTURE_TIMEOUT_MS);
      const listen = (type, hear) => {
        const heard = ({ detail: detail2 }) => {
          if (detail2.session === session) hear(detail2);
        };
        page.addEventListener(type, heard, { signal: listening.signal });
      };
      listen("fault", (detail2) => {
        fault = detail2.fault;
      });
      listen("quality", (detail2) => {
        if (detail2.quality.picture === "live" && detail2.quality.latency_ms !== null) resolve(detail2.quality);
      });
    });
    listening.abort();
    const { filters, worker, state, trouble = fault?.trouble ?? null } = session.stats ?? {};
    if (quality) return ok({ ...quality, filters, worker });
    const detail = { picture: state ?? "waiting", trouble, seconds: PICTURE_TIMEOUT_MS / 1e3 };
    if (trouble) return failure("cannot_run", trouble.text, detail);
    return failure(fault?.code ?? "timeout", fault?.message ?? "no filtered picture has come back", detail);
  }
};
/** @param {any} offer of `GET /filters` @returns {P2PCameraTrouble | null} what is in its way */
function troubleOf(offer) {
  const { name: filter, reason_code: code, reason_cause: cause = "" } = offer;
  const { reason: text = "", reason_detail: detail = "", remedy = "" } = offer;
  return code ? { filter, code, text, cause, detail, remedy } : null;
}
/** @param {URL} address @param {RequestInit} [init] */
function answerOf(address, init = {}) {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  return fetchNative(address, { cache: "no-store", credentials: "omit", signal, ...init }).catch(() => null);
}
/** @param {MediaStreamTrack} track */
function describe(track) {
  const { width = 0, height = 0 } = track.getSettings();
  return { label: track.label, width, height };
}

// shim/publishing/publishing.js
/**
 * Which of the page's sessions publishes: one at a time, as long as the page wants it.
 */
var Publishing = class {
  #wish;
  /** The one that publishes, or is to. @type {CameraSession | null} */
  #session = null;
  /** @param {PublishWish | null} wish of the script tag */
  constructor(wish) {
    this.#wish = wish;
  }
  /** @returns {P2PCameraPublication | null} */
  get told() {
    return this.#session?.publication ?? null;
  }
  /** Lets a new session publish, unless another one does. @param {CameraSession} session */
  begin(session) {
    if (this.#wish === null || this.#session !== null) return;
    this.#session = session;
    session.wantPublished(this.#wish);
  }
  /**
   * @param {PublishWish} wish @param {readonly CameraSession[]} sessions that are open
   * @returns {Promise<P2PCameraPublication | null>} null: the next camera is published
   * @throws {Fault}
   */
  async to(wish, sessions) {
    this.#wish = wish;
    this.#session ??= sessions.at(-1) ?? null;
    return await this.#session?.publish(wish) ?? null;
  }
  async end() {
    const session = this.#session;
    this.#wish = this.#session = null;
    await session?.unpublish();
  }
  /** Takes note of news. @param {CameraSession} session @param {P2PCameraPublication | null} publication */
  note(session, publication) {
    if (session !== this.#session || this.#wish === null) return;
    if (publication === null) this.#wish = this.#session = null;
    else this.#wish = { ...this.#wish, name: publication.name };
  }
  /**
   * Lets another one publish in the place of a session that has ended.
   * @param {CameraSession} session @param {readonly CameraSession[]} sessions that are open
   */
  noteEnd(session, sessions) {
    if (session !== this.#session) return;
    this.#session = null;
    const wish = this.#wish;
    // A page that goes away ends all of them, one after the other.
    queueMicrotask(() => {
      const other = sessions.filter(({ isOpen }) => isOpen).at(-1);
      if (wish === null || other === void 0 || this.#session !== null || wish !== this.#wish) return;
      this.to(wish, [other]).catch((error) => console.warn(`p2pcamera: ${error.message}`));
    });
  }
};

// shim/session/private_filters.js
/**
 * Which filters hide what the camera sees.
 */
/**
 * The private filters of this project, known before a server tells them. A test compares them with the
 * filters' registry in Python.
 */
var PRIVATE_FILTERS = Object.freeze(["background", "face"]);
var PrivateFilters = class {
  #names = new Set(PRIVATE_FILTERS);
  /** Lists of filters, as they were asked for. @type {Set<string>} */
  #choices = /* @__PURE__ */ new Set();
  /** @param {string | string[] | null} filter null: the server's default @returns {boolean} */
  includes(filter) {
    const names = asList(filter);
    return names.some((name) => this.#names.has(name)) || this.#choices.has(jsonText(filter));
  }
  /** @param {string | string[] | null} filter that the server has called private */
  add(filter) {
    if (typeof filter === "string") this.#names.add(filter);
    else this.#choices.add(jsonText(filter));
  }
};
/** The page has one set, since a filter stays private in all of its sessions. */
var privateFilters = new PrivateFilters();

// shim/session/quality.js
/**
 * How good the filtered picture is, and what limits it, judged from what is measured anyway.
 */
/** Of the frames that one step is given, so many arrive where it limits nothing. */
var ENOUGH = 0.75;
/** Packets lost by which a network is to blame for missing frames, and by which it is poor. */
var LOSSY = 0.03;
var VERY_LOSSY = 0.1;
/** A conversation suffers from more (ITU-T G.114 recommends 150 ms one way, and no more than 400). */
var LATE_MS = 250;
var VERY_LATE_MS = 500;
/**
 * What `RTCPeerConnection.getStats` has counted since the connection began, of one moment.
 * @typedef {object} Counts
 * @property {number} sentFps frames a second that the page's encoder gives out
 * @property {string} encoderLimit `qualityLimitationReason` of W3C webrtc-stats
 * @property {number} upLoss share of packets, as the server reported it last
 * @property {number} rtt_ms
 * @property {number} shownFps frames a second that the page has decoded
 * @property {number} received packets
 * @property {number} lost packets
 * @property {number} waited_s sum over frames of the time in the jitter buffer
 * @property {number} emitted frames that have left it
 * @property {number} width of the returned picture
 * @property {number} height of it
 */
/** @param {Iterable<[string, any]>} report @returns {Counts} zeros for what a browser does not tell */
function countsOf(report) {
  const counts = {
    sentFps: 0,
    encoderLimit: "none",
    upLoss: 0,
    rtt_ms: 0,
    shownFps: 0,
    received: 0,
    lost: 0,
    waited_s: 0,
    emitted: 0,
    width: 0,
    height: 0
  };
  for (const [, entry] of report) {
    const isVideo = entry.kind === "video";
    if (entry.type === "outbound-rtp" && isVideo) {
      counts.sentFps = entry.framesPerSecond ?? 0;
      counts.encoderLimit = entry.qualityLimitationReason ?? "none";
    } else if (entry.type === "remote-inbound-rtp" && isVideo) counts.upLoss = entry.fractionLost ?? 0;
    else if (entry.type === "candidate-pair" && entry.nominated) {
      counts.rtt_ms = (entry.currentRoundTripTime ?? 0) * 1e3;
    } else if (entry.type === "inbound-rtp" && isVideo) {
      counts.shownFps = entry.framesPerSecond ?? 0;
      counts.received = entry.packetsReceived ?? 0;
      counts.lost = Math.max(0, entry.packetsLost ?? 0);
      counts.waited_s = entry.jitterBufferDelay ?? 0;
      counts.emitted = entry.jitterBufferEmittedCount ?? 0;
      counts.width = entry.frameWidth ?? 0;
      counts.height = entry.frameHeight ?? 0;
    }
  }
  return counts;
}
/**
 * @param {P2PCameraState} state of the session
 * @param {P2PCameraStats | null} stats the server's newest
 * @param {Counts | null} now null: there is no connection
 * @param {Counts | null} before of the last judgement
 * @returns {P2PCameraQuality}
 */
function judged(state, stats, now, before) {
  const picture = stats?.state ?? null;
  if (state !== "live" || stats === null || now === null) {
    return Object.freeze({
      state,
      picture,
      level: "none",
      limit: null,
      latency_ms: null,
      fps: 0,
      width: 0,
      height: 0
    });
  }
  const { width, height, shownFps: fps } = now;
  const downLoss = share(now.lost - (before?.lost ?? 0), now.received - (before?.received ?? 0));
  const stages = stages_ms(stats, now, before);
  const latency_ms = stats.latency_ms.total === void 0 ? null : Math.round(sum(stages));
  const missing = missingFrames(stats, now);
  const ratio = missing ? missing.ratio : 1;
  /** @type {P2PCameraLimit | null} */
  let limit = missing ? missing.limit ?? slower(stages) : null;
  if (limit === null && Math.max(downLoss, now.upLoss) >= LOSSY) {
    limit = downLoss > now.upLoss ? "down" : "up";
  }
  if (limit === null && now.encoderLimit === "bandwidth") limit = "up";
  if (limit === null && now.encoderLimit === "cpu") limit = "page";
  if (limit === null && (latency_ms ?? 0) > LATE_MS) limit = slowest(stages);
  const isPoor = picture !== "live" || ratio < ENOUGH / 2 || Math.max(downLoss, now.upLoss) >= VERY_LOSSY || (latency_ms ?? 0) > VERY_LATE_MS;
  const level = isPoor ? "poor" : limit === null ? "good" : "fair";
  return Object.freeze({ state, picture, level, limit, latency_ms, fps, width, height });
}
/**
 * Where frames are missing: between the page's encoder and the server, inside it, or on the way back.
 * @param {P2PCameraStats} stats @param {Counts} now
 * @returns {{ratio: number, limit: P2PCameraLimit | null} | null} `limit` is null where it is filter or server
 */
function missingFrames({ fps_in, fps_out, trouble }, { sentFps, shownFps }) {
  if (trouble) return { ratio: 0, limit: "filter" };
  const steps = [
    { given: sentFps, come: fps_in, limit: (
      /** @type {const} */
      "up"
    ) },
    { given: fps_in, come: fps_out, limit: null },
    { given: fps_out, come: shownFps, limit: (
      /** @type {const} */
      "down"
    ) }
  ];
  const ratios = steps.filter(({ given }) => given > 0).map(({ given, come, limit }) => ({ ratio: come / given, limit }));
  const worst = ratios.reduce((one, other) => other.ratio < one.ratio ? other : one, {
    ratio: 1,
    limit: null
  });
  return worst.ratio < ENOUGH ? worst : null;
}
/**
 * @param {P2PCameraStats} stats @param {Counts} now @param {Counts | null} before
 * @returns {Record<P2PCameraLimit, number>} milliseconds that each adds to the delay
 */
function stages_ms({ latency_ms }, now, before) {
  const { batch = 0, total = 0, decode = 0, encode = 0 } = latency_ms;
  const waited_ms = share(now.waited_s - (before?.waited_s ?? 0), now.emitted - (before?.emitted ?? 0)) * 1e3;
  return {
    page: 0,
    up: now.rtt_ms / 2,
    server: Math.max(0, total - batch) + decode + encode,
    filter: batch,
    down: now.rtt_ms / 2 + waited_ms
  };
}
/** @param {Record<P2PCameraLimit, number>} stages @returns {P2PCameraLimit} the slower one of server and filter */
function slower({ server, filter }) {
  return filter >= server ? "filter" : "server";
}
/** @param {Record<P2PCameraLimit, number>} stages @returns {P2PCameraLimit} */
function slowest(stages) {
  const names = (
    /** @type {P2PCameraLimit[]} */
    Object.keys(stages)
  );
  return names.reduce((one, other) => stages[other] > stages[one] ? other : one);
}
/** @param {Record<string, number>} stages */
function sum(stages) {
  return Object.values(stages).reduce((one, other) => one + other, 0);
}
/** @param {number} part @param {number} rest_or_whole @returns {number} 0 where nothing is counted */
function share(part, rest_or_whole) {
  return rest_or_whole > 0 ? Math.max(0, part) / rest_or_whole : 0;
}

// shim/session/quality_news.js
/**
 * Tells the page how good each session's picture is: once a second, and when a session's state changes.
 */
var QualityNews = class {
  #tell;
  /** @type {WeakMap<P2PCameraSession, Counts>} */
  #counts = /* @__PURE__ */ new WeakMap();
  /** @param {(session: P2PCameraSession, quality: P2PCameraQuality) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }
  /** @param {P2PCameraSession} session @param {string} type of the event that tells of it */
  async note(session, type) {
    // With an extension nobody listens.
    if (embedder || type !== "stats" && type !== "statechange") return;
    let now = null;
    try {
      if (session.state === "live") now = countsOf(
        /** @type {any} */
        await session.getStats()
      );
    } catch {
      // The connection has ended meanwhile.
    }
    const before = this.#counts.get(session) ?? null;
    // A new connection counts anew.
    const isSame = before !== null && now !== null && before.received <= now.received;
    if (now) this.#counts.set(session, now);
    this.#tell(session, judged(session.state, session.stats, now, isSame ? before : null));
  }
};

// shim/settings/token_source.js
/**
 * Where the token comes from: the page has it, or asks for it, by a function or an address of its own server.
 */
var TIMEOUT_MS = 1e4;
/**
 * A token, or what is asked for one each time that one is needed.
 * @typedef {string | (() => string | Promise<string>)} GivenToken
 */
var TokenSource = class {
  /** @type {(() => string | Promise<string>) | null} */
  #ask = null;
  /** The token at hand. @type {string | null} */
  #kept = null;
  /** While one is asked for, whoever needs one waits for the same. @type {Promise<string> | null} */
  #asking = null;
  /** @param {GivenToken} given */
  constructor(given) {
    if (typeof given === "function") this.#ask = given;
    else this.#kept = given;
  }
  /** @returns {boolean} whether another token can be had */
  get canRenew() {
    return this.#ask !== null;
  }
  /** @returns {string | null} the token at hand */
  get kept() {
    return this.#kept;
  }
  /** @returns {Promise<string>} the token at hand, or one that is asked for now @throws {Fault} */
  async token() {
    return this.#kept ?? (this.#asking ??= this.#renew().finally(() => this.#asking = null));
  }
  /**
   * Forgets a token, so that the next one is asked for; one that cannot be replaced stays.
   * @param {string | null} [old] the one that was of no use; any, where it is left out
   */
  forget(old = this.#kept) {
    if (this.#ask !== null && old === this.#kept) this.#kept = null;
  }
  async #renew() {
    const ask = (
      /** @type {() => string | Promise<string>} */
      this.#ask
    );
    /** @type {unknown} */
    let token;
    try {
      token = await withinLimit(ask());
    } catch (error) {
      throw new Fault("token_unavailable", `no token could be had (${/** @type {any} */
      error?.message})`);
    }
    if (typeof token !== "string" || !token) throw new Fault("token_unavailable", "the token is no text");
    this.#kept = token;
    return token;
  }
};
/** @param {string | undefined} token @param {string | undefined} url @param {string} baseUrl of the page */
function tokenSource(token, url, baseUrl) {
  if (url) {
    const address = new URL(url, baseUrl).href;
    return new TokenSource(() => fetchToken(address));
  }
  return token ? new TokenSource(token) : void 0;
}
/**
 * Asks the page's own server, with the user's cookies.
 * @param {string} url which answers with `{"token": "..."}` or the token alone
 */
async function fetchToken(url) {
  const response = await fetchNative(url, { credentials: "same-origin", cache: "no-store" });
  if (!response.ok) throw new Error(`${response.status}`);
  const text = (await response.text()).trim();
  return text.startsWith("{") ? parsedJson(text)?.token : text;
}
/** @param {string | Promise<string>} asked @returns {Promise<string>} */
async function withinLimit(asked) {
  /** @type {number | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = window.setTimeout(() => reject(new Error("no answer")), TIMEOUT_MS);
  });
  try {
    return await /** @type {Promise<string>} */
    Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

// shim/settings/settings.js
/**
 * What the page wants: the attributes of the script tag, and what the page sets later.
 */
/**
 * @import { TokenSource } from "./token_source.js"
 *
 * `name` is true where the server is to make one that cannot be guessed.
 * @typedef {{name: string | true, sound: boolean}} PublishWish
 */
var STREAM_NAME = /^[A-Za-z0-9_-]{1,64}$/;
/**
 * @typedef {object} Settings
 * @property {string} server a URL that ends with a slash
 * @property {string | string[] | null} filter null: the server's default
 * @property {object} params
 * @property {'closed' | 'open'} outage
 * @property {TokenSource | undefined} token
 * @property {'untouched' | 'sync'} audio
 * @property {'off' | 'self'} mirror
 * @property {PublishWish | null} publish null: nobody else sees the picture
 * @property {Fault | null} fault of the script tag
 */
/**
 * Reads the script tag.
 *
 * A page with a wrong attribute must not get another picture than it asked for. The fault is kept, and calls
 * for video fail with it.
 * @param {{src?: string, dataset: DOMStringMap} | null} script null: the shim was imported as a module
 * @param {string} baseUrl of the page
 * @returns {Settings}
 */
function readSettings(script, baseUrl) {
  const { filter, params, outage, token, tokenUrl, server, audio, mirror, publish, publishSound } = script?.dataset ?? {};
  /** @type {Settings} */
  const settings = {
    server: "",
    filter: null,
    params: {},
    outage: "closed",
    token: void 0,
    audio: "untouched",
    mirror: "off",
    publish: null,
    fault: null
  };
  try {
    settings.outage = checkedOutage(outage ?? "closed");
    settings.audio = checkedAudio(audio ?? "untouched");
    settings.mirror = checkedMirror(mirror ?? "off");
    const sound = checkedPublishSound(publishSound ?? "off") === "on";
    if (publish !== void 0) settings.publish = { name: checkedStream(publish), sound };
    settings.token = tokenSource(token, tokenUrl, baseUrl);
    settings.filter = filterFromText(filter ?? "");
    settings.params = paramsFromText(params ?? "{}");
    // An imported module has no tag. The page names the server later.
    settings.server = script ? serverFromText(server ?? "", script.src ?? "", baseUrl) : "";
  } catch (error) {
    settings.fault = faultFrom(error, "bad_settings");
    console.error(`p2pcamera: ${settings.fault.message}`);
  }
  return settings;
}
/** @param {string} text @returns {string | string[] | null} */
function filterFromText(text) {
  const names = text.split(",").map((name) => name.trim()).filter(Boolean);
  return names.length > 1 ? names : names[0] ?? null;
}
/** @param {string} text @returns {object} @throws {Fault} */
function paramsFromText(text) {
  const value = parsedJson(text);
  if (isObject(value)) return value;
  throw new Fault("bad_settings", `data-params is a JSON object, not ${text}`);
}
/**
 * @param {string} text of `data-server`
 * @param {string} source where the script came from
 * @param {string} baseUrl of the page
 * @returns {string} a URL that ends with a slash
 * @throws {Fault}
 */
function serverFromText(text, source, baseUrl) {
  if (text) return new URL(text.replace(/\/*$/, "/"), baseUrl).href;
  if (/^https?:/.test(source)) return new URL(".", source).href;
  const why = source ? `a script from ${source.slice(0, 40)} does not tell where the server is` : "where is the server";
  throw new Fault("bad_settings", `${why}: the script tag needs data-server, or p2pcamera.server an address`);
}
/** @param {string} value @returns {'closed' | 'open'} @throws {Fault} */
function checkedOutage(value) {
  if (value === "closed" || value === "open") return value;
  throw new Fault("bad_settings", `outage is closed or open, not ${value}`);
}
/** @param {string} value @returns {'untouched' | 'sync'} @throws {Fault} */
function checkedAudio(value) {
  if (value === "untouched" || value === "sync") return value;
  throw new Fault("bad_settings", `audio is untouched or sync, not ${value}`);
}
/** @param {string} value @returns {'off' | 'self'} @throws {Fault} */
function checkedMirror(value) {
  if (value === "off" || value === "self") return value;
  throw new Fault("bad_settings", `mirror is off or self, not ${value}`);
}
/** @param {string} value @returns {'off' | 'on'} @throws {Fault} */
function checkedPublishSound(value) {
  if (value === "off" || value === "on") return value;
  throw new Fault("bad_settings", `data-publish-sound is off or on, not ${value}`);
}
/** @param {unknown} name of a stream; nothing: one that cannot be guessed @returns {string | true} @throws {Fault} */
function checkedStream(name) {
  if (name === void 0 || name === null || name === "") return true;
  if (typeof name === "string" && STREAM_NAME.test(name)) return name;
  throw new Fault("bad_settings", `a stream's name has 1 to 64 letters, digits, - or _, not ${name}`);
}

// shim/publishing/microphones.js
/**
 * The microphones that the page has been given, as the browser gave them: the page mutes and stops them.
 */
var Microphones = class {
  /** @type {MediaStreamTrack[]} */
  #given = [];
  /** @param {MediaStreamTrack} microphone */
  note(microphone) {
    this.#given = [...this.#given.filter(isLive), microphone];
  }
  /** The one that the page has had for longest, of those that it has not stopped. */
  get current() {
    return this.#given.find(isLive) ?? null;
  }
};
/** @param {MediaStreamTrack} track */
function isLive({ readyState }) {
  return readyState === "live";
}

// shim/connection/reconnect_policy.js
/**
 * When the next attempt to connect is made, and when none is of use.
 */
/**
 * The pause between attempts is this part of the outage so far, so it makes the outage longer by no more than
 * that.
 */
var PAUSE_PART = 1 / 20;
var SHORTEST_PAUSE_MS = 200;
var LONGEST_PAUSE_MS = 1e4;
/**
 * A service that has just started does not know all workers yet: they make themselves known within a second.
 */
var SERVICE_START_MS = 5e3;
/**
 * `canWake`: whether news of the network may shorten the pause.
 * @typedef {{pause_ms: number, canWake: boolean}} Retry
 */
var ReconnectPolicy = class {
  #lostAt_ms;
  /** When the server was last away: no answer came. */
  #awayAt_ms;
  #random;
  /** @param {number} lostAt_ms when the connection was lost @param {() => number} [random] from 0 to 1 */
  constructor(lostAt_ms, random = Math.random) {
    this.#lostAt_ms = lostAt_ms;
    this.#awayAt_ms = lostAt_ms;
    this.#random = random;
  }
  /**
   * @param {Pick<Fault, 'status' | 'code' | 'retryAfterS'>} fault of the last attempt
   * @param {number} now_ms when it failed, by the clock of `lostAt_ms`
   * @returns {Retry | null} null where the server refuses for a reason that does not pass
   */
  after(fault, now_ms) {
    if (!fault.status) this.#awayAt_ms = now_ms;
    const isStarting = now_ms - this.#awayAt_ms < SERVICE_START_MS;
    if (isFinal(fault) && !(isStarting && fault.code === "unknown_filter")) return null;
    const mustWait = fault.retryAfterS !== null && !(isStarting && fault.code === "no_worker");
    const asked_ms = mustWait ? 1e3 * (fault.retryAfterS ?? 0) : 0;
    const growing_ms = Math.min((now_ms - this.#lostAt_ms) * PAUSE_PART, LONGEST_PAUSE_MS);
    const least_ms = Math.max(asked_ms, growing_ms, SHORTEST_PAUSE_MS);
    return { pause_ms: jittered(least_ms, this.#random), canWake: !mustWait };
  }
};
/**
 * @param {Pick<Fault, 'retryAfterS'>} fault @param {() => number} [random] from 0 to 1
 * @returns {number | null} the pause that the server asks for, in milliseconds; null where it asks for none
 */
function pauseAskedFor({ retryAfterS }, random = Math.random) {
  if (retryAfterS === null || !(retryAfterS >= 0)) return null;
  return jittered(Math.max(1e3 * retryAfterS, SHORTEST_PAUSE_MS), random);
}
/**
 * @param {Pick<Fault, 'status' | 'code'>} fault
 * @returns {boolean} whether another attempt would be of no use
 */
function isFinal({ status, code }) {
  return [401, 403, 422].includes(status) || code === "unknown_filter" || code === "bad_settings";
}

// shim/connection/first_attempts.js
/**
 * The first attempts to connect a session: again where the server asks for that, as long as the time limit lasts.
 */
var CONNECT_TIMEOUT_MS = 1e4;
/** With less time left, another attempt is of no use. */
var SHORTEST_ATTEMPT_MS = 1e3;
var FirstAttempts = class {
  #waits;
  #isEnded = false;
  #endPause = () => {
  };
  /** @param {(fault: Fault) => void} waits is told why another attempt has to wait */
  constructor(waits) {
    this.#waits = waits;
  }
  /** @param {(left_ms: number) => Promise<void>} attempt @throws {Fault} of the last one */
  async connect(attempt) {
    const startedAt_ms = performance.now();
    let left_ms = CONNECT_TIMEOUT_MS;
    while (true) {
      try {
        return await attempt(left_ms);
      } catch (error) {
        const fault = (
          /** @type {Fault} */
          error
        );
        const pause_ms = pauseAskedFor(fault);
        left_ms = Math.round(startedAt_ms + CONNECT_TIMEOUT_MS - performance.now() - (pause_ms ?? 0));
        if (this.#isEnded || pause_ms === null || left_ms < SHORTEST_ATTEMPT_MS) throw error;
        this.#waits(fault);
        await this.#pauseOrEnd(pause_ms);
        if (this.#isEnded) throw error;
      }
    }
  }
  /** Makes no other attempt. */
  end() {
    this.#isEnded = true;
    this.#endPause();
  }
  /** @param {number} pause_ms @returns {Promise<void>} */
  #pauseOrEnd(pause_ms) {
    return new Promise((resolve) => {
      this.#endPause = resolve;
      setTimeout(resolve, pause_ms);
    });
  }
};

// shim/connection/reconnection.js
/**
 * One outage: attempts to connect until one succeeds.
 */
/**
 * `connect` makes one attempt. `failed` takes the fault of each. `takeBack` gives up what was chosen in the
 * outage and was refused; it returns false where there was no such choice, and then `refused` ends the
 * session.
 * @typedef {object} Attempts
 * @property {() => boolean} areWanted
 * @property {() => Promise<void>} connect
 * @property {(fault: Fault) => void} failed
 * @property {(fault: Fault) => boolean} takeBack
 * @property {(fault: Fault) => void} refused
 */
var Reconnection = class {
  #attempts;
  /** Ends the pause, where there is one that may be shortened. */
  #wake = () => {
  };
  /** Whether there was a reason to try again at once while an attempt was under way. */
  #isWoken = false;
  /** @param {Attempts} attempts */
  constructor(attempts) {
    this.#attempts = attempts;
  }
  async run() {
    const policy = new ReconnectPolicy(performance.now());
    while (this.#attempts.areWanted()) {
      this.#isWoken = false;
      try {
        return await this.#attempts.connect();
      } catch (error) {
        if (!this.#attempts.areWanted()) return;
        const fault = (
          /** @type {Fault} */
          error
        );
        this.#attempts.failed(fault);
        const retry = policy.after(fault, performance.now());
        if (retry !== null) await this.#pause(retry);
        else if (!this.#attempts.takeBack(fault)) return this.#attempts.refused(fault);
      }
    }
  }
  /** Tries again at once, or lets `run` see that no attempt is wanted any more. */
  wake() {
    this.#isWoken = true;
    this.#wake();
  }
  /** @param {Retry} retry @returns {Promise<void>} */
  #pause({ pause_ms, canWake }) {
    if (canWake && this.#isWoken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pause_ms);
      this.#wake = () => {
        if (!canWake && this.#attempts.areWanted()) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
};

// shim/connection/move.js
/**
 * A call on its way to another server: a connection beside the old one, taken once it has a picture.
 */
/** The old connection waits so long for the first frame of the new one. */
var SWAP_TIMEOUT_MS = 2e3;
/**
 * `take` puts the link in the place of the old one. Its promise ends with the first frame of the track.
 * @typedef {object} Parts
 * @property {() => boolean} isWanted whether the old connection is still the one to leave
 * @property {(track: (track: MediaStreamTrack) => void) => Connection} newLink
 * @property {(link: Connection) => Promise<void>} open
 * @property {(link: Connection) => boolean} isUpToDate whether it was opened for what is wanted now
 * @property {(link: Connection, track: MediaStreamTrack) => Promise<unknown>} take
 */
var Move = class {
  #old;
  #parts;
  /** The one that opens. @type {Connection | null} */
  #beside = null;
  /** @param {Connection} old @param {Parts} parts */
  constructor(old, parts) {
    this.#old = old;
    this.#parts = parts;
    this.reconnection = new Reconnection({
      areWanted: parts.isWanted,
      connect: () => this.#connect(),
      failed: () => {
      },
      takeBack: () => false,
      // The old connection ends with its server, and that is an outage like any other.
      refused: () => {
      }
    });
  }
  /** @param {Fault} reason */
  close(reason) {
    this.#beside?.close(reason);
  }
  /** @throws {Fault} */
  async #connect() {
    /** @type {MediaStreamTrack[]} */
    const tracks = [];
    const link = this.#parts.newLink((track) => tracks.push(track));
    this.#beside = link;
    try {
      await this.#parts.open(link);
    } finally {
      this.#beside = null;
    }
    const moved = new Fault("connection_lost", "the call has moved to another connection");
    if (!this.#parts.isWanted() || !this.#parts.isUpToDate(link)) {
      link.close(moved);
      throw moved;
    }
    await Promise.race([this.#parts.take(link, tracks[0]), pause(SWAP_TIMEOUT_MS)]);
    this.#old.close(moved);
  }
};

// shim/connection/watch_policy.js
/**
 * What a silent connection calls for.
 */
/** Under `open` the raw camera is shown after this time without a filtered frame. */
var RAW_AFTER_MS = 500;
/**
 * A slow filter is no loss: after this time without a frame, the server is asked for a word on the data
 * channel.
 */
var PING_AFTER_MS = 300;
/** After this time without a frame or a word, the server is asked by HTTP for the session. */
var CHECK_AFTER_MS = 700;
/** A connection is given up after this time where no answer comes. */
var UNREACHABLE_AFTER_MS = 1200;
/** It is given up after this time where the server answers that all is well. */
var BROKEN_AFTER_MS = 3e3;
/**
 * @param {number} frameSilence_ms since the last filtered frame
 * @param {number} silence_ms since the last frame or message
 * @returns {'nothing' | 'ping' | 'check'}
 */
function stepFor(frameSilence_ms, silence_ms) {
  if (silence_ms > CHECK_AFTER_MS) return "check";
  return frameSilence_ms > PING_AFTER_MS ? "ping" : "nothing";
}
/**
 * @param {{status: number} | null} fault of the check, null where the server has answered that all is well
 * @param {number} silence_ms since the last frame or message
 * @returns {boolean} whether the connection is given up
 */
function isLost(fault, silence_ms) {
  const limit_ms = fault === null ? BROKEN_AFTER_MS : UNREACHABLE_AFTER_MS;
  return fault?.status === 404 || silence_ms > limit_ms;
}

// shim/connection/watch.js
/**
 * Looks for frames and messages that stay away.
 */
var LOOK_MS = 200;
/**
 * The session that is watched. `lose` gives up a connection.
 * @typedef {object} Watched
 * @property {() => boolean} isReconnecting
 * @property {() => 'closed' | 'open'} outage
 * @property {() => MediaStreamTrack} camera
 * @property {() => Connection | null} link
 * @property {(link: Connection) => void} lose
 */
var Watch = class {
  #picture;
  #signaling;
  #watched;
  #timer = 0;
  #lookedAt_ms = 0;
  #isChecking = false;
  #isStopped = false;
  /** @param {Picture} picture @param {SignalingCalls} signaling @param {Watched} watched */
  constructor(picture, signaling, watched) {
    this.#picture = picture;
    this.#signaling = signaling;
    this.#watched = watched;
  }
  start() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      const wasHeldUp = performance.now() - this.#lookedAt_ms > 2 * LOOK_MS;
      // What came while the page stood still, or slept, is not read yet.
      if (wasHeldUp) setTimeout(() => this.look(), 0);
      else this.look();
    }, LOOK_MS);
  }
  stop() {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
  look() {
    if (this.#isStopped) return;
    const now_ms = performance.now();
    this.#lookedAt_ms = now_ms;
    const picture = this.#picture;
    const frameSilence_ms = picture.silence_ms(now_ms);
    const isMissed = picture.seesFrames && frameSilence_ms > RAW_AFTER_MS;
    if (isMissed && this.#watched.outage() === "open") picture.showRaw(this.#watched.camera());
    if (this.#watched.isReconnecting()) {
      picture.repeat(now_ms);
    } else {
      const step = stepFor(frameSilence_ms, this.#silence_ms());
      if (step === "check") this.#check();
      else if (step === "ping") this.#watched.link()?.control?.askForWord();
    }
    this.start();
  }
  /** @returns {number} for how long neither a frame nor a message has come */
  #silence_ms() {
    const now_ms = performance.now();
    const sinceMessage_ms = now_ms - (this.#watched.link()?.heardAt_ms ?? now_ms);
    return Math.min(this.#picture.silence_ms(now_ms), sinceMessage_ms);
  }
  /** Asks the server for a session that has fallen silent. */
  async #check() {
    const link = this.#watched.link();
    if (this.#isChecking || !link?.id) return;
    this.#isChecking = true;
    /** @type {Fault | null} */
    const fault = await this.#signaling.check(link.id).then(
      () => null,
      (error) => error
    );
    this.#isChecking = false;
    if (!this.#isStopped && isLost(fault, this.#silence_ms())) this.#watched.lose(link);
  }
};

// shim/connection/kept_connection.js
/**
 * Keeps a session connected: one link after another, until it is closed.
 */
var RECONNECT_TIMEOUT_MS = 5e3;
/**
 * The session that is kept connected. `opened` is called before `changed` tells of the new state. `isWanted`
 * tells whether a link was opened for what is wanted now. `takeBack` gives up a choice that was refused in an
 * outage, where there is one. `refused` and `gone` end the session:
 * the server refuses it, or the page's track has ended with its connection.
 * @typedef {object} Subscriber
 * @property {Publication} publication
 * @property {() => MediaStreamTrack} camera
 * @property {() => 'closed' | 'open'} outage
 * @property {(message: any) => void} message
 * @property {(text: unknown) => void} data
 * @property {(link: Connection) => boolean} isWanted
 * @property {(link: Connection) => void} opened
 * @property {() => void} changed
 * @property {() => boolean} takeBack
 * @property {(fault: Fault) => void} refused
 * @property {(fault: Fault) => void} gone
 */
var KeptConnection = class {
  #settings;
  #signaling;
  #on;
  /** @type {'connecting' | 'live' | 'reconnecting'} */
  #state = "connecting";
  #isClosed = false;
  /** What is in the way. @type {Fault | null} */
  #fault = null;
  /** The newest one. @type {Connection | null} */
  #link = null;
  /** The newest to another server. @type {Move | null} */
  #move = null;
  /** The newest one whose server drains. @type {Connection | null} */
  #leaving = null;
  /** @type {Picture | null} */
  #picture = null;
  /** @type {Watch | null} */
  #watch = null;
  /** The newest outage. @type {Reconnection | null} */
  #reconnection = null;
  #first = new FirstAttempts((fault) => {
    this.#fault = fault;
    this.#on.changed();
  });
  /** Who waits for the end of an outage. @type {((fault: Fault | null) => void)[]} */
  #waiting = [];
  /** @param {Settings} settings of the session @param {SignalingCalls} signaling @param {Subscriber} on */
  constructor(settings, signaling, on) {
    this.#settings = settings;
    this.#signaling = signaling;
    this.#on = on;
  }
  get state() {
    return this.#state;
  }
  get fault() {
    return this.#fault;
  }
  get link() {
    return this.#link;
  }
  /** @param {Picture} picture of the session @param {Promise<RTCIceServer[]>} iceServers @throws {Fault} */
  async open(picture, iceServers) {
    this.#picture = picture;
    await this.#first.connect((left_ms) => this.#connect(picture, iceServers, left_ms));
    if (this.#isClosed || !picture.outlivesItsConnection) return;
    this.#watch = new Watch(picture, this.#signaling, {
      isReconnecting: () => this.#state === "reconnecting",
      outage: this.#on.outage,
      camera: this.#on.camera,
      link: () => this.#link,
      lose: (link) => this.#lose(link, picture)
    });
    this.#watch.start();
  }
  /** Sends the camera's track, or its new size, where there is a connection. */
  send() {
    if (this.#state === "live" && !this.#isClosed) this.#sendBy(this.#link);
  }
  /**
   * Makes another connection in the place of one that is live, for what only an offer can ask for.
   * @returns {boolean} false where the page's track would end with it
   */
  renew() {
    if (!this.#picture?.outlivesItsConnection || !this.#link || this.#state !== "live") return false;
    this.#lose(this.#link, this.#picture);
    return true;
  }
  /** Looks, or tries again, without waiting for the next time to do so. */
  lookNow() {
    if (this.#state === "live") this.#watch?.look();
    this.#reconnection?.wake();
  }
  /**
   * @returns {Promise<void>} the end of an outage; rejects where a wish was refused in it, or the session
   *   ends
   */
  outageEnded() {
    return new Promise((resolve, reject) => {
      this.#waiting.push((fault) => fault ? reject(fault) : resolve());
    });
  }
  /** @param {Fault} reason for all who wait */
  close(reason) {
    this.#isClosed = true;
    this.#first.end();
    this.#watch?.stop();
    this.#link?.close(reason);
    this.#move?.close(reason);
    this.#reconnection?.wake();
    this.#settleWaiting(reason);
  }
  /**
   * @param {Picture} picture
   * @param {Promise<RTCIceServer[]>} iceServers
   * @param {number} timeout_ms
   * @throws {Fault}
   */
  async #connect(picture, iceServers, timeout_ms) {
    const isReconnection = this.#state === "reconnecting";
    const link = this.#newLink(picture, (track) => picture.show(track), isReconnection);
    this.#link = link;
    await link.open(this.#on.camera(), iceServers, timeout_ms);
    this.#sendBy(link);
    this.#fault = null;
    this.#on.opened(link);
    this.#state = "live";
    this.#on.changed();
  }
  /**
   * @param {Picture} picture
   * @param {(track: MediaStreamTrack) => void} track
   * @param {boolean} isReconnection
   * @returns {Connection}
   */
  #newLink(picture, track, isReconnection) {
    const link = newLink(this.#settings, {
      track,
      data: (text) => {
        if (link === this.#link) this.#on.data(text);
      },
      message: (message) => {
        if (link !== this.#link) return;
        if (message.type === "stats" && message.draining_s !== void 0) this.#leave(link, picture);
        this.#on.message(message);
      },
      loss: () => this.#lose(link, picture),
      publication: this.#on.publication,
      isReconnection
    });
    return link;
  }
  /**
   * Moves the call to another server, or to the successor of its own, which still keeps it for a while.
   * @param {Connection} old @param {Picture} picture
   */
  #leave(old, picture) {
    if (old === this.#leaving || this.#state !== "live" || !picture.outlivesItsConnection) return;
    this.#leaving = old;
    // It may have expired in the call, which it does not end.
    this.#settings.token?.forget();
    this.#move = new Move(old, {
      isWanted: () => old === this.#link && this.#state === "live" && !this.#isClosed,
      newLink: (track) => this.#newLink(picture, track, true),
      open: (link) => link.open(this.#on.camera(), this.#signaling.iceServersOrFault(), RECONNECT_TIMEOUT_MS),
      // What has been chosen since the offer is in the next one, so nothing older is ever shown.
      isUpToDate: (link) => this.#on.isWanted(link),
      take: (link, track) => this.#take(link, track, picture)
    });
    this.#reconnection = this.#move.reconnection;
    this.#reconnection.run();
  }
  /**
   * @param {Connection} link that has moved here
   * @param {MediaStreamTrack} track that it brings @param {Picture} picture
   */
  #take(link, track, picture) {
    this.#link = link;
    const swapped = new Promise((resolve) => picture.show(track, () => resolve(void 0)));
    this.#sendBy(link);
    link.control?.changeOutage(this.#on.outage()).catch(() => {
    });
    this.#on.opened(link);
    this.#on.changed();
    return swapped;
  }
  /** @param {Connection | null} link */
  #sendBy(link) {
    link?.send(this.#on.camera()).catch((error) => console.warn(`p2pcamera: ${error.message}`));
  }
  /** @param {Connection} link @param {Picture} picture */
  #lose(link, picture) {
    if (link !== this.#link || this.#state !== "live" || this.#isClosed) return;
    const fault = new Fault("connection_lost", "the connection to the server was lost");
    if (!picture.outlivesItsConnection) return this.#on.gone(fault);
    this.#fault = fault;
    this.#state = "reconnecting";
    // It may have expired in the call, which it does not end.
    this.#settings.token?.forget();
    link.close(fault);
    this.#on.changed();
    this.#reconnection = new Reconnection({
      areWanted: () => this.#state === "reconnecting" && !this.#isClosed,
      connect: async () => {
        await this.#connect(picture, this.#signaling.iceServersOrFault(), RECONNECT_TIMEOUT_MS);
        this.#settleWaiting(null);
      },
      failed: (failure2) => {
        this.#fault = failure2;
      },
      takeBack: (failure2) => {
        const isTakenBack = this.#on.takeBack();
        if (isTakenBack) this.#settleWaiting(failure2);
        return isTakenBack;
      },
      refused: this.#on.refused
    });
    this.#reconnection.run();
  }
  /** @param {Fault | null} fault */
  #settleWaiting(fault) {
    for (const settle of this.#waiting.splice(0)) settle(fault);
  }
};

// shim/picture/picture_data.js
/**
 * What filters tell of pictures, told to the page together with each picture.
 *
 * A message comes by a data channel, its picture by RTP: either may be the first. What belongs to a picture
 * that has been passed over is dropped.
 */
/** Messages that wait for their pictures: a second of a camera. */
var MAX_WAITING = 30;
var PictureData = class {
  #tell;
  /** By RTP timestamp, oldest first. @type {Map<number, object>} */
  #waiting = /* @__PURE__ */ new Map();
  /** Of the picture shown last; undefined where frames carry none. @type {number | undefined} */
  #shown;
  /** @param {(data: object) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }
  /** @param {unknown} text a message of the channel `data` */
  receive(text) {
    /** @type {any} */
    const message = typeof text === "string" ? parsedJson(text) : null;
    if (message?.type !== "data") return;
    const { rtp_timestamp: rtpTimestamp, width, height, filters } = message;
    const data = { rtpTimestamp, width, height, filters };
    if (this.#shown === void 0 || rtpTimestamp === this.#shown) return this.#tell(data);
    this.#waiting.set(rtpTimestamp, data);
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete([...this.#waiting.keys()][0]);
  }
  /** @param {number | undefined} rtpTimestamp of the picture that is shown now */
  note(rtpTimestamp) {
    this.#shown = rtpTimestamp;
    if (rtpTimestamp === void 0) return;
    const data = this.#waiting.get(rtpTimestamp);
    for (const timestamp of this.#waiting.keys()) {
      // Behind by less than half of all timestamps.
      if ((rtpTimestamp - timestamp | 0) >= 0) this.#waiting.delete(timestamp);
    }
    if (data) this.#tell(data);
  }
};

// shim/publishing/publication.js
/**
 * What one session publishes: what the page wants, what the server has granted, who watches.
 */
/**
 * @import { P2PCameraPublication } from "../api.js"
 * @import { PublishWish, Settings } from "../settings/settings.js"
 * @import { Microphones } from "./microphones.js"
 *
 * What an offer says of it. `takesOver`: whether in the place of another publisher.
 * @typedef {{name: string | true, publisher: string, takesOver: boolean}} AskedToPublish
 */
/** Refusals that keep the picture from others, and not from the page. */
var OF_PUBLISHING = /* @__PURE__ */ new Set(["stream_forbidden", "stream_taken", "taken_over"]);
var PUBLISHER_BYTES = 16;
var Publication = class {
  #settings;
  #microphones;
  #changed;
  /** @type {PublishWish | null} */
  #wish = null;
  /** @type {P2PCameraPublication | null} */
  #told = null;
  /** Why nothing is published any more. @type {Fault | null} */
  fault = null;
  /** By this the server knows the publisher again after an outage. */
  #publisher = "";
  /** Whether the connection has a section for sound. */
  #isHeard = false;
  /**
   * @param {Settings} settings of the session
   * @param {Microphones} microphones of the page
   * @param {(publication: P2PCameraPublication | null, fault: Fault | null) => void} changed
   */
  constructor(settings, microphones, changed) {
    this.#settings = settings;
    this.#microphones = microphones;
    this.#changed = changed;
  }
  /** What the page is told; null while nothing is published. */
  get told() {
    return this.#told;
  }
  get isWanted() {
    return this.#wish !== null;
  }
  /** @returns {AskedToPublish | null} for an offer or a change */
  get asked() {
    if (this.#wish === null) return null;
    // Somebody else may publish under the name after an outage, and then goes on.
    return { name: this.#wish.name, publisher: this.#publisher, takesOver: this.#told === null };
  }
  /** What is to be sent besides the picture: the page mutes it as it mutes its microphone. */
  get sound() {
    return this.#wish?.sound ? this.#microphones.current : null;
  }
  /** @param {PublishWish} wish another name than the one before begins anew */
  want({ name, sound }) {
    const before = this.#wish;
    const isSame = before !== null && (name === true || name === before.name);
    this.#wish = { name: isSame ? before.name : name, sound };
    this.fault = null;
    if (isSame) return;
    this.#told = null;
    const bytes = crypto.getRandomValues(new Uint8Array(PUBLISHER_BYTES));
    this.#publisher = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  /** Notes that the server publishes. @param {string} name @param {boolean} isHeard whether the sound is sent too */
  grant(name, isHeard) {
    const wish = this.#wish;
    if (wish === null || wish.name !== true && wish.name !== name) return;
    this.#wish = { ...wish, name };
    this.#isHeard = isHeard;
    this.#tell(name, this.#told?.viewers ?? 0);
  }
  /** Publishes no longer. @param {Fault | null} fault null: the page wants it so */
  drop(fault) {
    if (this.#wish === null) return;
    this.#wish = this.#told = null;
    this.fault = fault;
    this.#changed(null, fault);
  }
  /** @param {unknown} fault of an offer @returns {boolean} whether it is of publishing alone, which is given up then */
  isRefusedBy(fault) {
    if (this.#wish === null || !(fault instanceof Fault) || !OF_PUBLISHING.has(fault.code)) return false;
    this.drop(fault);
    return true;
  }
  /** @param {{publish?: string, viewers?: number}} stats of the server */
  noteStats({ publish: name, viewers = 0 }) {
    if (name !== void 0 && name === this.#told?.name) this.#tell(name, viewers);
  }
  /** @param {string} name @param {number} viewers */
  #tell(name, viewers) {
    const sound = this.#isHeard && this.sound !== null;
    const told = this.#told;
    if (told?.name === name && told.viewers === viewers && told.sound === sound) return;
    const watchUrl = new URL(`watch/${name}`, this.#settings.server).href;
    this.#told = Object.freeze({ name, watchUrl, viewers, sound });
    this.#changed(this.#told, null);
  }
};

// shim/publishing/publish_switch.js
/**
 * Begins to publish and ends it, whatever state the session's connection is in.
 */
var PublishSwitch = class {
  #publication;
  #connection;
  #opened;
  /** What the connection sends now. @type {MediaStreamTrack | null} */
  #sent = null;
  /** Grows with each wish: the last one holds. */
  #wishes = 0;
  /**
   * @param {Publication} publication
   * @param {KeptConnection} connection
   * @param {() => Promise<void>} opened returns when there is a first connection; throws where the session has ended
   */
  constructor(publication, connection, opened) {
    this.#publication = publication;
    this.#connection = connection;
    this.#opened = opened;
  }
  /**
   * Returns when others can watch.
   * @param {PublishWish} wish @returns {Promise<P2PCameraPublication>} @throws {Fault}
   */
  async to(wish) {
    const publication = this.#publication;
    const number = ++this.#wishes;
    publication.want(wish);
    await this.#connected();
    if (number === this.#wishes && publication.isWanted && publication.told === null) await this.#change();
    if (number === this.#wishes) await this.#sendSound();
    if (number !== this.#wishes || publication.told === null) {
      throw publication.fault ?? new Fault("closed", "the page has asked for something else since");
    }
    return publication.told;
  }
  /** Sends the microphone that the page has now, where it publishes one. */
  followMicrophone() {
    this.#sendSound().catch((error) => console.warn(`p2pcamera: ${error.message}`));
  }
  /** Sends the sound that is wanted now. Only an offer can bring it, so the first one takes a new connection. */
  async #sendSound() {
    const publication = this.#publication;
    const { link, state } = this.#connection;
    if (publication.told === null || state !== "live" || !link?.sendSound) return;
    const { sound, told } = publication;
    if (sound === this.#sent) return;
    this.#sent = sound;
    if (link.sendSound(sound)) return publication.grant(told.name, sound !== null);
    if (this.#connection.renew()) await this.#connected();
  }
  /** Publishes no longer. Where the server cannot be told, the next connection does not ask for it. */
  async end() {
    this.#wishes += 1;
    this.#publication.drop(null);
    const { link } = this.#connection;
    this.#quiet();
    await this.#stop(link);
  }
  /** Takes note of what a new connection publishes. @param {Connection} link */
  noteOpened(link) {
    this.#sent = link.sound ?? null;
    if (!link.published) return;
    if (this.#publication.isWanted) this.#publication.grant(link.published, link.sendsSound === true);
    else this.end();
  }
  /** Another one publishes under the name. @param {Fault} fault */
  noteTakenOver(fault) {
    this.#quiet();
    this.#publication.drop(fault);
  }
  /** @param {Connection | null} link */
  async #stop(link) {
    if (link?.id) await link.publish?.(null).catch(() => {
    });
  }
  #quiet() {
    this.#connection.link?.sendSound?.(null);
    this.#sent = null;
  }
  /** @throws {Fault} */
  async #connected() {
    await this.#opened();
    if (this.#connection.state === "reconnecting") await this.#connection.outageEnded();
  }
  /** @throws {Fault} */
  async #change() {
    const publication = this.#publication;
    const { link } = this.#connection;
    const { asked } = publication;
    const number = this.#wishes;
    if (!link?.publish || !asked) throw new Fault("bad_settings", "this page cannot publish");
    try {
      publication.grant(await link.publish(asked), false);
      // Two calls may have changed places on their way.
      if (!publication.isWanted) await this.#stop(link);
    } catch (error) {
      const fault = (
        /** @type {Fault} */
        error
      );
      const isElsewhere = fault.code === "stream_elsewhere" && this.#connection.renew();
      // A name of another of the server's processes takes a new offer, and so does a connection that was lost.
      if (isElsewhere || fault.code === "connection_lost") return this.#connected();
      if (number === this.#wishes) {
        publication.drop(fault);
        // An answer that is late may yet be a yes, and of two names the one before still holds.
        await this.#stop(link);
      }
      throw fault;
    }
  }
};

// shim/session/choices.js
/**
 * Which filter a session wants, which one the server applies, and what follows for the outage policy.
 */
var Choices = class {
  #settings;
  #privateFilters;
  /** What the server accepted last. @type {Choice | null} */
  #accepted = null;
  /** What it accepted before that. @type {Choice | null} */
  #acceptedBefore = null;
  /** @type {readonly string[]} */
  #filters = [];
  /** Whether the filters that apply are private, as the server says. */
  #isPrivate = false;
  /**
   * @param {Settings} settings of the session; they hold what is wanted
   * @param {PrivateFilters} privateFilters
   */
  constructor(settings, privateFilters2) {
    this.#settings = settings;
    this.#privateFilters = privateFilters2;
  }
  get filters() {
    return this.#filters;
  }
  get isPrivate() {
    return this.#isPrivate;
  }
  /** What holds: with a private filter, wanted or still applied, the policy is `closed`. */
  get outage() {
    const isPrivate = this.#isPrivate || this.#privateFilters.includes(this.#settings.filter);
    return isPrivate ? "closed" : this.#settings.outage;
  }
  /** @param {object} params of a choice @returns {boolean} whether no newer choice has taken its place */
  isNewest(params) {
    return this.#settings.params === params;
  }
  /** @param {Pick<Connection, 'asked'>} link @returns {boolean} whether it was opened for what is wanted now */
  isWanted({ asked }) {
    return asked?.filter === this.#settings.filter && asked.params === this.#settings.params;
  }
  /**
   * @param {string | string[]} filter @param {object} params
   * @returns {() => void} what returns to the choice before, where the server refuses this one
   */
  want(filter, params) {
    const before = { filter: this.#settings.filter, params: this.#settings.params };
    Object.assign(this.#settings, { filter, params });
    return () => {
      if (this.isNewest(params)) Object.assign(this.#settings, this.#accepted ?? before);
    };
  }
  /**
   * Gives up a choice that was made in an outage and is refused.
   * @returns {boolean} false where there is none
   */
  takeBack() {
    if (this.#accepted === null || this.isNewest(this.#accepted.params)) return false;
    Object.assign(this.#settings, this.#accepted);
    return true;
  }
  /**
   * Notes what a new connection was opened for.
   * @param {Pick<Connection, 'asked' | 'filters' | 'isPrivate'>} link
   */
  noteOpened({ asked, filters, isPrivate }) {
    this.#filters = filters;
    this.#accepted = asked;
    this.#notePrivate(asked?.filter ?? null, isPrivate);
  }
  /** Notes a change that the server has accepted. @param {Choice} choice @param {Applied} applied */
  noteChanged(choice, { filters, isPrivate }) {
    this.#filters = Object.freeze([...filters]);
    this.#acceptedBefore = this.#accepted;
    this.#accepted = choice;
    this.#notePrivate(choice.filter, isPrivate);
  }
  /**
   * Notes what the server uses after a worker has refused parameters.
   * @param {{filter: string | string[], params?: object, private?: boolean}} message of the server
   * @returns {Choice}
   */
  noteGoneBack({ filter, params, private: isPrivate }) {
    const names = asList(filter);
    // Parameters that are too long for a message are those of before.
    const known = params ?? this.#acceptedBefore?.params ?? {};
    const choice = { filter: names.length > 1 ? names : names[0], params: known };
    const isUnderWay = this.#accepted?.params !== this.#settings.params;
    if (!isUnderWay) Object.assign(this.#settings, choice);
    this.#accepted = choice;
    this.#filters = Object.freeze(names);
    this.#notePrivate(choice.filter, isPrivate === true);
    return choice;
  }
  /** Notes what the server says of the filters that apply. @param {boolean} isPrivate */
  notePrivate(isPrivate) {
    this.#isPrivate = isPrivate;
  }
  /**
   * @param {string | string[] | null} filter that applies now
   * @param {boolean} isPrivate as the server says
   */
  #notePrivate(filter, isPrivate) {
    if (isPrivate) this.#privateFilters.add(filter);
    this.#isPrivate = isPrivate;
  }
};

// shim/session/filter_switch.js
/**
 * Changes the filter of a session, whatever state its connection is in.
 */
var FilterSwitch = class {
  #choices;
  #connection;
  #guard;
  #requireOpen;
  /**
   * @param {Choices} choices
   * @param {KeptConnection} connection
   * @param {RawGuard} guard
   * @param {() => void} requireOpen throws where the session has ended
   */
  constructor(choices, connection, guard, requireOpen) {
    this.#choices = choices;
    this.#connection = connection;
    this.#guard = guard;
    this.#requireOpen = requireOpen;
  }
  /**
   * Returns when the server has accepted this choice, or a newer one has taken its place.
   * @param {string | string[]} name @param {object} params @throws {Fault}
   */
  async to(name, params) {
    this.#requireOpen();
    // At once, so that an offer that is made meanwhile asks for it.
    const goBack = this.#choices.want(name, params);
    this.#guard.obey();
    if (this.#connection.state === "connecting" && !this.#connection.link?.control) return;
    try {
      await this.#choose(name, params);
    } catch (fault) {
      goBack();
      throw fault;
    }
  }
  /** @param {string | string[]} name @param {object} params @throws {Fault} */
  async #choose(name, params) {
    while (this.#choices.isNewest(params)) {
      this.#requireOpen();
      if (this.#connection.state === "reconnecting") {
        this.#guard.coverFor(name);
        await this.#connection.outageEnded();
        if (this.#connection.link?.asked?.params === params) return;
      }
      try {
        const link = (
          /** @type {Connection} */
          this.#connection.link
        );
        const wasPrivate = this.#choices.isPrivate;
        const applied2 = await link.changeFilter(name, params);
        this.#choices.noteChanged({ filter: name, params }, applied2);
        this.#guard.release();
        this.#guard.obey();
        if (applied2.isPrivate && !wasPrivate) await this.#guard.showFrom(applied2.first);
        return;
      } catch (error) {
        if (
          /** @type {Fault} */
          error.code !== "connection_lost"
        ) throw error;
      }
    }
  }
};

// shim/camera/page_tracks.js
/**
 * The page's tracks of one camera, and which of the camera's tracks behind them is sent.
 */
var PageTracks = class {
  #camera;
  #on;
  /** @type {Picture | null} */
  #picture = null;
  /** Until each is stopped. @type {Set<TrackFace>} */
  #faces = /* @__PURE__ */ new Set();
  /**
   * @param {MediaStreamTrack} camera that is sent at first
   * @param {{changed: () => void, allStopped: () => void}} on `changed`: another camera's track is sent, or one changed
   */
  constructor(camera, on) {
    this.#camera = camera;
    this.#on = on;
  }
  /** The camera's track that is sent. */
  get camera() {
    return this.#camera;
  }
  get isEmpty() {
    return this.#faces.size === 0;
  }
  /** @param {Picture} picture that the tracks show */
  begin(picture) {
    this.#picture = picture;
  }
  /**
   * @param {MediaStreamTrack} camera
   * @param {Place} place
   * @returns {TrackFace}
   * @throws {Fault} after `end`
   */
  giveOut(camera, place) {
    if (this.#picture === null) throw new Fault("closed", "the session has ended");
    const track = this.#picture.newTrack(place.window, () => this.#shapeFor(camera));
    const face = new TrackFace(track, camera, place, {
      changed: () => this.#chooseCamera(),
      stopped: () => this.#takeBack(face),
      clone: () => this.giveOut(cloneTrack.call(camera), place)
    });
    this.#faces.add(face);
    this.#chooseCamera();
    return face;
  }
  /** @param {Place} place that goes away with its tracks */
  leave(place) {
    for (const face of this.#faces) if (face.place === place) face.stop();
  }
  /** Ends all tracks, as if the camera were unplugged. */
  end() {
    this.#picture = null;
    for (const face of this.#faces) face.end();
  }
  /** @param {MediaStreamTrack} camera @returns {Shape} */
  #shapeFor(camera) {
    const { width, height, frameRate = 0 } = getTrackSettings.call(camera);
    const { frameRate: sentRate = 0 } = getTrackSettings.call(this.#camera);
    const isSlower = camera !== this.#camera && frameRate < sentRate;
    return { width, height, frameRate: isSlower ? frameRate : null };
  }
  /** @param {TrackFace} face */
  #takeBack(face) {
    const picture = this.#picture;
    if (!this.#faces.delete(face) || picture === null) return;
    picture.endTrack(face.track);
    if (this.#faces.size === 0) return this.#on.allStopped();
    this.#chooseCamera();
    // The camera was opened as large as its largest track, and need not stay so.
    if (this.#faces.size === 1) for (const last of this.#faces) last.reapply();
  }
  /** Of several tracks of the camera, the one with the largest picture is sent. */
  #chooseCamera() {
    const cameras = [...this.#faces].map((face) => face.camera);
    const most = Math.max(...cameras.map(pixelsOf));
    if (!cameras.includes(this.#camera) || pixelsOf(this.#camera) < most) {
      const largest = cameras.find((camera) => pixelsOf(camera) === most);
      if (!largest) return;
      this.#camera = largest;
      if (this.#picture?.showsRaw) {
        this.#picture.hideRaw();
        this.#picture.showRaw(largest);
      }
    }
    this.#on.changed();
  }
};
/** @param {MediaStreamTrack} camera @returns {number} */
function pixelsOf(camera) {
  return pixels(getTrackSettings.call(camera), !camera.muted && camera.readyState !== "ended");
}

// shim/picture/shaper.js
/**
 * Makes the frames that come the frames of one track: in its size, and no more of them than it takes.
 */
var Shaper = class {
  #shape;
  #dueAt_ms = 0;
  /** @param {() => Shape} shape */
  constructor(shape) {
    this.#shape = shape;
  }
  /** @param {number} now_ms @returns {boolean} whether a frame is passed on */
  takes(now_ms) {
    const { frameRate } = this.#shape();
    if (!frameRate) return true;
    if (now_ms < this.#dueAt_ms) return false;
    const interval_ms = 1e3 / frameRate;
    // A frame may come half an interval early, and a late one does not bring the next forward.
    this.#dueAt_ms = Math.max(this.#dueAt_ms + interval_ms, now_ms + interval_ms / 2);
    return true;
  }
  /** @param {number} width of a frame @param {number} height of it @returns {Fit} */
  fit(width, height) {
    return fit(width, height, this.#shape());
  }
};

// shim/picture/canvas_surface.js
/**
 * Frames painted on canvases. In a hidden tab these stand still.
 */
/** @implements {Surface} */
var CanvasSurface = class {
  outlivesItsSource = true;
  /** @type {Map<MediaStreamTrack, {pen: CanvasRenderingContext2D, shaper: Shaper}>} */
  #outlets = /* @__PURE__ */ new Map();
  /** Whose frames are shown now. @type {HTMLVideoElement | null} */
  #video = null;
  get seesFrames() {
    return !document.hidden;
  }
  /** @param {Window} place @param {() => Shape} shape */
  newTrack(place, shape) {
    const canvas = place.document.createElement("canvas");
    const pen = (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d", { alpha: false })
    );
    const outlet = { pen, shaper: new Shaper(shape) };
    const [track] = canvas.captureStream().getVideoTracks();
    this.#outlets.set(track, outlet);
    if (this.#video) this.#paint(outlet, this.#video);
    return track;
  }
  /** @param {MediaStreamTrack} track */
  end(track) {
    this.#outlets.delete(track);
    stopTrack.call(track);
  }
  /** @param {MediaStreamTrack} track @param {OnFrame} onFrame */
  feed(track, onFrame) {
    const video = document.createElement("video");
    Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
    let isOpen = true;
    const paint = (_, metadata) => {
      if (!isOpen) return;
      video.requestVideoFrameCallback(paint);
      if (!onFrame(metadata.rtpTimestamp)) return;
      this.#video = video;
      for (const outlet of this.#outlets.values()) this.#paint(outlet, video);
    };
    video.requestVideoFrameCallback(paint);
    video.play().catch(() => {
    });
    return () => {
      isOpen = false;
      if (this.#video === video) this.#video = null;
      video.srcObject = null;
    };
  }
  repeat() {
    for (const { pen } of this.#outlets.values()) pen.drawImage(pen.canvas, 0, 0);
  }
  cover() {
    this.#video = null;
    for (const { pen } of this.#outlets.values()) pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
  }
  close() {
    for (const track of this.#outlets.keys()) stopTrack.call(track);
    this.#outlets.clear();
  }
  /** @param {{pen: CanvasRenderingContext2D, shaper: Shaper}} outlet @param {HTMLVideoElement} video */
  #paint({ pen, shaper }, video) {
    const { videoWidth, videoHeight } = video;
    if (!videoWidth || !shaper.takes(performance.now())) return;
    const { width, height, crop } = shaper.fit(videoWidth, videoHeight);
    // Even the same size would clear the canvas.
    if (pen.canvas.width !== width) pen.canvas.width = width;
    if (pen.canvas.height !== height) pen.canvas.height = height;
    pen.drawImage(video, ...crop, 0, 0, width, height);
  }
};

// shim/picture/generator_outlet.js
/**
 * One track of the page's that frames are written into.
 */
var GeneratorOutlet = class {
  #generator;
  #writer;
  #shaper;
  /** Draws frames of another size. @type {OffscreenCanvasRenderingContext2D | null} */
  #pen = null;
  /** @param {Window} place @param {() => Shape} shape */
  constructor(place, shape) {
    const { track, writable } = newGenerator(place);
    this.#generator = track;
    this.#writer = writable.getWriter();
    this.#shaper = new Shaper(shape);
    // The generator has methods of its own; a clone is a plain track.
    this.track = cloneTrack.call(track);
  }
  /** @param {any} frame a VideoFrame, left open @param {number} at_us */
  async write(frame, at_us) {
    if (!this.#shaper.takes(at_us / 1e3)) return;
    const stamped = this.#fitted(frame, at_us);
    // Fails where the outlet has been closed.
    await this.#writer.write(stamped).catch(() => {
    });
    stamped.close();
  }
  close() {
    stopTrack.call(this.track);
    this.#writer.close().catch(() => {
    });
    stopTrack.call(this.#generator);
  }
  /** @param {any} frame @param {number} timestamp */
  #fitted(frame, timestamp) {
    const { VideoFrame } = (
      /** @type {any} */
      window
    );
    const { displayWidth, displayHeight } = frame;
    const { width, height, crop } = this.#shaper.fit(displayWidth, displayHeight);
    // The usual case, without a copy of the pixels.
    if (width === displayWidth && height === displayHeight) return new VideoFrame(frame, { timestamp });
    if (this.#pen?.canvas.width !== width || this.#pen.canvas.height !== height) {
      this.#pen = new OffscreenCanvas(width, height).getContext("2d", { alpha: false });
    }
    const pen = (
      /** @type {OffscreenCanvasRenderingContext2D} */
      this.#pen
    );
    pen.drawImage(frame, ...crop, 0, 0, width, height);
    return new VideoFrame(pen.canvas, { timestamp, alpha: "discard" });
  }
};
/** @param {any} place @returns {{track: MediaStreamTrack, writable: WritableStream}} */
function newGenerator({ MediaStreamTrackGenerator: Generator, VideoTrackGenerator }) {
  if (!Generator) return new VideoTrackGenerator();
  const track = new Generator({ kind: "video" });
  return { track, writable: track.writable };
}

// shim/picture/generator_surface.js
/**
 * Frames as they come, written into generators.
 */
/** @implements {Surface} */
var GeneratorSurface = class {
  outlivesItsSource = true;
  seesFrames = true;
  /** @type {Map<MediaStreamTrack, GeneratorOutlet>} */
  #outlets = /* @__PURE__ */ new Map();
  #lastAt_us = 0;
  /** The last frame, a VideoFrame. @type {any} */
  #last = null;
  /** @param {Window} place @param {() => Shape} shape */
  newTrack(place, shape) {
    const outlet = new GeneratorOutlet(place, shape);
    this.#outlets.set(outlet.track, outlet);
    // In an outage no other frame may come for long.
    if (this.#last) outlet.write(this.#last, this.#lastAt_us);
    return outlet.track;
  }
  /** @param {MediaStreamTrack} track */
  end(track) {
    this.#outlets.get(track)?.close();
    this.#outlets.delete(track);
  }
  /** @param {MediaStreamTrack} track @param {OnFrame} onFrame */
  feed(track, onFrame) {
    // A buffer of one frame gives the newest to a page that was busy.
    const processor = new /** @type {any} */
    window.MediaStreamTrackProcessor({ track, maxBufferSize: 1 });
    const reader = processor.readable.getReader();
    let isOpen = true;
    const pass = async () => {
      /** @type {number | null} */
      let offset_us = null;
      for (; ; ) {
        const { done, value: frame } = await reader.read();
        if (done) return;
        if (!isOpen) return frame.close();
        if (!onFrame(frame.metadata?.().rtpTimestamp)) {
          frame.close();
          continue;
        }
        // Every track has a clock of its own, and an encoder drops frames whose time runs backwards.
        offset_us ??= performance.now() * 1e3 - frame.timestamp;
        await this.#write(frame, frame.timestamp + offset_us);
      }
    };
    pass().catch(() => {
    });
    return () => {
      isOpen = false;
      reader.cancel().catch(() => {
      });
    };
  }
  repeat() {
    if (this.#last) this.#write(this.#last, performance.now() * 1e3);
  }
  cover() {
    if (!this.#last) return;
    const { displayWidth, displayHeight } = this.#last;
    const canvas = new OffscreenCanvas(displayWidth, displayHeight);
    canvas.getContext("2d", { alpha: false });
    const { VideoFrame } = (
      /** @type {any} */
      window
    );
    this.#write(new VideoFrame(canvas, { timestamp: 0, alpha: "discard" }), performance.now() * 1e3);
  }
  close() {
    for (const outlet of this.#outlets.values()) outlet.close();
    this.#outlets.clear();
    this.#last?.close();
    this.#last = null;
  }
  /** @param {any} frame a VideoFrame, kept until the next @param {number} at_us */
  async #write(frame, at_us) {
    this.#lastAt_us = Math.max(Math.round(at_us), this.#lastAt_us + 1);
    if (this.#last !== frame) this.#last?.close();
    this.#last = frame;
    await Promise.all([...this.#outlets.values()].map((outlet) => outlet.write(frame, this.#lastAt_us)));
  }
};

// shim/picture/remote_surface.js
/**
 * The connection's own track, which ends with it.
 */
/** @implements {Surface} */
var RemoteSurface = class {
  outlivesItsSource = false;
  seesFrames = false;
  /** @type {MediaStreamTrack | null} */
  #track = null;
  /** After the first `feed`. */
  newTrack() {
    return cloneTrack.call(
      /** @type {MediaStreamTrack} */
      this.#track
    );
  }
  /** @param {MediaStreamTrack} track */
  end(track) {
    stopTrack.call(track);
  }
  /** @param {MediaStreamTrack} track */
  feed(track) {
    this.#track ??= track;
    return () => {
    };
  }
  repeat() {
  }
  cover() {
  }
  close() {
  }
};

// shim/picture/surface.js
/**
 * Where the frames of one track after another enter the page's tracks.
 */
/**
 * What the frames of one track are made to be. `frameRate` is null where all that come are wanted.
 * @typedef {{width?: number, height?: number, frameRate: number | null}} Shape
 *
 * Whether a frame is passed on. Its RTP timestamp is undefined where it has none, or the browser does not
 * tell it.
 * @typedef {(rtpTimestamp: number | undefined) => boolean} OnFrame
 */
/**
 * `newTrack` makes a track once there was something to show, of a class of `place`; `end` ends it. `feed`
 * begins to pass on the frames of a track and returns what ends that; it asks `onFrame` before each frame.
 * `repeat` passes on the last frame again, `cover` a black one.
 * @typedef {object} Surface
 * @property {boolean} outlivesItsSource
 * @property {boolean} seesFrames false where frames may come without a call of `onFrame`
 * @property {(place: Window, shape: () => Shape) => MediaStreamTrack} newTrack
 * @property {(track: MediaStreamTrack) => void} end
 * @property {(track: MediaStreamTrack, onFrame: OnFrame) => () => void} feed
 * @property {() => void} repeat
 * @property {() => void} cover
 * @property {() => void} close
 */
/** @returns {Surface} the best that this browser has */
function newSurface() {
  if (canGenerate()) return new GeneratorSurface();
  const canPaint = "captureStream" in HTMLCanvasElement.prototype && "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  return canPaint ? new CanvasSurface() : new RemoteSurface();
}
/**
 * A `VideoTrackGenerator` that only workers have does not help: a strict content-security policy lets a page
 * have no worker of ours.
 */
function canGenerate() {
  const hasGenerator = "MediaStreamTrackGenerator" in window || "VideoTrackGenerator" in window;
  return "MediaStreamTrackProcessor" in window && hasGenerator;
}

// shim/picture/picture.js
/**
 * What the page sees: filtered frames of the newest connection, or the raw camera where the session says so.
 */
/** How often the last frame is shown again in an outage. */
var REPEAT_MS = 1e3;
/** How long a private filter's first frame is waited for; the server has sent it before it answered. */
var NEW_FRAME_TIMEOUT_MS = 2e3;
/** The page's own element has drawn what it holds within this time. */
var ON_SCREEN_MS = 100;
/** Where frames carry no timestamp: what was sent before the answer has been shown by then. */
var FLUSH_MS = 500;
var Picture = class {
  #surface = newSurface();
  #endFiltered = () => {
  };
  /** Ends the feed of the connection before, which shows until the newest one has a frame. */
  #endOlder = () => {
  };
  /** @type {(() => void) | null} */
  #endRaw = null;
  #filteredAt_ms = performance.now();
  #repeatedAt_ms = 0;
  /** Whether the last frame shown is the camera's. */
  #isRaw = false;
  /** Frames older than `first` are not shown. @type {{first: number, opened: () => void} | null} */
  #gate = null;
  /** Whether nothing is shown, since a choice that hides the camera could not be kept. */
  #isHeld = false;
  /** Whether frames carry their RTP timestamps. */
  #tellsTimestamps = false;
  #onShown;
  /** @param {(rtpTimestamp: number | undefined) => void} [onShown] is told of each filtered frame */
  constructor(onShown = () => {
  }) {
    this.#onShown = onShown;
  }
  get outlivesItsConnection() {
    return this.#surface.outlivesItsSource;
  }
  get seesFrames() {
    return this.#surface.seesFrames;
  }
  get showsRaw() {
    return this.#endRaw !== null;
  }
  get isRaw() {
    return this.#isRaw;
  }
  /** @param {Window} place @param {() => Shape} shape */
  newTrack(place, shape) {
    return this.#surface.newTrack(place, shape);
  }
  /** @param {MediaStreamTrack} track */
  endTrack(track) {
    this.#surface.end(track);
  }
  /**
   * @param {number} now_ms
   * @returns {number} for how long no filtered frame has come, as far as the surface sees frames
   */
  silence_ms(now_ms) {
    return now_ms - this.#filteredAt_ms;
  }
  /**
   * Shows a new connection's frames. Those of the connection before show until the first of them comes.
   * @param {MediaStreamTrack} filtered of a new connection
   * @param {() => void} [onFirst] called with its first frame
   */
  show(filtered, onFirst = () => {
  }) {
    this.#endOlder();
    this.#endOlder = this.#endFiltered;
    // A new connection numbers its frames anew, and all of them show what it was opened for.
    if (this.#gate) this.#endOlder();
    this.#openGate();
    let isFirst = true;
    this.#endFiltered = this.#surface.feed(filtered, (rtpTimestamp) => {
      if (isFirst) {
        isFirst = false;
        this.#endOlder();
        onFirst();
      }
      this.#filteredAt_ms = performance.now();
      this.#tellsTimestamps = rtpTimestamp !== void 0;
      if (this.#isHeld) {
        this.#repeatSometimes(this.#filteredAt_ms);
        return false;
      }
      if (this.#gate && rtpTimestamp !== void 0) {
        if (isBefore(rtpTimestamp, this.#gate.first)) return false;
        this.#openGate();
      }
      this.#isRaw = false;
      this.hideRaw();
      this.#onShown(rtpTimestamp);
      return true;
    });
  }
  /**
   * Returns when the page sees no frame of the connection any more that is older than a certain one.
   * @param {number | null} first RTP timestamp of that frame, null where it is unknown
   */
  async showFrom(first) {
    this.#endOlder();
    if (first === null || !this.#tellsTimestamps) return pause(FLUSH_MS);
    this.#openGate();
    let isOpen = false;
    const opened = new Promise((resolve) => {
      const open = () => {
        isOpen = true;
        resolve(void 0);
      };
      this.#gate = { first, opened: open };
    });
    await Promise.race([opened, pause(NEW_FRAME_TIMEOUT_MS)]);
    if (!isOpen) this.#surface.cover();
    return pause(ON_SCREEN_MS);
  }
  /** Hides what is shown until the next frame comes. */
  cover() {
    this.hideRaw();
    this.#isRaw = false;
    this.#surface.cover();
  }
  /** Covers the picture, whatever comes, until `release`. */
  hold() {
    this.#isHeld = true;
    this.cover();
  }
  release() {
    this.#isHeld = false;
  }
  #openGate() {
    this.#gate?.opened();
    this.#gate = null;
  }
  /** @param {MediaStreamTrack} camera */
  showRaw(camera) {
    this.#endRaw ??= this.#surface.feed(camera, () => {
      if (this.#isHeld) return false;
      this.#isRaw = true;
      return true;
    });
  }
  hideRaw() {
    this.#endRaw?.();
    this.#endRaw = null;
  }
  /** Shows the last frame again, for those who join a call in an outage. @param {number} now_ms */
  repeat(now_ms) {
    if (!this.#isRaw && now_ms - this.#filteredAt_ms >= REPEAT_MS) this.#repeatSometimes(now_ms);
  }
  /** @param {number} now_ms */
  #repeatSometimes(now_ms) {
    if (now_ms - this.#repeatedAt_ms < REPEAT_MS) return;
    this.#repeatedAt_ms = now_ms;
    this.#surface.repeat();
  }
  close() {
    this.#endOlder();
    this.#endFiltered();
    this.#openGate();
    this.hideRaw();
    this.#surface.close();
  }
};
/** @param {number} timestamp @param {number} other both modulo 2^32 @returns {boolean} */
function isBefore(timestamp, other) {
  return (timestamp - other | 0) < 0;
}

// shim/session/page_view.js
/**
 * What the page sees of a session: one picture, and the tracks that show it.
 */
var PageView = class {
  #guard;
  #tracks;
  /** @type {Picture | null} */
  #picture = null;
  /**
   * @param {MediaStreamTrack} camera that is sent at first
   * @param {RawGuard} guard of the picture
   * @param {{changed: () => void, allStopped: () => void}} on as of `PageTracks`
   */
  constructor(camera, guard, on) {
    this.#guard = guard;
    this.#tracks = new PageTracks(camera, on);
  }
  /** The camera's track that is sent. */
  get camera() {
    return this.#tracks.camera;
  }
  /** Whether there is a picture. */
  get isOpen() {
    return this.#picture !== null;
  }
  /** Whether no track shows it. */
  get isEmpty() {
    return this.#tracks.isEmpty;
  }
  /** @param {(rtpTimestamp: number | undefined) => void} noteFrame is told of each filtered frame */
  begin(noteFrame) {
    this.#picture = new Picture(noteFrame);
    this.#guard.guard(this.#picture);
    this.#tracks.begin(this.#picture);
    return this.#picture;
  }
  /** @param {MediaStreamTrack} camera @param {Place} place @throws {import("../base/fault.js").Fault} after `end` */
  giveOut(camera, place) {
    return this.#tracks.giveOut(camera, place).track;
  }
  /** Shows the camera as it is. */
  showRaw() {
    this.#picture?.showRaw(this.camera);
  }
  /** @param {Place} place that goes away with its tracks */
  leave(place) {
    this.#tracks.leave(place);
  }
  /** @param {boolean} keepsCamera whether the camera stays open, for the page */
  end(keepsCamera) {
    if (keepsCamera) this.camera.contentHint = "";
    else stopTrack.call(this.camera);
    const picture = this.#picture;
    this.#picture = null;
    this.#guard.guard(null);
    this.#tracks.end();
    // Last, since a track that is stopped already is not told again.
    picture?.close();
  }
};

// shim/session/raw_guard.js
/**
 * Keeps the raw camera out of the page's tracks where the outage policy is `closed`.
 */
var RawGuard = class {
  #settings;
  #choices;
  #privateFilters;
  #signaling;
  /** @type {Picture | null} */
  #picture = null;
  /** Settled when the server has told what is private, where that decides what is shown. */
  areFiltersKnown = Promise.resolve();
  /**
   * @param {Settings} settings of the session
   * @param {Choices} choices of the session
   * @param {PrivateFilters} privateFilters
   * @param {SignalingCalls} signaling
   */
  constructor(settings, choices, privateFilters2, signaling) {
    this.#settings = settings;
    this.#choices = choices;
    this.#privateFilters = privateFilters2;
    this.#signaling = signaling;
  }
  /** Asks the server what is private, where that decides what is shown. */
  begin() {
    if (this.#settings.outage === "open") this.#learn();
  }
  /** @param {Picture | null} picture that is guarded from now on */
  guard(picture) {
    this.#picture = picture;
  }
  /** @param {'closed' | 'open'} outage that is wanted */
  setOutage(outage) {
    this.#settings.outage = outage;
    if (outage === "open") this.#learn();
    this.obey();
  }
  /** Hides the raw camera where it may not show, as after every change of filter or policy. */
  obey() {
    const picture = this.#picture;
    if (this.#choices.outage !== "closed" || !picture) return;
    if (picture.isRaw && this.#settings.outage === "open") picture.cover();
    else picture.hideRaw();
  }
  /**
   * Hides what shows before a change to a private filter, where the server cannot make it at once.
   * @param {string | string[]} filter
   */
  coverFor(filter) {
    if (!this.#choices.isPrivate && this.#privateFilters.includes(filter)) this.#picture?.cover();
  }
  /** Covers the picture until another choice is accepted. */
  hold() {
    this.#picture?.hold();
  }
  release() {
    this.#picture?.release();
  }
  /**
   * Returns when the page is shown nothing older than a private filter's first frame.
   * @param {number | null} first RTP timestamp of that frame
   */
  async showFrom(first) {
    await this.#picture?.showFrom(first);
  }
  #learn() {
    const told = this.#signaling.privateFilters().then(
      (filters) => {
        for (const filter of filters) this.#privateFilters.add(filter);
        this.obey();
      },
      () => {
      }
    );
    this.areFiltersKnown = Promise.race([told, pause(FILTERS_TIMEOUT_MS)]);
  }
};

// shim/session/server_messages.js
/**
 * What a session's server sends unasked: measurements, progress, and choices that it has taken back.
 */
var ServerMessages = class {
  #choices;
  #guard;
  #publication;
  #publishing;
  #notify;
  /** The newest. @type {P2PCameraStats | null} */
  #stats = null;
  /**
   * @param {Choices} choices
   * @param {RawGuard} guard
   * @param {Publication} publication
   * @param {PublishSwitch} publishing
   * @param {(type: string, detail: object) => void} notify the page
   */
  constructor(choices, guard, publication, publishing2, notify) {
    this.#choices = choices;
    this.#guard = guard;
    this.#publication = publication;
    this.#publishing = publishing2;
    this.#notify = notify;
  }
  get stats() {
    return this.#stats;
  }
  /** @param {any} message of the control channel */
  receive(message) {
    if (message.type === "stats") {
      this.#noteStats(message);
    } else if (message.type === "progress") {
      const { filter, text, fraction } = message;
      this.#notify("progress", { filter, text, fraction });
    } else if (message.type === "error" && message.of === "publication") {
      this.#publishing.noteTakenOver(faultFromError(message.error));
    } else if (message.type === "error") {
      const choice = message.filter ? this.#choices.noteGoneBack(message) : null;
      this.#guard.obey();
      this.#notify("fault", { fault: faultFromError(message.error), ...choice });
    }
  }
  /** @param {any} message */
  #noteStats(message) {
    this.#stats = Object.freeze(message);
    if (typeof message.private === "boolean" && message.private !== this.#choices.isPrivate) {
      this.#choices.notePrivate(message.private);
      this.#guard.obey();
    }
    this.#publication.noteStats(message);
    this.#publishing.followMicrophone();
    this.#notify("stats", { stats: this.#stats });
  }
};

// shim/session/camera_session.js
/**
 * One camera on its way through the server.
 *
 * A session owns the camera's track, what the page sees, and the connection. It closes all of them with the
 * last of the tracks that it gave out.
 */
/** @implements {P2PCameraSession} */
var CameraSession = class {
  #settings;
  #notify;
  #choices;
  #guard;
  #connection;
  #switch;
  #publication;
  #publishing;
  #messages;
  #view;
  #data;
  #listensForData = false;
  /** @type {Promise<void> | null} */
  #opening = null;
  /** How it ended. @type {{state: 'raw' | 'failed' | 'ended', fault: Fault | null} | null} */
  #end = null;
  /** @type {number | null} */
  latency_ms = null;
  /** @type {number | null} */
  audioDelay_ms = null;
  /**
   * @param {MediaStreamTrack} camera
   * @param {Settings} settings
   * @param {Microphones} microphones of the page
   * @param {(type: string, detail: object) => void} notify
   */
  constructor(camera, settings, microphones, notify) {
    this.#settings = settings;
    this.#notify = notify;
    this.#data = new PictureData((data) => notify("data", data));
    const signaling = newSignaling(settings);
    this.#choices = new Choices(settings, privateFilters);
    this.#guard = new RawGuard(settings, this.#choices, privateFilters, signaling);
    this.#publication = new Publication(
      settings,
      microphones,
      (publication, fault) => notify("publication", { publication, fault })
    );
    this.#connection = new KeptConnection(settings, signaling, {
      publication: this.#publication,
      camera: () => this.camera,
      outage: () => this.#choices.outage,
      message: (message) => this.#messages.receive(message),
      data: (text) => this.#data.receive(text),
      isWanted: (link) => this.#choices.isWanted(link),
      opened: (link) => {
        this.#choices.noteOpened(link);
        if (this.#listensForData) link.listenForData?.();
        this.#guard.obey();
        this.#publishing.noteOpened(link);
      },
      changed: () => notify("statechange", {}),
      takeBack: () => this.#choices.takeBack(),
      refused: (fault) => this.#refused(fault),
      gone: (fault) => this.#finish("failed", fault)
    });
    this.#switch = new FilterSwitch(this.#choices, this.#connection, this.#guard, () => this.#requireOpen());
    this.#publishing = new PublishSwitch(this.#publication, this.#connection, async () => {
      await this.#opening?.catch(() => {
      });
      this.#requireOpen();
    });
    this.#messages = new ServerMessages(
      this.#choices,
      this.#guard,
      this.#publication,
      this.#publishing,
      notify
    );
    this.#view = new PageView(camera, this.#guard, {
      changed: () => this.#connection.send(),
      allStopped: () => this.close()
    });
  }
  get id() {
    return this.#connection.link?.id ?? null;
  }
  /** @returns {P2PCameraState} */
  get state() {
    return this.#end?.state ?? this.#connection.state;
  }
  get isOpen() {
    return this.#end === null;
  }
  /** @returns {Fault | null} */
  get fault() {
    return this.#end ? this.#end.fault : this.#connection.fault;
  }
  get filters() {
    return this.#choices.filters;
  }
  get stats() {
    return this.#messages.stats;
  }
  get publication() {
    return this.#publication.told;
  }
  get camera() {
    return this.#view.camera;
  }
  /** @param {MediaStreamTrack} camera @param {Settings} settings with which it was asked for */
  serves(camera, settings) {
    return this.isOpen && sourceOf(camera, settings) === sourceOf(this.camera, this.#settings);
  }
  /**
   * @param {MediaStreamTrack} camera a track of the same camera, for the new track alone
   * @param {Place} place
   * @param {() => Promise<RTCIceServer[]>} findIceServers for the first connection
   * @returns {Promise<MediaStreamTrack>} the filtered track, about to show its first frame
   * @throws {Fault} with everything closed; under `open` the camera stays open
   */
  async open(camera, place, findIceServers) {
    this.#opening ??= this.#openFirst(findIceServers());
    if (this.state === "connecting") await this.#opening;
    if (!this.#view.isOpen) throw this.#endFault();
    return this.#view.giveOut(camera, place);
  }
  /** @param {string | string[]} name @param {object} [params] @throws {Fault} */
  async setFilter(name, params = {}) {
    await this.#switch.to(name, params);
  }
  /** Lets the first offer ask for it. @param {PublishWish} wish */
  wantPublished(wish) {
    this.#publication.want(wish);
  }
  /** @param {PublishWish} wish @throws {Fault} */
  async publish(wish) {
    this.#requireOpen();
    return this.#publishing.to(wish);
  }
  async unpublish() {
    await this.#publishing.end();
  }
  /** Sends the microphone that the page has now, where it publishes one. */
  followMicrophone() {
    this.#publishing.followMicrophone();
  }
  /** Covers the picture until another choice is accepted. */
  hold() {
    this.#guard.hold();
  }
  /** @param {'closed' | 'open'} outage */
  setOutage(outage) {
    this.#guard.setOutage(outage);
    this.#connection.link?.control?.changeOutage(outage).catch(() => {
    });
  }
  /** @param {TokenSource | undefined} token */
  setToken(token) {
    this.#settings.token = token;
  }
  async ping() {
    this.#requireOpen();
    const control = this.#connection.link?.control;
    if (!control) throw new Fault("closed", "the session has no connection yet");
    return control.ping();
  }
  async getStats() {
    const report = this.#connection.link?.getStats();
    if (!report) throw new Fault("closed", "the session has no connection yet");
    return report;
  }
  /** Has the server send what filters tell of their pictures, from now on. */
  listenForData() {
    this.#listensForData = true;
    this.#connection.link?.listenForData?.();
  }
  /** Looks for the connection, or tries again, without waiting for the next time to do so. */
  lookNow() {
    this.#connection.lookNow();
  }
  /** @param {Place} place that goes away with its tracks */
  leave(place) {
    this.#view.leave(place);
  }
  close() {
    this.#finish("ended", null);
  }
  #requireOpen() {
    if (!this.isOpen) throw this.#endFault();
  }
  #endFault() {
    return this.fault ?? new Fault("closed", "the session has ended");
  }
  /** @param {Promise<RTCIceServer[]>} iceServers @throws {Fault} */
  async #openFirst(iceServers) {
    this.camera.addEventListener("ended", () => {
      if (this.#view.isEmpty) this.close();
    });
    this.#notify("statechange", {});
    this.#guard.begin();
    try {
      const picture = this.#view.begin((rtpTimestamp) => this.#data.note(rtpTimestamp));
      await this.#connection.open(picture, iceServers);
    } catch (error) {
      const fault = faultFrom(error, "no_media_path");
      await this.#guard.areFiltersKnown;
      this.#finish(this.#choices.outage === "open" ? "raw" : "failed", fault);
      throw fault;
    }
  }
  /** @param {Fault} fault that does not pass */
  #refused(fault) {
    const { outage } = this.#choices;
    if (outage === "open") this.#view.showRaw();
    this.#finish(outage === "open" ? "raw" : "failed", fault);
  }
  /** @param {'raw' | 'failed' | 'ended'} state @param {Fault | null} fault */
  #finish(state, fault) {
    // The raw camera in a track of the page's is ours to close, too.
    const isLate = this.state === "raw" && this.#view.isOpen;
    if (!this.isOpen && !isLate) return;
    const keepsPicture = state === "raw" && !this.#view.isEmpty;
    this.#end = { state, fault: isLate ? this.fault : fault };
    this.#connection.close(fault ?? new Fault("closed", "the session was closed"));
    if (!keepsPicture) this.#view.end(state === "raw");
    this.#notify("statechange", {});
    this.#publication.drop(null);
  }
};
/**
 * @param {MediaStreamTrack} camera @param {Settings} settings
 * @returns {string} equal where one session serves both
 */
function sourceOf(camera, { server, filter, params }) {
  return jsonText([getTrackSettings.call(camera).deviceId, server, filter, params]);
}

// shim/sound/audio_context.js
/**
 * The audio context that delays the sound.
 */
var START_TIMEOUT_MS = 1e3;
/**
 * @returns {Promise<AudioContext | null>} one that runs; null where a page without a gesture may have none
 */
async function runningContext() {
  if (!AudioContext || !MediaStreamAudioDestinationNode) return null;
  try {
    // Nothing is to be heard here, so no output device is opened where the browser can do without.
    const context = new AudioContext(
      /** @type {any} */
      { sinkId: { type: "none" } }
    );
    await Promise.race([context.resume().catch(() => {
    }), pause(START_TIMEOUT_MS)]);
    if (context.state === "running") return context;
    context.close().catch(() => {
    });
  } catch {
    // The browser allows no further context.
  }
  return null;
}

// shim/sound/delay_path.js
/**
 * How the delay of the sound changes over time.
 *
 * A small change is followed at a rate that bends the pitch by less than half a semitone, and a large one at
 * once behind a short fade. A change below `SMALLEST_CHANGE_S` is noise of the measurement.
 */
var LONGEST_AUDIO_DELAY_S = 2;
var SMALLEST_CHANGE_S = 5e-3;
var LEAP_S = 0.04;
var RAMP_RATE = 0.02;
/**
 * From `from_s` at the time `at_s` to `to_s` at the time `until_s`, by the audio context's clock.
 * @typedef {{from_s: number, to_s: number, at_s: number, until_s: number}} DelayPath
 */
/** @param {DelayPath} path @param {number} now_s @returns {number} the delay at this time */
function delayAt({ from_s, to_s, at_s, until_s }, now_s) {
  return now_s < until_s ? from_s + (to_s - from_s) * (now_s - at_s) / (until_s - at_s) : to_s;
}
/**
 * @param {DelayPath} path @param {number} now_s @param {number} delay_s that is wanted
 * @returns {DelayPath} the same path where the change would be too small
 */
function pathTo(path, now_s, delay_s) {
  const from_s = delayAt(path, now_s);
  const to_s = Math.min(Math.max(delay_s, 0), LONGEST_AUDIO_DELAY_S);
  const change_s = Math.abs(to_s - from_s);
  if (change_s < SMALLEST_CHANGE_S) return path;
  const takes_s = change_s > LEAP_S ? 0 : change_s / RAMP_RATE;
  return { from_s, to_s, at_s: now_s, until_s: now_s + takes_s };
}

// shim/sound/loudness.js
/**
 * How loud a track is from moment to moment, and by how much one of two tracks that sound alike is later.
 */
/** Length of the stretch that is compared. */
var LISTEN_MS = 700;
/** How far from the expected delay the true one is looked for. */
var LISTEN_AROUND_MS = 150;
var LEAST_LIKENESS = 0.6;
/**
 * @typedef {{from_ms: number, levels: number[]}} Loudness by `performance.now`, one level for each
 *   millisecond
 */
/**
 * @param {MediaStreamTrack} track
 * @param {number} duration_ms
 * @returns {Promise<Loudness>} from now on
 */
async function loudness(track, duration_ms) {
  const { MediaStreamTrackProcessor: Processor } = (
    /** @type {any} */
    window
  );
  const reader = new Processor({ track, maxBufferSize: 100 }).readable.getReader();
  /** @type {number[]} */
  const levels = [];
  let from_ms = Infinity;
  let length_ms = 0;
  try {
    while (length_ms < duration_ms) {
      const { done, value: data } = await reader.read();
      if (done) break;
      const cameAt_ms = performance.now();
      const { numberOfFrames, sampleRate } = data;
      const samples = new Float32Array(numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      data.close();
      for (const [index, sample] of samples.entries()) {
        const at_ms = Math.floor(length_ms + 1e3 * index / sampleRate);
        levels[at_ms] = (levels[at_ms] ?? 0) + Math.abs(sample);
      }
      length_ms += 1e3 * numberOfFrames / sampleRate;
      // Sound is never early, and late only where this thread was busy.
      from_ms = Math.min(from_ms, cameAt_ms - length_ms);
    }
  } finally {
    reader.cancel().catch(() => {
    });
  }
  return { from_ms, levels };
}
/**
 * @param {Loudness} said @param {Loudness} heard the same sound, later
 * @param {number} expected_ms
 * @returns {number | null} how much later, in milliseconds; null where the two are not alike, as in silence
 */
function lateness_ms(said, heard, expected_ms) {
  let best = { likeness: LEAST_LIKENESS, late_ms: (
    /** @type {number | null} */
    null
  ) };
  const shift_ms = said.from_ms - heard.from_ms;
  const least_ms = Math.max(expected_ms - LISTEN_AROUND_MS, 0);
  for (let late_ms = least_ms; late_ms < expected_ms + LISTEN_AROUND_MS; late_ms += 1) {
    const at = Math.round(shift_ms + late_ms);
    const begin = Math.max(0, -at);
    const length = Math.min(LISTEN_MS / 2, said.levels.length - begin, heard.levels.length - begin - at);
    if (length < LISTEN_MS / 2) continue;
    const one = said.levels.slice(begin, begin + length);
    const other = heard.levels.slice(begin + at, begin + at + length);
    const now = likeness(one, other);
    if (now > best.likeness) best = { likeness: now, late_ms };
  }
  return best.late_ms;
}
/**
 * @param {number[]} one @param {number[]} other of the same length
 * @returns {number} their correlation (Pearson), -1 to 1; 0 where one does not change
 */
function likeness(one, other) {
  const [meanOne, meanOther] = [mean(one), mean(other)];
  let [product, squaresOne, squaresOther] = [0, 0, 0];
  one.forEach((value, index) => {
    const [a, b] = [value - meanOne, other[index] - meanOther];
    product += a * b;
    squaresOne += a * a;
    squaresOther += b * b;
  });
  return product / Math.sqrt(squaresOne * squaresOther) || 0;
}
/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum2, value) => sum2 + value, 0) / values.length;
}

// shim/sound/delayed_microphone.js
/**
 * A delayed track of the page's in place of a microphone's track, which stands behind it as its face.
 */
/** Length of the fade that hides a leap of the delay. */
var FADE_S = 0.02;
var DelayedMicrophone = class {
  #microphone;
  #context;
  #on;
  #source;
  #delay;
  #gain;
  #hasEnded = false;
  /**
   * @param {AudioContext} context
   * @param {MediaStreamTrack} microphone
   * @param {{clone: (microphone: MediaStreamTrack) => MediaStreamTrack, stopped: () => void}} on `clone` gives the page's
   *   track for a copy of the microphone's
   */
  constructor(context, microphone, on) {
    this.#context = context;
    this.#microphone = microphone;
    this.#on = on;
    const { channelCount = 1 } = getTrackSettings.call(microphone);
    this.#source = new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([microphone]) });
    this.#delay = new DelayNode(context, { maxDelayTime: LONGEST_AUDIO_DELAY_S });
    this.#gain = new GainNode(context);
    const destination = new MediaStreamAudioDestinationNode(context, { channelCount });
    this.#source.connect(this.#delay).connect(this.#gain).connect(destination);
    /** The page's. */
    this.track = destination.stream.getAudioTracks()[0];
    faces.set(this.track, this);
    for (const type of ["mute", "unmute"]) {
      microphone.addEventListener(type, () => this.track.dispatchEvent(new Event(type)));
    }
    microphone.addEventListener("ended", () => this.end());
  }
  /** Ends the track because the microphone is gone. The page hears of it. */
  end() {
    if (this.#hasEnded) return;
    this.stop();
    this.track.dispatchEvent(new Event("ended"));
  }
  /** @param {DelayPath} path by the context's clock */
  follow({ from_s, to_s, at_s, until_s }) {
    const { delayTime } = this.#delay;
    delayTime.cancelScheduledValues(0);
    if (until_s > at_s) {
      delayTime.setValueAtTime(from_s, at_s);
      delayTime.linearRampToValueAtTime(to_s, until_s);
      return;
    }
    const { gain } = this.#gain;
    const now_s = this.#context.currentTime;
    gain.cancelScheduledValues(0);
    gain.setValueAtTime(1, now_s);
    gain.linearRampToValueAtTime(0, now_s + FADE_S);
    delayTime.setValueAtTime(to_s, now_s + 1.5 * FADE_S);
    gain.setValueAtTime(0, now_s + 2 * FADE_S);
    gain.linearRampToValueAtTime(1, now_s + 3 * FADE_S);
  }
  /**
   * Compares what the microphone and this track sound like for a moment.
   * @param {number} expected_ms
   * @returns {Promise<number | null>} how much later this track is; null in silence, or where the browser cannot tell
   */
  async lateness_ms(expected_ms) {
    if (!("MediaStreamTrackProcessor" in window)) return null;
    const duration_ms = LISTEN_MS + Math.max(expected_ms, 0) + LISTEN_AROUND_MS;
    const listening = [this.#microphone, this.track].map((track) => loudness(track, duration_ms));
    // A microphone that is muted sends nothing at all.
    const heard = await Promise.race([Promise.all(listening), pause(3 * duration_ms)]);
    if (!heard) return null;
    const [said, late] = heard;
    return lateness_ms(said, late, expected_ms);
  }
  // What the page calls
  get label() {
    return this.#microphone.label;
  }
  get muted() {
    return this.#microphone.muted;
  }
  get stats() {
    return (
      /** @type {any} */
      this.#microphone.stats
    );
  }
  getSettings() {
    return getTrackSettings.call(this.#microphone);
  }
  getCapabilities() {
    return getTrackCapabilities.call(this.#microphone);
  }
  getConstraints() {
    return getTrackConstraints.call(this.#microphone);
  }
  /** @param {MediaTrackConstraints} [constraints] */
  applyConstraints(constraints) {
    return applyTrackConstraints.call(this.#microphone, constraints);
  }
  /**
   * Switches the microphone too: what is said while it is off must not be heard later.
   * @param {boolean} isEnabled
   */
  enable(isEnabled) {
    this.#microphone.enabled = isEnabled;
  }
  clone() {
    if (this.#hasEnded) return cloneTrack.call(this.track);
    const copy = this.#on.clone(cloneTrack.call(this.#microphone));
    copy.contentHint = this.track.contentHint;
    copy.enabled = this.track.enabled;
    return copy;
  }
  stop() {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    stopTrack.call(this.track);
    stopTrack.call(this.#microphone);
    for (const node of [this.#source, this.#delay, this.#gain]) node.disconnect();
    this.#on.stopped();
  }
};

// shared/latency.js
/**
 * How old a filtered frame is: what each stage of its way took in the last second, and the sum.
 *
 * The shim, the demo page and the extension all use this sum. It leaves out the time in the server's sockets,
 * and what a page does with the frame.
 */
/**
 * In the order in which a frame meets them.
 * @typedef {'camera' | 'network-up' | 'decode' | 'wait' | 'filter' | 'encode' | 'network-down' | 'display'} StageName
 * @typedef {{name: StageName, value_ms: number | null, isEstimate: boolean}} Stage null: unknown
 * @typedef {Record<string, number>} Counters sums since the connection began
 */
/** @type {readonly StageName[]} */
var STAGES = Object.freeze([
  "camera",
  "network-up",
  "decode",
  "wait",
  "filter",
  "encode",
  "network-down",
  "display"
]);
var ESTIMATES = ["network-up", "network-down", "display"];
var PING_COUNT = 5;
/** By type of the browser's report: our name of a counter, and the report's. */
var COUNTERS = {
  "outbound-rtp": {
    framesEncoded: "framesEncoded",
    encode_s: "totalEncodeTime",
    packetsSent: "packetsSent",
    sendWait_s: "totalPacketSendDelay",
    bytesSent: "bytesSent"
  },
  "inbound-rtp": {
    ssrc: "ssrc",
    framesDecoded: "framesDecoded",
    decode_s: "totalDecodeTime",
    processing_s: "totalProcessingDelay",
    framesBuffered: "jitterBufferEmittedCount",
    buffer_s: "jitterBufferDelay",
    bytesReceived: "bytesReceived"
  }
};
/** Measures the stages of one session from report to report. */
var LatencyCounter = class {
  /** @type {number[]} */
  #pings_ms = [];
  /** @type {Counters} */
  #before = {};
  /**
   * @param {Iterable<any>} entries of the browser's report on the connection
   * @param {number} ping_ms the round trip on the data channel
   * @param {Readonly<Record<string, number>>} server_ms what the server says of its stages
   * @param {number} [display_ms] from the decoded frame to the screen, where that is measured
   * @returns {Stage[]} means since the last call; those of the browser are null at the first call of a connection
   */
  take(entries, ping_ms, server_ms, display_ms = 0) {
    this.#pings_ms = [...this.#pings_ms, ping_ms].slice(-PING_COUNT);
    const now = countersOf(entries);
    // Each connection counts from zero.
    const before = this.#before.ssrc === now.ssrc ? this.#before : {};
    this.#before = now;
    /** @param {string} sum @param {string} count */
    const mean_ms = (sum2, count) => 1e3 * (now[sum2] - before[sum2]) / (now[count] - before[count]);
    const received_ms = mean_ms("processing_s", "framesDecoded");
    const buffered_ms = mean_ms("buffer_s", "framesBuffered") + mean_ms("decode_s", "framesDecoded");
    const roundTrip_ms = median(this.#pings_ms);
    const { decode, transport = Number.NaN, wait = Number.NaN, batch, encode } = server_ms;
    /** @type {Record<StageName, number | undefined>} */
    const values = {
      camera: mean_ms("encode_s", "framesEncoded") + mean_ms("sendWait_s", "packetsSent"),
      "network-up": roundTrip_ms / 2,
      decode,
      wait: transport + wait,
      filter: batch,
      encode,
      "network-down": roundTrip_ms / 2,
      display: (Number.isFinite(received_ms) ? received_ms : buffered_ms) + display_ms
    };
    return STAGES.map((name) => {
      const value = values[name];
      const value_ms = value !== void 0 && Number.isFinite(value) ? value : null;
      return { name, value_ms, isEstimate: ESTIMATES.includes(name) };
    });
  }
};
/**
 * @param {readonly Stage[]} stages
 * @returns {number | null} null where a stage is unknown: the sum would look too good
 */
function sum_ms(stages) {
  return stages.reduce(
    (sum2, { value_ms }) => sum2 === null || value_ms === null ? null : sum2 + value_ms,
    0
  );
}
/**
 * @param {Iterable<any>} entries of the browser's report
 * @returns {Counters} of the video, times in seconds
 */
function countersOf(entries) {
  // Not every browser counts how long packets wait.
  /** @type {Counters} */
  const counters = { sendWait_s: 0 };
  for (const entry of entries) {
    if (entry.kind !== "video") continue;
    for (const [name, theirs] of Object.entries(
      COUNTERS[
        /** @type {keyof typeof COUNTERS} */
        entry.type
      ] ?? {}
    )) {
      if (theirs in entry) counters[name] = entry[theirs];
    }
  }
  return counters;
}
/** @param {readonly number[]} values @returns {number} the upper one of two in the middle */
function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

// shim/sound/latency_meter.js
/**
 * How much later the filtered picture comes than the camera's: the median of the last seconds. See
 * `shared/latency.js`.
 */
var KEPT_MEASUREMENTS = 5;
var LatencyMeter = class {
  #session;
  #counter = new LatencyCounter();
  /** @type {number[]} */
  #recent_ms = [];
  /** @param {Pick<CameraSession, 'stats' | 'ping' | 'getStats'>} session */
  constructor(session) {
    this.#session = session;
  }
  /** @returns {Promise<number | null>} null at the first call, and where no frame came since the last */
  async take() {
    const [ping_ms, report] = await Promise.all([this.#session.ping(), this.#session.getStats()]);
    // A server that does not tell what decoding and encoding take is taken to need no time for them.
    const server_ms = { decode: 0, encode: 0, ...this.#session.stats?.latency_ms };
    const latency_ms = sum_ms(this.#counter.take(report.values(), ping_ms, server_ms));
    if (latency_ms === null) return null;
    this.#recent_ms = [...this.#recent_ms, latency_ms].slice(-KEPT_MEASUREMENTS);
    return median(this.#recent_ms);
  }
};

// shim/sound/sound.js
/**
 * The sound of one call, as late as its picture.
 */
var MEASURE_MS = 1e3;
/** Of the first measurement, where the picture has been there for a while. */
var MEASURE_FIRST_MS = 300;
/** What the browser's audio processing takes by itself, until that has been heard. */
var USUAL_WAY_S = 0.02;
/** It is listened to at every such step. */
var LISTEN_EACH = 5;
/** A difference that is listened to once more before it is believed. */
var NEWS_S = 0.01;
/** Closes its audio context with the last of its tracks. */
var Sound = class {
  #session;
  #context;
  #meter;
  /** @type {Set<DelayedMicrophone>} */
  #delayed = /* @__PURE__ */ new Set();
  /** By the context's clock. @type {DelayPath} */
  #path = { from_s: 0, to_s: 0, at_s: 0, until_s: 0 };
  /** What the sound takes besides the delay. */
  #way_s = USUAL_WAY_S;
  #stepCount = 0;
  #timer = 0;
  #onClose;
  /** @param {CameraSession} session @param {AudioContext} context that runs @param {() => void} onClose */
  constructor(session, context, onClose) {
    this.#session = session;
    this.#context = context;
    this.#onClose = onClose;
    this.#meter = new LatencyMeter(session);
    // The machine may have slept, or a telephone call may have interrupted.
    context.addEventListener("statechange", () => {
      if (context.state !== "running" && context.state !== "closed") context.resume().catch(() => {
      });
    });
  }
  /** Finds the delay before the first microphone is added, so that it need not leap. */
  async measure() {
    await this.#take();
    await pause(MEASURE_FIRST_MS);
    await this.#take();
    this.#delayBy((this.#session.latency_ms ?? 0) / 1e3);
  }
  /** @param {MediaStreamTrack} microphone @returns {MediaStreamTrack} the page's track, in its place */
  add(microphone) {
    const delayed = new DelayedMicrophone(this.#context, microphone, {
      clone: (copy) => this.add(copy),
      stopped: () => {
        this.#delayed.delete(delayed);
        if (this.#delayed.size === 0) this.#close();
      }
    });
    if (this.#delayed.size === 0) this.#follow();
    this.#delayed.add(delayed);
    delayed.follow(this.#path);
    return delayed.track;
  }
  #close() {
    clearTimeout(this.#timer);
    this.#session.audioDelay_ms = null;
    this.#context.close().catch(() => {
    });
    this.#onClose();
  }
  /** Ends the page's tracks, as if their microphones were unplugged. */
  end() {
    for (const delayed of this.#delayed) delayed.end();
  }
  async #take() {
    const session = this.#session;
    if (session.state !== "live") return;
    session.latency_ms = await this.#meter.take().catch(() => null) ?? session.latency_ms;
  }
  #follow() {
    this.#timer = window.setTimeout(async () => {
      const session = this.#session;
      if (session.state === "live") {
        await this.#take();
        await this.#listen();
      }
      if (this.#delayed.size === 0) return;
      // Without a picture there are no lips to match.
      this.#delayBy(session.isOpen ? (session.latency_ms ?? 0) / 1e3 : 0);
      if (session.isOpen) this.#follow();
    }, MEASURE_MS);
  }
  /**
   * Measures from time to time what the sound takes by itself: that grows whenever the machine stands still.
   */
  async #listen() {
    const [delayed] = this.#delayed;
    if (!delayed || this.#context.currentTime < this.#path.until_s + 3 * FADE_S) return;
    if (this.#stepCount % LISTEN_EACH === 0) {
      const delay_s = this.#path.to_s;
      const late_ms = await delayed.lateness_ms(1e3 * (delay_s + this.#way_s)).catch(() => null);
      if (late_ms === null) return;
      const heard_s = Math.max(late_ms / 1e3 - delay_s, 0);
      const isNews = Math.abs(heard_s - this.#way_s) > NEWS_S;
      this.#way_s = heard_s;
      if (isNews) return;
    }
    this.#stepCount += 1;
  }
  /** @param {number} latency_s */
  #delayBy(latency_s) {
    const now_s = this.#context.currentTime;
    const path = pathTo(this.#path, now_s, latency_s - this.#way_s);
    this.#session.audioDelay_ms = 1e3 * (delayAt(path, now_s) + this.#way_s);
    if (path === this.#path) return;
    this.#path = path;
    for (const delayed of this.#delayed) delayed.follow(path);
  }
};

// shim/sound/sounds.js
/**
 * The delayed sounds of a page, each as late as the picture of its session.
 */
var Sounds = class {
  /** @type {Set<Sound>} */
  #sounds = /* @__PURE__ */ new Set();
  /** @param {CameraSession} session @param {AudioContext} context that runs */
  begin(session, context) {
    const sound = new Sound(session, context, () => this.#sounds.delete(sound));
    this.#sounds.add(sound);
    return sound;
  }
  /**
   * @param {Place} place @param {MediaStream} stream as the browser gave it @param {CameraSession} session
   * @returns {Promise<MediaStream>} its microphones delayed, where it has nothing else
   */
  async delayed(place, stream, session) {
    const microphones = stream.getAudioTracks();
    if (microphones.length === 0 || microphones.some((track) => faces.has(track))) return stream;
    if (stream.getVideoTracks().length > 0) return stream;
    const context = await runningContext();
    if (!context) return stream;
    const sound = this.begin(session, context);
    await sound.measure();
    return new place.window.MediaStream(microphones.map((track) => sound.add(track)));
  }
  end() {
    for (const sound of this.#sounds) sound.end();
  }
};

// shim/page/opening.js
/**
 * How a camera is opened by the browser's own call, and how a page hears that it could not be filtered.
 */
/**
 * @param {MediaStreamConstraints[]} ways to ask for the same camera, of which one names it as the browser does
 * @param {(constraints: MediaStreamConstraints) => Promise<MediaStream>} openCamera
 */
async function firstThatOpens(ways, openCamera) {
  for (const way of ways.slice(0, -1)) {
    try {
      return await openCamera(way);
    } catch (error) {
      // Said before the user is asked for permission.
      if (
        /** @type {Error} */
        error?.name !== "OverconstrainedError"
      ) throw error;
    }
  }
  return openCamera(ways[ways.length - 1]);
}
/**
 * @param {Fault} fault @param {Window & typeof globalThis} window
 * @returns {DOMException} as a camera that cannot be read, with the fault and its code
 */
function thrown(fault, window2) {
  const text = `The filtered camera could not start: ${fault.message}`;
  const error = new window2.DOMException(text, "NotReadableError");
  const about = { configurable: true, writable: true };
  Object.defineProperty(error, "code", { ...about, value: fault.code, enumerable: true });
  return Object.defineProperty(error, "cause", { ...about, value: fault });
}

// shim/page/streams.js
/**
 * What stands behind the replaced `getUserMedia`: the browser's stream in, the page's stream out.
 */
/**
 * @typedef {object} Listener
 * @property {(session: CameraSession) => void} begun before it opens
 * @property {(session: CameraSession, type: string, detail: object) => void} told of an event
 */
var Streams = class {
  #settings;
  #sessions;
  #on;
  #sounds = new Sounds();
  #microphones = new Microphones();
  /**
   * @param {Settings} settings that the page may change
   * @param {Set<CameraSession>} sessions of the page, of which `begun` adds the new ones
   * @param {Listener} on
   */
  constructor(settings, sessions, on) {
    this.#settings = settings;
    this.#sessions = sessions;
    this.#on = on;
  }
  /**
   * @param {Place} place
   * @param {MediaStreamConstraints} asked with video
   * @param {(constraints: MediaStreamConstraints) => Promise<MediaStream>} openCamera the browser's own call, made here
   *   once
   */
  async filtered(place, asked, openCamera) {
    const findIceServers = () => newSignaling({ ...this.#settings }).iceServers();
    // Before the camera, so that a new session does not wait for them then.
    const foundEarly = this.#sessions.size === 0 ? findIceServers() : null;
    const video = (
      /** @type {MediaTrackConstraints} */
      asked.video
    );
    const ways = namesCamera(video) ? deviceIds.candidates(video).map((one) => ({ ...asked, video: one })) : [asked];
    const stream = await firstThatOpens(ways, openCamera);
    const [camera] = stream.getVideoTracks();
    // The page's own function has come here before.
    if (faces.has(camera)) return stream;
    if (deviceIds.asksForRaw(video, getTrackSettings.call(camera))) return stream;
    const session = this.#sessionFor(camera);
    const microphones = stream.getAudioTracks();
    this.#noteMicrophones(microphones);
    const context = this.#settings.audio === "sync" && microphones.length > 0 ? runningContext() : null;
    try {
      if (!place.isInstalled) throw new Fault("closed", "p2pcamera was uninstalled");
      const filtered = await session.open(camera, place, () => foundEarly ?? findIceServers());
      const running = await context;
      const sound = running && this.#sounds.begin(session, running);
      return new place.window.MediaStream([
        ...microphones.map((track) => sound?.add(track) ?? track),
        filtered
      ]);
    } catch (error) {
      context?.then((unused) => unused?.close());
      const fault = (
        /** @type {Fault} */
        error
      );
      console.warn(`p2pcamera: ${fault.message}`);
      if (session.state === "raw") {
        rawFace(camera, place);
        return stream;
      }
      for (const track of stream.getTracks()) stopTrack.call(track);
      throw thrown(fault, place.window);
    }
  }
  /**
   * Delays microphones that are asked for alone like the picture that the page has already: of the newest camera.
   * @param {Place} place @param {MediaStream} stream as the browser gave it
   */
  async delayed(place, stream) {
    const session = [...this.#sessions].reverse().find(({ isOpen }) => isOpen);
    this.#noteMicrophones(stream.getAudioTracks());
    const isDelayed = this.#settings.audio === "sync" && session;
    return isDelayed ? this.#sounds.delayed(place, stream, session) : stream;
  }
  end() {
    this.#sounds.end();
  }
  /** @param {MediaStreamTrack[]} given by the browser */
  #noteMicrophones(given) {
    for (const track of given) if (!faces.has(track)) this.#microphones.note(track);
    for (const session of this.#sessions) session.followMicrophone();
  }
  /** @param {MediaStreamTrack} camera @returns {CameraSession} one for all tracks of one camera */
  #sessionFor(camera) {
    // Read only now: the filter may have been changed while the browser asked the user for permission.
    const settings = { ...this.#settings };
    const open = [...this.#sessions].find((session2) => session2.serves(camera, settings));
    if (open) return open;
    const session = new CameraSession(
      camera,
      settings,
      this.#microphones,
      (type, detail) => this.#on.told(session, type, detail)
    );
    this.#on.begun(session);
    return session;
  }
};

// shim/page/page.js
/**
 * `window.p2pcamera`.
 */
/** @implements {P2PCamera} */
var Page = class extends EventTarget {
  #settings;
  #browser;
  /** @type {Set<CameraSession>} */
  #sessions = /* @__PURE__ */ new Set();
  /** Those that have ended with the raw camera in the page's tracks. @type {Set<CameraSession>} */
  #raw = /* @__PURE__ */ new Set();
  #streams;
  #listensForData = false;
  /** What `setFilter` was last given, refused or not. @type {object | null} */
  #newest = null;
  #publishing;
  #quality = new QualityNews((session, quality) => {
    this.dispatchEvent(new CustomEvent("quality", { detail: { session, quality } }));
  });
  /**
   * @param {Settings} settings
   * @param {{getUserMedia: (constraints?: MediaStreamConstraints) => Promise<MediaStream>, restore: () => void,
   *   places: () => Iterable<Place>}} browser its own function, what puts all of its functions back, and the windows
   *   whose functions are replaced
   */
  constructor(settings, browser) {
    super();
    this.#settings = settings;
    this.#browser = browser;
    this.#publishing = new Publishing(settings.publish ?? null);
    this.#streams = new Streams(settings, this.#sessions, {
      begun: (session) => this.#begin(session),
      told: (session, type, detail) => this.#notify(session, type, detail)
    });
  }
  get publication() {
    return this.#publishing.told;
  }
  get sessions() {
    return Object.freeze([...this.#sessions]);
  }
  get server() {
    return this.#settings.server;
  }
  set server(server) {
    this.#settings.server = serverFromText(server, "", document.baseURI);
  }
  get filter() {
    return this.#settings.filter;
  }
  set filter(filter) {
    this.#settings.filter = filter;
  }
  get params() {
    return this.#settings.params;
  }
  set params(params) {
    if (!isObject(params)) throw new TypeError("params is an object");
    this.#settings.params = params;
  }
  get outage() {
    return this.#settings.outage;
  }
  set outage(outage) {
    this.#settings.outage = checkedOutage(outage);
    for (const session of this.#sessions) session.setOutage(outage);
  }
  get audio() {
    return this.#settings.audio;
  }
  set audio(audio) {
    this.#settings.audio = checkedAudio(audio);
  }
  get mirror() {
    return this.#settings.mirror;
  }
  set mirror(mirror) {
    this.#settings.mirror = checkedMirror(mirror);
    for (const place of this.#browser.places()) place.mirror();
  }
  /** @returns {undefined} */
  get token() {
    return void 0;
  }
  /** @param {GivenToken | undefined} token */
  set token(token) {
    this.#settings.token = token ? new TokenSource(token) : void 0;
    for (const session of this.#sessions) session.setToken(this.#settings.token);
  }
  /** @param {string | string[]} name @param {object} [params] @throws {Fault} */
  async setFilter(name, params = {}) {
    const { filter, params: paramsBefore } = this;
    this.#newest = params;
    // Before the answers, so that a camera asked for meanwhile never shows the filter that is given up.
    this.filter = name;
    this.params = params;
    if (privateFilters.includes(name)) this.#endRaw();
    try {
      await Promise.all([...this.#sessions].map((session) => session.setFilter(name, params)));
    } catch (error) {
      if (this.params === params) [this.filter, this.params] = [filter, paramsBefore];
      throw error;
    }
  }
  /**
   * Keeps a choice of the extension's user that was refused: where it would have hidden the camera, nothing is
   * shown until another choice is accepted, and later calls ask for this one.
   * @param {string | string[]} filter @param {object} params the same objects as `setFilter` was given
   * @returns {Promise<boolean>} whether the picture is covered
   */
  async coverFor(filter, params) {
    const told = await newSignaling({ ...this.#settings }).privateFilters();
    const isPrivate = privateFilters.includes(filter) || asList(filter).some((name) => told.includes(name));
    // The user may have chosen something else meanwhile.
    if (!isPrivate || this.#newest !== params) return false;
    this.filter = filter;
    this.params = params;
    for (const session of this.#sessions) session.hold();
    return true;
  }
  /** Ends tracks in which the camera cannot be hidden any more, as if it were unplugged. */
  #endRaw() {
    for (const session of this.#raw) session.close();
    this.#raw.clear();
    for (const face of rawFaces) face.end();
  }
  /** @param {string | null} [name] @param {P2PCameraPublishOptions} [options] @throws {Fault} */
  async publish(name, { sound = false } = {}) {
    return this.#publishing.to({ name: checkedStream(name), sound: sound === true }, [...this.#sessions]);
  }
  async unpublish() {
    await this.#publishing.end();
  }
  /** @param {P2PCameraCheckOptions} [options] */
  checkConnection(options = {}) {
    return new ConnectionCheck(this, { ...this.#settings }, options).run();
  }
  /** @param {MediaStreamConstraints} [constraints] */
  originalGetUserMedia(constraints) {
    return this.#browser.getUserMedia(constraints);
  }
  uninstall() {
    this.#browser.restore();
    this.closeAll();
    this.#streams.end();
  }
  /**
   * @param {Place} place
   * @param {MediaStreamConstraints} asked with video
   * @param {(constraints: MediaStreamConstraints) => Promise<MediaStream>} openCamera
   */
  filteredStream(place, asked, openCamera) {
    return this.#streams.filtered(place, asked, openCamera);
  }
  /** @param {Place} place @param {MediaStream} stream without video, as the browser gave it */
  delayedStream(place, stream) {
    return this.#streams.delayed(place, stream);
  }
  /**
   * @param {string} type @param {any} listener @param {any} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
    // Before anybody listens nothing is computed for it, and no channel is opened.
    if (type !== "data" || this.#listensForData) return;
    this.#listensForData = true;
    for (const session of this.#sessions) session.listenForData();
  }
  closeAll() {
    for (const session of this.#sessions) session.close();
  }
  /** @param {Place} place that goes away */
  leave(place) {
    for (const session of this.#sessions) session.leave(place);
  }
  /** Looks at all connections after something may have brought the network back, or taken it away. */
  lookAtAll() {
    for (const session of this.#sessions) session.lookNow();
  }
  /** @param {CameraSession} session before it opens */
  #begin(session) {
    if (this.#listensForData) session.listenForData();
    this.#publishing.begin(session);
    this.#sessions.add(session);
  }
  /** @param {CameraSession} session @param {string} type @param {object} detail */
  #notify(session, type, detail) {
    if (!session.isOpen) {
      this.#sessions.delete(session);
      this.#publishing.noteEnd(session, [...this.#sessions]);
    }
    if (type === "publication") this.#publishing.note(session, session.publication);
    if (session.state === "raw") this.#raw.add(session);
    else this.#raw.delete(session);
    this.dispatchEvent(new CustomEvent(type, { detail: { session, ...detail } }));
    this.#quality.note(session, type);
  }
};

// shim/page/camera_elements.js
/**
 * The elements by which a page asks for a camera: `<usermedia>` has a stream, `<camera>` a track.
 *
 * The browser sets them, and says so by an event. The page sees neither before the filtered camera is there.
 */
/** @typedef {{raw: object, seen: object | null, error: DOMException | null}} Answer what stands behind one element */
/** What has the answer, which is also the name of the event that tells of it. */
var KINDS = { HTMLUserMediaElement: "stream", HTMLCameraElement: "track" };
var CameraElements = class {
  #place;
  #filter;
  /** @type {WeakMap<object, Answer>} */
  #answers = /* @__PURE__ */ new WeakMap();
  /** What the page has asked of an element. @type {WeakMap<object, MediaTrackConstraints>} */
  #asked = /* @__PURE__ */ new WeakMap();
  /** @type {AbortController | null} */
  #listening = null;
  /**
   * @param {Place} place
   * @param {(video: MediaTrackConstraints | true, raw: MediaStream) => Promise<MediaStream>} filter makes the
   *   filtered stream of a raw one, or gives that back where cameras are not filtered now
   */
  constructor(place, filter) {
    this.#place = place;
    this.#filter = filter;
  }
  /** @param {Replacements} replacements @param {(video: any) => any} widened names both ids of a camera */
  install(replacements, widened) {
    const own = (
      /** @type {any} */
      this.#place.window
    );
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const [name, member] of Object.entries(KINDS)) {
      const { prototype } = own[name] ?? {};
      if (!prototype) continue;
      const native = Object.getOwnPropertyDescriptor(prototype, member)?.get;
      if (!native) continue;
      const elements = this;
      const make = (one, read) => {
        replacements.replace(prototype, one, (before) => ({
          /** @this {HTMLElement} */
          [one]() {
            const answer = elements.#answerOf(this, native, member);
            return answer === null ? before.call(this) : read(answer);
          }
        }));
      };
      make(member, ({ seen }) => seen);
      make("error", ({ error }) => error);
      replacements.replace(prototype, "setConstraints", (before) => ({
        /** @this {HTMLElement} @param {any} constraints */
        setConstraints(constraints) {
          elements.#asked.set(this, constraints?.video ?? constraints ?? true);
          return before.call(this, widened(constraints));
        }
      }));
      own.addEventListener(
        member,
        (event) => {
          const { target } = event;
          if (!(target instanceof own[name])) return;
          const answer = elements.#answerOf(
            /** @type {HTMLElement} */
            target,
            native,
            member
          );
          if (answer && answer.seen === null) event.stopImmediatePropagation();
        },
        { capture: true, signal }
      );
    }
  }
  uninstall() {
    this.#listening?.abort();
  }
  /**
   * @param {HTMLElement} element @param {() => any} native getter of what the browser gives
   * @param {string} member
   * @returns {Answer | null} null where the browser gives nothing
   */
  #answerOf(element, native, member) {
    const raw = native.call(element);
    if (!raw) return null;
    const known = this.#answers.get(element) ?? null;
    if (known !== null && known.raw === raw) return known;
    /** @type {Answer} */
    const answer = { raw, seen: null, error: null };
    this.#answers.set(element, answer);
    this.#fill(element, answer, member);
    return answer;
  }
  /** @param {HTMLElement} element @param {Answer} answer @param {string} member */
  async #fill(element, answer, member) {
    const { window: window2 } = this.#place;
    const isTrack = member === "track";
    const { raw } = (
      /** @type {any} */
      answer
    );
    try {
      const stream = isTrack ? new window2.MediaStream([raw]) : raw;
      const hasVideo = stream.getVideoTracks().length > 0;
      const filtered = hasVideo ? await this.#filter(this.#asked.get(element) ?? true, stream) : stream;
      answer.seen = isTrack ? filtered.getVideoTracks()[0] : filtered;
      element.dispatchEvent(new window2.Event(member));
    } catch (error) {
      answer.error = /** @type {DOMException} */
      error;
      element.dispatchEvent(new window2.Event("error"));
    }
  }
};

// shim/page/frame_watch.js
/**
 * Finds the frames of a document, before what they load can call for a camera.
 *
 * A frame is empty at first and keeps its window for the first page that it loads. Later pages bring new
 * windows.
 */
var FrameWatch = class {
  #reached;
  #observer = new MutationObserver(() => this.#reachAll());
  /** Where it looks. @type {Document | null} */
  #document = null;
  /** @type {WeakSet<HTMLIFrameElement>} */
  #known = /* @__PURE__ */ new WeakSet();
  /**
   * @param {(frame: HTMLIFrameElement, content: Window & typeof globalThis) => void} reached of the page's
   *   own origin
   */
  constructor(reached) {
    this.#reached = reached;
  }
  /** @param {Document} document another one once the first empty one of a frame is replaced */
  watch(document2) {
    if (this.#document === document2) return;
    this.#document = document2;
    this.#observer.observe(document2, { childList: true, subtree: true });
    this.#reachAll();
  }
  stop() {
    this.#observer.disconnect();
  }
  /** To be called whenever a frame is seen. @param {HTMLIFrameElement} frame */
  reach(frame) {
    const content = contentWindowOf.call(frame);
    if (!content) return;
    if (!this.#known.has(frame)) {
      this.#known.add(frame);
      frame.addEventListener("load", () => this.reach(frame));
    }
    try {
      if (!content.navigator.mediaDevices) return;
    } catch {
      // It is of another origin.
      return;
    }
    this.#reached(frame, content);
  }
  #reachAll() {
    for (const frame of this.#document?.getElementsByTagName("iframe") ?? []) this.reach(frame);
  }
};

// shim/page/mirrors.js
/**
 * The page's own view of a front camera, mirrored as in a looking glass.
 *
 * The element is turned, not the picture: what is sent and recorded stays as others see it, with its words
 * readable.
 */
var MIRRORED = "-1 1";
var Mirrors = class {
  #isWanted;
  /** Elements that are turned by us, and not by the page's own style. @type {WeakSet<HTMLMediaElement>} */
  #turned = /* @__PURE__ */ new WeakSet();
  /** @param {() => boolean} isWanted */
  constructor(isWanted) {
    this.#isWanted = isWanted;
  }
  /** @param {Replacements} replacements @param {typeof globalThis} window whose elements are looked at */
  install(replacements, window2) {
    const mirrors = this;
    const make = (native) => ({
      /** @this {HTMLMediaElement} @param {MediaProvider | null} stream */
      srcObject(stream) {
        native.call(this, stream);
        mirrors.look(this);
      }
    });
    replacements.replace(window2.HTMLMediaElement.prototype, "srcObject", make, "set");
  }
  /** Turns an element, or turns it back. @param {HTMLMediaElement} element that shows something else now */
  look(element) {
    const { style, srcObject } = element;
    if (this.#isWanted() && showsFrontCamera(srcObject)) {
      if (style.scale !== "") return;
      style.scale = MIRRORED;
      this.#turned.add(element);
    } else if (this.#turned.delete(element) && style.scale === MIRRORED) style.scale = "";
  }
  /** @param {Document} document of which all elements are looked at */
  lookAtAll(document2) {
    for (const element of document2.querySelectorAll("video")) this.look(element);
  }
};
/** @param {MediaProvider | null} shown @returns {boolean} whether it is a filtered camera that looks at its user */
function showsFrontCamera(shown) {
  if (!shown || !("getVideoTracks" in shown)) return false;
  const face = faces.get(shown.getVideoTracks()[0]);
  // A computer's camera does not say where it looks.
  return face instanceof TrackFace && face.getSettings().facingMode !== "environment";
}

// shim/page/photos.js
/**
 * Photographs of a filtered camera: frames of the page's own track, in the sizes that the camera itself offers.
 *
 * The browser makes an `ImageCapture` for any track, but asks a device for what it does not find in the track.
 */
/** As cameras of Chromium do. */
var TYPE = "image/jpeg";
var QUALITY = 0.95;
var Photos = class {
  #face;
  #capture;
  /** @param {TrackFace} face of the page's track @param {ImageCapture} capture the page's, of that track */
  constructor(face, capture) {
    this.#face = face;
    this.#capture = capture;
  }
  getPhotoCapabilities() {
    return this.#ofCamera().getPhotoCapabilities();
  }
  getPhotoSettings() {
    return this.#ofCamera().getPhotoSettings();
  }
  /** @param {PhotoSettings} [settings] @returns {Promise<Blob>} */
  async takePhoto(settings = {}) {
    await this.#check(settings);
    const frame = await grabFrame.call(this.#capture);
    const { width, height } = sizeOf(frame, settings);
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d", { alpha: false })?.drawImage(frame, 0, 0, width, height);
    frame.close();
    return canvas.convertToBlob({ type: TYPE, quality: QUALITY });
  }
  /** Refuses what the camera would refuse. @param {PhotoSettings} settings @throws {DOMException} */
  async #check(settings) {
    const { imageWidth, imageHeight, redEyeReduction } = settings;
    if (![imageWidth, imageHeight, redEyeReduction].some((value) => value !== void 0)) return;
    const told = await this.getPhotoCapabilities();
    const { DOMException } = this.#face.place.window;
    for (
      const name of
      /** @type {const} */
      ["imageWidth", "imageHeight"]
    ) {
      const { min = 1, max = Infinity } = told[name] ?? {};
      const value = settings[name] ?? min;
      if (!(value >= min && value <= max)) {
        throw new DOMException(`${name} is out of range`, "NotSupportedError");
      }
    }
    if (redEyeReduction && told.redEyeReduction !== "controllable") {
      throw new DOMException("redEyeReduction is not controllable", "NotSupportedError");
    }
  }
  #ofCamera() {
    return new ImageCapture(this.#face.camera);
  }
};
/** @param {Replacements} replacements @param {typeof globalThis} window whose photographs show what the track shows */
function replacePhotos(replacements, window2) {
  const { prototype } = window2.ImageCapture ?? {};
  if (!prototype) return;
  for (
    const name of
    /** @type {const} */
    ["takePhoto", "getPhotoCapabilities", "getPhotoSettings"]
  ) {
    replacements.replace(prototype, name, (native) => ({
      /** @this {ImageCapture} @param {any[]} given */
      [name](...given) {
        const track = photographedTrackOf?.call(this);
        const face = track && faces.get(track);
        const isFiltered = face instanceof TrackFace && face.camera !== track && track.readyState === "live";
        return isFiltered ? new Photos(face, this)[name](...given) : native.apply(this, given);
      }
    }));
  }
}
/**
 * @param {{width: number, height: number}} frame
 * @param {PhotoSettings} settings of which one side keeps the proportions
 */
function sizeOf(frame, { imageWidth, imageHeight }) {
  const width = imageWidth ?? (imageHeight ? imageHeight * frame.width / frame.height : frame.width);
  const height = imageHeight ?? (imageWidth ? imageWidth * frame.height / frame.width : frame.height);
  return { width: Math.max(1, Math.round(width)), height: Math.max(1, Math.round(height)) };
}

// shim/page/replacements.js
/**
 * Functions and getters of ours in the place of the browser's own.
 */
var Replacements = class {
  /** @type {(() => void)[]} */
  #undos = [];
  /**
   * Replaces a native function or accessor by one that is equal to it in name, length and attributes.
   * @param {object} prototype
   * @param {string} name
   * @param {(native: Function) => Record<string, Function>} make an object with a method of that name: a method is no
   *   constructor, as native functions are not
   * @param {'get' | 'set' | 'value'} [wanted] by default the getter where there is one
   */
  replace(prototype, name, make, wanted) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
    if (!descriptor) return;
    const kind = wanted ?? (descriptor.get ? "get" : "value");
    const native = descriptor[kind];
    const ours = make(native)[name];
    const about = { configurable: true, enumerable: false, writable: false };
    Object.defineProperty(ours, "name", { ...about, value: kind === "value" ? name : `${kind} ${name}` });
    Object.defineProperty(ours, "length", { ...about, value: native.length });
    Object.defineProperty(prototype, name, { ...descriptor, [kind]: ours });
    this.#undos.push(() => {
      // A later script may have put its own there, which calls ours.
      const isOurs = Object.getOwnPropertyDescriptor(prototype, name)?.[kind] === ours;
      if (isOurs) Object.defineProperty(prototype, name, descriptor);
    });
  }
  /** Puts the browser's own back. */
  undo() {
    for (const undo of this.#undos.splice(0)) undo();
  }
};

// shim/page/place.js
/**
 * A window whose functions are replaced: the page's, or one of a frame in it.
 */
var NAME = "p2pcamera";
var Place = class {
  #page;
  #frames;
  #replacements = new Replacements();
  #elements;
  #mirrors;
  #isInstalled = false;
  /**
   * @param {Window & typeof globalThis} own the window
   * @param {Page} page that answers for the replaced functions
   * @param {(frame: HTMLIFrameElement, content: Window & typeof globalThis) => void} reached takes its frames
   */
  constructor(own, page, reached) {
    this.window = own;
    this.#page = page;
    this.#mirrors = new Mirrors(() => this.#isInstalled && page.mirror === "self");
    this.#elements = new CameraElements(
      this,
      async (video, raw) => await this.#isOn() ? page.filteredStream(this, { video }, async () => raw) : raw
    );
    this.#frames = new FrameWatch((frame, content) => {
      if (this.#isInstalled) reached(frame, content);
    });
  }
  get isInstalled() {
    return this.#isInstalled;
  }
  async #isOn() {
    return this.#isInstalled && (!embedder || await embedder.isOn());
  }
  install() {
    this.#isInstalled = true;
    const value = embedder ? true : this.#page;
    Object.defineProperty(this.window, mark, { value, configurable: true });
    const { MediaDeviceInfo, InputDeviceInfo, MediaStream: MediaStream2, MediaStreamTrack } = this.window;
    for (const calls of this.#whereCallsStand()) this.#replaceCalls(calls);
    this.#replaceOldCalls();
    this.#askFaces(MediaStreamTrack.prototype, TrackFace);
    this.#askFaces(MediaDeviceInfo.prototype, DeviceFace);
    if (InputDeviceInfo) this.#askFaces(InputDeviceInfo.prototype, DeviceFace);
    this.#replaceStreamClone(MediaStream2);
    replacePhotos(this.#replacements, this.window);
    this.#elements.install(this.#replacements, (asked) => ({
      ...asked,
      ...asked?.video && { video: deviceIds.widened(asked.video) }
    }));
    this.#replaceFrameAccess();
    this.#replaceSetter(MediaStreamTrack.prototype);
    this.#mirrors.install(this.#replacements, this.window);
    this.watch(this.window.document);
    if (!embedder) this.#takeName();
    this.window.navigator.mediaDevices?.dispatchEvent(new Event("devicechange"));
  }
  uninstall() {
    this.#isInstalled = false;
    this.mirror();
    this.#frames.stop();
    this.#elements.uninstall();
    this.#replacements.undo();
    Reflect.deleteProperty(this.window, mark);
    if (Reflect.get(this.window, NAME) === this.#page) Reflect.deleteProperty(this.window, NAME);
    this.window.navigator.mediaDevices?.dispatchEvent(new Event("devicechange"));
  }
  /** Looks for frames. @param {Document} document of this place */
  watch(document2) {
    this.#frames.watch(document2);
  }
  /** Takes a frame of this place whose page has changed. @param {HTMLIFrameElement} frame */
  reach(frame) {
    if (this.#isInstalled) this.#frames.reach(frame);
  }
  /** Gives the page `window.p2pcamera`, before an element or a frame of that name, unless it has its own variable. */
  #takeName() {
    if (Object.hasOwn(this.window, NAME)) {
      console.warn("p2pcamera: the page has a variable p2pcamera, so window.p2pcamera is not ours to set");
      return;
    }
    Object.defineProperty(this.window, NAME, { value: this.#page, enumerable: true, configurable: true });
  }
  /**
   * The browser's functions stand in the prototype. A script before this one may have put its own into the object, or
   * have frozen the prototype; then the object gets functions of its own.
   * @returns {MediaDevices[]}
   * @throws {TypeError} if the object is frozen too
   */
  #whereCallsStand() {
    const { prototype } = this.window.MediaDevices;
    const devices = this.window.navigator.mediaDevices;
    if (!devices) return [prototype];
    if (Object.getOwnPropertyDescriptor(prototype, "getUserMedia")?.configurable) {
      return Object.hasOwn(devices, "getUserMedia") ? [prototype, devices] : [prototype];
    }
    const about = { writable: true, enumerable: true, configurable: true };
    for (
      const name of
      /** @type {const} */
      ["getUserMedia", "enumerateDevices"]
    ) {
      Object.defineProperty(devices, name, { ...about, value: devices[name] });
    }
    return [devices];
  }
  /** @param {MediaDevices} prototype */
  #replaceCalls(prototype) {
    const place = this;
    const page = this.#page;
    this.#replacements.replace(prototype, "getUserMedia", (native) => ({
      /** @this {MediaDevices} @param {[MediaStreamConstraints?]} asked */
      async getUserMedia(...asked) {
        const [constraints] = asked;
        if (!constraints?.video || !await place.#isOn()) {
          const stream = await native.apply(this, asked);
          return place.isInstalled ? page.delayedStream(place, stream) : stream;
        }
        return page.filteredStream(place, constraints, (widened) => native.call(this, widened));
      }
    }));
    this.#replacements.replace(prototype, "enumerateDevices", (native) => ({
      /** @this {MediaDevices} */
      async enumerateDevices() {
        const devices = await native.call(this);
        return await place.#isOn() ? withFilteredCameras(devices) : devices;
      }
    }));
  }
  /** The callback forms would give out the raw camera. */
  #replaceOldCalls() {
    for (const name of ["getUserMedia", "webkitGetUserMedia"]) {
      this.#replacements.replace(this.window.Navigator.prototype, name, () => ({
        /**
         * @this {Navigator} @param {MediaStreamConstraints} constraints
         * @param {(stream: MediaStream) => void} onStream @param {(error: DOMException) => void} onError
         */
        [name](constraints, onStream, onError) {
          this.mediaDevices.getUserMedia(constraints).then(onStream, onError);
        }
      }));
    }
  }
  /** @param {typeof globalThis.MediaStream} Stream */
  #replaceStreamClone(Stream) {
    this.#replacements.replace(Stream.prototype, "clone", (native) => ({
      /** @this {MediaStream} */
      clone() {
        const tracks = this.getTracks();
        if (!tracks.some((track) => faces.has(track))) return native.call(this);
        return new Stream(tracks.map((track) => faces.get(track)?.clone() ?? cloneTrack.call(track)));
      }
    }));
  }
  /** Looks at all elements of the document after a change of `mirror`. */
  mirror() {
    this.#mirrors.lookAtAll(this.window.document);
  }
  /** Replaces the functions of a frame's window before the page gets hold of it. */
  #replaceFrameAccess() {
    const place = this;
    for (const name of ["contentWindow", "contentDocument"]) {
      this.#replacements.replace(this.window.HTMLIFrameElement.prototype, name, (native) => ({
        /** @this {HTMLIFrameElement} */
        [name]() {
          place.reach(this);
          return native.call(this);
        }
      }));
    }
  }
  /** Switches a delayed sound off at its beginning, too. @param {object} prototype of tracks */
  #replaceSetter(prototype) {
    const make = (native) => ({
      /** @this {MediaStreamTrack} @param {unknown} isEnabled */
      enabled(isEnabled) {
        native.call(this, isEnabled);
        const face = faces.get(this);
        if (face instanceof DelayedMicrophone) face.enable(Boolean(isEnabled));
      }
    });
    this.#replacements.replace(prototype, "enabled", make, "set");
  }
  /**
   * Lets members answer by the face of an object that has one.
   * @param {object} prototype of the objects
   * @param {{prototype: object}} Face
   */
  #askFaces(prototype, Face) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (name === "constructor" || !(name in Face.prototype)) continue;
      this.#replacements.replace(prototype, name, (native) => ({
        /** @this {object} @param {any[]} given */
        [name](...given) {
          const face = faces.get(this);
          if (!face) return native.apply(this, given);
          return typeof face[name] === "function" ? face[name](...given) : face[name];
        }
      }));
    }
  }
};

// shim/page/places.js
/**
 * All windows whose functions are replaced: the page's, and those of its frames.
 */
var Places = class {
  /**
   * By an object that each window has of its own: a frame's window seems the same one when it has gone to
   * another page.
   * @type {Map<object, Place>}
   */
  #places = /* @__PURE__ */ new Map();
  /** @returns {Iterable<Place>} */
  get all() {
    return this.#places.values();
  }
  /**
   * @param {Window & typeof globalThis} own window of the place
   * @param {Page} page that answers for it
   * @returns {Place}
   */
  install(own, page) {
    /** @type {Place} */
    const place = new Place(own, page, (frame, content) => this.#reach(place, page, frame, content));
    this.#places.set(own.MediaDevices.prototype, place);
    place.install();
    return place;
  }
  uninstall() {
    for (const place of this.#places.values()) place.uninstall();
    this.#places.clear();
  }
  /**
   * @param {Place} place @param {Page} page
   * @param {HTMLIFrameElement} frame in the place @param {Window & typeof globalThis} content of the frame
   */
  #reach(place, page, frame, content) {
    const key = content.MediaDevices.prototype;
    if (!this.#places.has(key)) {
      // A script of its own came first.
      if (mark in content) return;
      const theirs = this.install(content, page);
      content.addEventListener("pagehide", () => {
        page.leave(theirs);
        // The next page's window is there in the next task, in which none of its scripts has run yet.
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          port1.close();
          if (contentWindowOf.call(frame)?.MediaDevices?.prototype !== key) this.#places.delete(key);
          place.reach(frame);
        };
        port2.postMessage(null);
      });
    }
    this.#places.get(key)?.watch(content.document);
  }
};

// shim/main.js
/**
 * p2pcamera.js makes every camera of a page a filtered camera. It takes one classic script tag:
 *
 *     <script src="https://server/p2pcamera.js" data-filter="ink" data-params='{"strength": 1}'><\/script>
 *
 * | attribute     | meaning                                                                                |
 * |---------------|----------------------------------------------------------------------------------------|
 * | `data-server` | the signaling service; by default the folder that this script came from                |
 * | `data-filter` | name of a filter, or several applied in order: `a,b`; by default the server's own       |
 * | `data-params` | JSON object of the filter's parameters                                                 |
 * | `data-outage` | `closed` (default): never a raw frame; `open`: the raw camera where there is no other   |
 * | `data-token`  | the server's `--api-key`, or a token that the site's own server has minted              |
 * | `data-token-url` | address of the site's own server that mints one whenever one is needed               |
 * | `data-mirror` | `off` (default); `self`: the page's own view of a front camera is a looking glass           |
 * | `data-publish` | the name under which others may watch; empty: one that cannot be guessed               |
 * | `data-publish-sound` | `off` (default); `on`: they hear the page's microphone too                       |
 * | `data-audio`  | `untouched` (default); `sync`: delayed with the picture, so that lips match             |
 *
 * `getUserMedia` then answers a call for video with the filtered track and the untouched audio tracks. A call
 * without video goes to the browser unchanged. A page can change the filter in mid-call and read measurements
 * by `window.p2pcamera`; no page needs it. Its types are in p2pcamera.d.ts.
 *
 * `enumerateDevices` lists a filtered camera before each camera, with an id of its own. A call that names no
 * device, or a filtered one, gets a filtered camera. A call that names a device as a wish (a bare `deviceId`,
 * `ideal`) gets the filtered one of the camera which the browser chooses. A call that demands a real one by
 * `deviceId: {exact: id}` gets the raw camera. All calls for one camera share one session, which ends with
 * the last of their tracks.
 *
 * The filtered track outlives the connection behind it. A lost connection is made again, and the same track
 * shows its frames. Meanwhile the last filtered frame stays (`closed`), or the raw camera shows after half a
 * second (`open`). Under `closed` this script never puts a raw frame into a track of the page's.
 *
 * A private filter hides what the camera sees: `background`, `face`, and those that the server calls private.
 * While one is chosen, the policy is `closed`, here and at the server. Once `setFilter` to a private filter
 * has resolved, the page is shown nothing older than that filter's first frame.
 */
if (typeof window === "undefined") {
  // A server that renders pages imports the module, too. It has no camera.
} else if (mark in window) {
  console.warn("p2pcamera: the page loads the script twice; the first one keeps the camera");
} else if (!navigator.mediaDevices) {
  console.warn("p2pcamera: the browser gives no camera to this page; it needs https, or localhost");
} else {
  if (embedder?.connect) embedder.connect({ Link, Signaling });
  else install(embedder?.settings ?? readSettings(scriptTag(), document.baseURI));
}
/** @returns {{src: string, dataset: DOMStringMap} | null} null in a module, in a shadow tree, and in an evaluated text */
function scriptTag() {
  const script = document.currentScript;
  return script && { src: script instanceof HTMLScriptElement ? script.src : "", dataset: script.dataset };
}
/** @param {Settings} settings */
function install(settings) {
  const { getUserMedia } = MediaDevices.prototype;
  const listening = new AbortController();
  const places = new Places();
  const page = new Page(settings, {
    getUserMedia: (constraints) => getUserMedia.call(navigator.mediaDevices, constraints),
    places: () => places.all,
    restore: () => {
      places.uninstall();
      listening.abort();
    }
  });
  Object.freeze(page);
  try {
    places.install(window, page);
  } catch (error) {
    // Calls for video fail with the reason, where they could be replaced.
    const reason = `a script of the page has fixed what is to be replaced (${error})`;
    settings.fault = new Fault("page_fixed", reason);
    console.error(`p2pcamera: the camera cannot be filtered in this page: ${reason}`);
  }
  embedder?.begin(page, Fault);
  const { signal } = listening;
  addEventListener("pagehide", () => page.closeAll(), { signal });
  for (const type of ["online", "pageshow"]) addEventListener(type, () => page.lookAtAll(), { signal });
  const lookWhenShown = () => {
    if (!document.hidden) page.lookAtAll();
  };
  document.addEventListener("visibilitychange", lookWhenShown, { signal });
}

// shim/module.js
/** @type {import("./api.js").P2PCamera | undefined} */
var p2pcamera = typeof window === "undefined" ? void 0 : Reflect.get(window, mark);
// A script tag's server takes precedence. A bundle may have no address of its own.
// Bundlers take `new URL` of an address and `import.meta.url` for a file that they are to bundle.
var { url: ownAddress = "" } = import.meta;
if (p2pcamera && !p2pcamera.server && /^https?:/.test(ownAddress)) {
  p2pcamera.server = ownAddress.replace(/[?#].*$/, "").replace(/[^/]*$/, "");
}
var module_default = p2pcamera;
export {
  module_default as default,
  p2pcamera
};
