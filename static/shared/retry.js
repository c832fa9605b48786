/**
 * When to try again, for all who call a service by HTTP.
 */

const LARGEST_JITTER = 1 / 4;

/**
 * @param {Headers} headers of an answer @param {number} [now_ms] by `Date`
 * @returns {number | null} what `Retry-After` asks for, in seconds (RFC 9110 section 10.2.3); null where nothing that
 *   can be read is asked for
 */
export function retryAfter_s(headers, now_ms = Date.now()) {
  const text = headers.get("Retry-After")?.trim();
  if (!text) return null;
  // Proxies name a date, too.
  const seconds = Number.isNaN(Number(text)) ? (Date.parse(text) - now_ms) / 1000 : Number(text);
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : null;
}

/**
 * Jitter, so that pages do not reconnect together.
 * @param {number} pause_ms @param {() => number} [random] from 0 to 1 @returns {number} up to a quarter more
 */
export function jittered(pause_ms, random = Math.random) {
  return pause_ms * (1 + LARGEST_JITTER * random());
}
