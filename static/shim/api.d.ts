/**
 * Types of p2pcamera.js: of `window.p2pcamera`, of its sessions, and of its events.
 */

/**
 * How the shim behaves where no filtered picture comes. `closed` shows no raw frame; `open` shows the raw
 * camera.
 */
export type P2PCameraOutage = "closed" | "open";

/** Whether the sound is delayed with the picture, so that lips match: `sync`. */
export type P2PCameraAudio = "untouched" | "sync";
export type P2PCameraMirror = "off" | "self";

/** One filter, or several that are applied in order. */
export type P2PCameraFilter = string | string[];

/** Why a filter cannot run. `text` is said after the filter's name. */
export interface P2PCameraTrouble {
  readonly filter: string;
  /** A fixed word, as `GET /filters` has it. */
  readonly code: string;
  readonly text: string;
  /** A fixed word for what it comes from; of several, with commas. Empty where none is known. */
  readonly cause: string;
  /** What differs from case to case: a package, a file. */
  readonly detail: string;
  /** What the operator can do. */
  readonly remedy: string;
}

/**
 * The reason why there is no filtered picture.
 *
 * `code` is the code of the server's JSON error, or one of the script's own: `unreachable`, `no_media_path`,
 * `timeout`, `connection_lost`, `closed`, `bad_answer`, `bad_settings`.
 */
export interface P2PCameraFault extends Error {
  code: string;
  /** The HTTP status; 0 where there was no answer. */
  status: number;
  /** The server's `Retry-After` in seconds. */
  retryAfterS: number | null;
  /** The parameter that was refused; empty where the fault is of another kind. */
  field: string;
  /** Why a filter cannot run; null where the fault is of another kind. */
  trouble: P2PCameraTrouble | null;
}

/**
 * The state of a session.
 *
 * A session is `connecting`, then `live`, and `reconnecting` in each outage. It is `ended` when the page or
 * the camera has stopped. It is `failed` when the first connection failed, or when the server refused a later
 * one for a reason that does not pass (401, 403, 422, an unknown filter). The page's track then ends like
 * that of an unplugged camera. Under the outage policy `open`, `raw` stands in for `failed`: the page has the
 * raw camera and keeps it.
 */
export type P2PCameraState = "connecting" | "live" | "reconnecting" | "raw" | "failed" | "ended";

/** What the server measured in the last second. */
export interface P2PCameraStats {
  readonly type: "stats";
  readonly session: string;
  readonly filters: string[];
  /** Rises with every change of filter or parameters. */
  readonly generation: number;
  /**
   * What the server's picture is now: filtered, waiting for the first result, a still card, or the raw
   * camera.
   */
  readonly state: "live" | "waiting" | "card" | "raw";
  readonly outage: P2PCameraOutage;
  readonly private: boolean;
  /** The name under which others watch; of a session that publishes. */
  readonly publish?: string;
  /** How many watch. */
  readonly viewers?: number;
  /** For how many seconds the server still keeps the call, which is about to move to another one. */
  readonly draining_s?: number;
  /** Why no worker can serve the filters. */
  readonly trouble: P2PCameraTrouble | null;
  readonly frames_in: number;
  readonly frames_out: number;
  readonly fps_in: number;
  readonly fps_out: number;
  readonly worker: string;
  /**
   * Milliseconds on the server's clock: `decode`, `transport` to the worker and back, `wait` for a batch, the
   * `batch`, of it the `filter`, `encode`, and `total` from the decoded frame to its result.
   */
  readonly latency_ms: Readonly<Record<string, number>>;
  /** Labels that filters tell of the picture now, such as `no_face`, by the filters' names. */
  readonly remarks?: Readonly<Record<string, readonly string[]>>;
}

/** How `publish` publishes. */
export interface P2PCameraPublishOptions {
  /** Whether others hear the microphone too that the page has asked for, muted as the page mutes it. */
  sound?: boolean;
}

/** What others may watch. */
export interface P2PCameraPublication {
  readonly name: string;
  /** The page that shows it. */
  readonly watchUrl: string;
  readonly viewers: number;
  /** Whether the microphone is sent too. */
  readonly sound: boolean;
}

/** One camera on its way through the server. */
export interface P2PCameraSession {
  /** The id of the newest connection. */
  readonly id: string | null;
  readonly state: P2PCameraState;
  /** The reason why the session ended; while it is `reconnecting`, the last attempt's fault. */
  readonly fault: P2PCameraFault | null;
  readonly filters: readonly string[];
  readonly stats: P2PCameraStats | null;
  /** What others may watch; null where they may not. */
  readonly publication: P2PCameraPublication | null;
  /** How much later the filtered picture comes than the camera's; null where `audio` is not `sync`. */
  readonly latency_ms: number | null;
  /** How much the sound is delayed now; null where it is not. */
  readonly audioDelay_ms: number | null;
  /**
   * The raw track that is sent. Of several that the page has asked for, it is the one with the largest
   * picture, so it may change after `applyConstraints` or `stop`.
   */
  readonly camera: MediaStreamTrack;
  setFilter(name: P2PCameraFilter, params?: object): Promise<void>;
  /** Measures the round trip on the data channel in milliseconds. */
  ping(): Promise<number>;
  /** Returns the statistics of the connection. */
  getStats(): Promise<RTCStatsReport>;
  /** Ends the session. A second call does nothing. */
  close(): void;
}

/** A rectangle: its left upper corner and its size, as shares of the picture's width and height. */
export interface P2PCameraBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly label: string;
  readonly score: number;
}

/** Points that belong together, each as x, y (shares of the picture) and score. */
export interface P2PCameraPoints {
  readonly label: string;
  readonly score: number;
  readonly points: readonly (readonly [number, number, number])[];
}

/** What one filter tells of one picture. */
export interface P2PCameraData {
  readonly boxes: readonly P2PCameraBox[];
  readonly points: readonly P2PCameraPoints[];
  readonly labels: readonly { readonly label: string; readonly score: number }[];
  readonly numbers: Readonly<Record<string, number>>;
}

/** What limits a picture: the network from or to the page, the server, the filter, or the page's own computer. */
export type P2PCameraLimit = "up" | "down" | "server" | "filter" | "page";

/** How good the filtered picture is. */
export interface P2PCameraQuality {
  readonly state: P2PCameraState;
  /** What the server's picture is, as in `stats`; null before the first ones. */
  readonly picture: P2PCameraStats["state"] | null;
  /** `none` while there is no connection. */
  readonly level: "good" | "fair" | "poor" | "none";
  readonly limit: P2PCameraLimit | null;
  /** How much later the filtered picture comes, in milliseconds: the sum of the parts that are measured. */
  readonly latency_ms: number | null;
  /** Frames a second that have come back. */
  readonly fps: number;
  readonly width: number;
  readonly height: number;
}

/** What `checkConnection` is to try. */
export interface P2PCameraCheckOptions {
  /** `false`: the steps that need no camera alone, so that the user is not asked for permission. */
  camera?: boolean;
  /** `false`: the camera is tried, and its picture is not sent to the service. */
  path?: boolean;
  /** The constraints of the camera. */
  video?: boolean | MediaTrackConstraints;
  /** Is told of each step when it is done. */
  onStep?: (step: P2PCameraStep) => void;
}

/** One step of `checkConnection`. */
export interface P2PCameraStep {
  readonly name: "server" | "token" | "filter" | "relay" | "camera" | "path" | "picture";
  /** `note`: not needed, or later; `skip`: an earlier step that it needs has failed, or it is not wanted. */
  readonly outcome: "ok" | "note" | "fail" | "skip";
  /** Of a fault, or the name of the browser's own error; empty where all is well. */
  readonly code: string;
  readonly message: string;
  /** What was measured: milliseconds, names, sizes. */
  readonly detail: Readonly<Record<string, any>>;
}

export interface P2PCameraCheck {
  readonly ok: boolean;
  /** The first step that fails. */
  readonly failure: P2PCameraStep | null;
  readonly steps: readonly P2PCameraStep[];
}

/** The events of `window.p2pcamera`. */
export interface P2PCameraEvents {
  /** Once a second, and when the state changes. */
  quality: CustomEvent<{ session: P2PCameraSession; quality: P2PCameraQuality }>;
  statechange: CustomEvent<{ session: P2PCameraSession }>;
  stats: CustomEvent<{ session: P2PCameraSession; stats: P2PCameraStats }>;
  /** A filter loads: `fraction` runs from 0 to 1; `text` says in English what is done. */
  progress: CustomEvent<{ session: P2PCameraSession; filter: string; text: string; fraction: number }>;
  /**
   * What filters tell of a picture, when that picture is put into the page's track. Only filters that tell
   * something, and only while somebody listens: the first listener opens a data channel.
   */
  data: CustomEvent<{
    session: P2PCameraSession;
    /** Of the picture's packets. */
    rtpTimestamp: number;
    /** Of the picture, in pixels. */
    width: number;
    height: number;
    /** By the filter's name. */
    filters: Readonly<Record<string, P2PCameraData>>;
  }>;
  /**
   * What others may watch has changed: it is published, the number of viewers is another one, or it is published no
   * longer. Then `publication` is null, and `fault` the reason: `taken_over`, `stream_taken`, `stream_forbidden`, or
   * null where the page or the camera has ended it.
   */
  publication: CustomEvent<{
    session: P2PCameraSession;
    publication: P2PCameraPublication | null;
    fault: P2PCameraFault | null;
  }>;
  /**
   * A filter has failed in mid-call, and the session stays. Where the filter itself refused a parameter,
   * `filter` and `params` are what the server uses instead.
   */
  fault: CustomEvent<{
    session: P2PCameraSession;
    fault: P2PCameraFault;
    filter?: P2PCameraFilter;
    params?: object;
  }>;
}

/** `window.p2pcamera`. */
export interface P2PCamera extends EventTarget {
  /** The sessions that are connecting, live or reconnecting. */
  readonly sessions: readonly P2PCameraSession[];
  /**
   * The address of the signaling service. It is empty until it is set where no script tag and no module told
   * it.
   */
  server: string;
  /** The filter of later calls; null: the server's own default. */
  filter: P2PCameraFilter | null;
  /** The parameters of later calls. */
  params: object;
  /** Holds for open sessions too. */
  outage: P2PCameraOutage;
  /**
   * The server's key, a token, or a function that is asked for a token whenever one is needed. Can be set, and
   * reads as undefined. Holds for open sessions too.
   */
  token: string | (() => string | Promise<string>) | undefined;
  /** Holds for later calls. */
  audio: P2PCameraAudio;
  /**
   * `self`: elements `<video>` of the page show its own front camera as a looking glass does. What is sent stays
   * as it is. Holds for elements that show a camera already, too.
   */
  mirror: P2PCameraMirror;
  /**
   * Changes the filter of later calls and of every open session.
   *
   * Resolves when the server has answered for all of them, in an outage after its end. Rejects with a
   * `P2PCameraFault`. A change to a private filter also ends tracks that have become raw.
   */
  setFilter(name: P2PCameraFilter, params?: object): Promise<void>;
  /**
   * Tries each step between the camera and its filtered picture, and says which fails. Opens the camera and a
   * session for it where none is live, and closes them at the end. Never rejects.
   */
  checkConnection(options?: P2PCameraCheckOptions): Promise<P2PCameraCheck>;
  /** What others may watch; null where they may not. */
  readonly publication: P2PCameraPublication | null;
  /**
   * Lets others watch the filtered picture, of this camera and of later ones, until `unpublish`. Without a name the
   * server makes one that cannot be guessed.
   *
   * Resolves when they can watch; with null where no camera is open yet. Rejects with a `P2PCameraFault`, and the page
   * keeps its picture. Of several cameras the newest is published. Sound that the connection does not have yet takes a
   * new connection, for which the picture stands still.
   */
  publish(name?: string | null, options?: P2PCameraPublishOptions): Promise<P2PCameraPublication | null>;
  /** Lets nobody watch any more. The page keeps its picture. */
  unpublish(): Promise<void>;
  /** The browser's own `getUserMedia`. */
  originalGetUserMedia(constraints?: MediaStreamConstraints): Promise<MediaStream>;
  /**
   * Puts the browser's own functions back and ends all filtered tracks, as if their cameras were unplugged.
   * The script may be loaded again afterwards.
   */
  uninstall(): void;

  addEventListener<T extends keyof P2PCameraEvents>(
    type: T,
    listener: (event: P2PCameraEvents[T]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<T extends keyof P2PCameraEvents>(
    type: T,
    listener: (event: P2PCameraEvents[T]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

declare global {
  /** Undefined outside a secure context, where there is no camera. */
  var p2pcamera: P2PCamera | undefined;
}
