/**
 * The server's list of filters, as the extension's own pages get it from the service worker.
 */

import { parsedJson } from "./shared/json.js";

/**
 * @typedef {{name: string, title: string, description: string, schema: object, workers: number
 *   } & import('./shared/trouble.js').Told} ServedFilter
 * @typedef {{filters: ServedFilter[], default: string}} Served
 */

/**
 * @returns {Promise<Served>}
 * @throws {{code: string, message: string, status: number}}
 */
export async function servedFilters() {
  const { fault, status = 0, text } = await chrome.runtime.sendMessage({ type: "filters" });
  if (fault) throw { code: "unreachable", message: fault, status };
  const answer = parsedJson(text);
  if (status >= 400) {
    throw { code: answer?.error?.code ?? "bad_answer", message: answer?.error?.message ?? "", status };
  }
  if (!Array.isArray(answer?.filters)) throw { code: "bad_answer", message: "", status: 0 };
  return answer;
}
