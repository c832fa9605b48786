/**
 * Makes a page's calls to the server that the user has set, with the user's token, and to nothing else.
 */
import { checkedCall, isSessionId, sessionOf } from "./checks.js";
import { readSettings, readToken } from "./settings.js";
import { isOnIn } from "./sites.js";

/**
 * @typedef {import("./checks.js").Call} Call
 * @typedef {import("./session_table.js").SessionTable} SessionTable
 * @typedef {{status: number, text: string, retryAfter: string | null}} Answer
 * @typedef {{fault: string}} Refusal
 * @typedef {{tab: number, document: string, site: string | null}} Frame from which a message came
 */

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_CHARACTERS = 1024 * 1024;

export class Relay {
  #sessions;

  /** @param {SessionTable} sessions */
  constructor(sessions) {
    this.#sessions = sessions;
  }

  /** @param {unknown} message @param {Frame} frame @returns {Promise<Answer | Refusal>} */
  async call(message, frame) {
    const call = checkedCall(message);
    if (call === null) return { fault: "refused" };
    const session = sessionOf(call.path);
    if (session !== null && !(await this.#sessions.isOf(session, frame.document))) {
      return { fault: "refused" };
    }
    // Where the camera is not filtered no session begins. An open one may end normally.
    if (call.path === "offer" && !isOnIn(await readSettings(), frame.site)) return { fault: "refused" };
    const answer = await askServer(call);
    if ("fault" in answer) return answer;
    if (call.path === "offer" && answer.status < 300) await this.#note(answer, frame);
    if (session !== null && (call.method === "DELETE" || answer.status === 404)) {
      await this.#sessions.remove(session);
    }
    return answer;
  }

  /** @param {(owner: import("./session_table.js").Owner) => boolean} isGone whose sessions end */
  async end(isGone) {
    const ids = await this.#sessions.where(isGone);
    await Promise.all(
      ids.map(async (id) => {
        await askServer({ method: "DELETE", path: `sessions/${id}` });
        await this.#sessions.remove(id);
      }),
    );
  }

  /** @param {Answer} answer @param {Frame} frame */
  async #note({ text }, { document, tab }) {
    const { session } = JSON.parse(text);
    if (isSessionId(session)) await this.#sessions.add(session, { document, tab });
  }
}

/**
 * @param {Call} call that has been checked, or is the extension's own
 * @returns {Promise<Answer | Refusal>}
 */
export async function askServer({ method, path, contentType, body }) {
  const [{ server }, token] = await Promise.all([readSettings(), readToken()]);
  if (server === "") return { fault: "no server is set" };
  const headers = new Headers();
  if (contentType) headers.set("Content-Type", contentType);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  try {
    const response = await fetch(new URL(path, server), {
      method,
      headers,
      body,
      credentials: "omit",
      cache: "no-store",
      // A redirect could lead to a server that the user never named.
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (text.length > MAX_ANSWER_CHARACTERS) return { fault: "the answer is too long" };
    return { status: response.status, text, retryAfter: response.headers.get("Retry-After") };
  } catch {
    return { fault: "unreachable" };
  }
}
