/**
 * The token of a link `#token=...`, as `make run HOST=0.0.0.0` prints it.
 *
 * It goes from the address at once, so that no bookmark, no copied link and no picture of the screen shows it.
 * It stays for this tab alone, and for reloading.
 */

const KEY = "p2pcamera.token";

/** @returns {string} the token of the address, or the one that this tab has kept; empty where there is none */
export function takeToken() {
  const fields = new URLSearchParams(location.hash.replace(/^#/, ""));
  const token = fields.get("token");
  if (token === null) return read();
  fields.delete("token");
  const rest = fields.toString();
  history.replaceState(null, "", rest ? `#${rest}` : location.pathname + location.search);
  keepToken(token);
  return token;
}

/** @param {string} token */
export function keepToken(token) {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // A browser that keeps nothing asks again.
  }
}

/** @returns {string} */
function read() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
