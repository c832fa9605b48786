// @ts-check
/**
 * Faults and states in plain words: what happened, and what to do.
 */

/** @type {Map<string, string>} by the DOMException's name */
const CAMERA_WORDS = new Map([
  [
    "NotAllowedError",
    "The camera was not allowed. Allow it beside the address of this page, then press Start.",
  ],
  ["NotFoundError", "No camera was found. Connect one, then press Start."],
  [
    "NotReadableError",
    "The camera does not answer. Another program may be using it; close that, then press Start.",
  ],
  ["OverconstrainedError", "This camera cannot give the picture that was asked for."],
  ["SecurityError", "The browser does not allow cameras on this page."],
]);

/** @type {Map<string, string>} by the state in the server's stats */
const PICTURE_WORDS = new Map([
  ["waiting", "Connected. Waiting for the first filtered picture…"],
  [
    "card",
    "The filter does not answer just now. Nothing unfiltered is shown; the picture returns by itself.",
  ],
  ["raw", "The filter does not answer just now. The raw camera is shown until it does."],
]);

export const INSECURE =
  "Browsers give cameras to secure pages only. Open this page over HTTPS, or at localhost.";
export const NO_WORKER =
  "No worker is running yet. Start one with “python -m inference_service”; this page looks again by itself.";
export const NO_SERVER = "The server does not answer. This page tries again by itself.";
export const TOKEN_NEEDED = "This server asks for an access token.";
export const TOKEN_REFUSED = "The server does not accept this token.";
export const READY = "Choose a filter, then press Start. Nothing is recorded.";
export const RECONNECTING = "The connection to the server was lost. Connecting again…";
export const CAMERA_ONLY_RUNNING = "This is the camera as it is. No server takes part.";

/**
 * @param {Error} error of `getUserMedia`
 * @param {P2PCameraFault | null} fault of its session, if it came that far
 */
export function wordsForFailure(error, fault) {
  if (!fault) return CAMERA_WORDS.get(error.name) ?? `The camera could not start: ${error.message}`;
  if (fault.status === 401 || fault.status === 403) return `${TOKEN_NEEDED} (${fault.message})`;
  if (fault.status === 503) return `The server has no room or no worker just now: ${fault.message}`;
  if (fault.code === "unreachable") return "The server cannot be reached. Is it still running?";
  if (fault.code === "no_media_path" || fault.code === "timeout") {
    return "The server answered, but no picture came back. A firewall between here and there may block UDP.";
  }
  if (fault.code === "connection_lost")
    return "The connection to the server was lost. Press Start to connect again.";
  return `The server refused: ${fault.message}`;
}

/** @param {P2PCameraStats} stats @param {string} title of the filter */
export function wordsForPicture(stats, title) {
  return PICTURE_WORDS.get(stats.state) ?? `Live: ${title}.`;
}
