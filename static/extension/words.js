/**
 * The words of the extension's own pages, in the browser's language.
 */

/** @param {string} name @param {...string} parts @returns {string} */
export function say(name, ...parts) {
  return chrome.i18n.getMessage(name, parts) || name;
}

/**
 * Fills every element that names its words: `data-say` for text, `data-say-label` and others for attributes.
 */
export function fillWords() {
  document.documentElement.lang = say("language");
  for (const element of document.querySelectorAll("[data-say]")) {
    element.textContent = say(/** @type {HTMLElement} */ (element).dataset.say ?? "");
  }
  for (const element of document.querySelectorAll("[data-say-label]")) {
    element.setAttribute("aria-label", say(/** @type {HTMLElement} */ (element).dataset.sayLabel ?? ""));
  }
  for (const element of document.querySelectorAll("[data-say-placeholder]")) {
    element.setAttribute(
      "placeholder",
      say(/** @type {HTMLElement} */ (element).dataset.sayPlaceholder ?? ""),
    );
  }
}

/**
 * @param {{code: string, message: string, status?: number}} fault of the server, or of the way to it
 * @returns {string} what happened, and what to do
 */
export function sayFault({ code, message, status = 0 }) {
  if (status === 401 || status === 403) return say(status === 401 ? "tokenNeeded" : "tokenRefused");
  if (code === "unreachable") return say("unreachable");
  if (code === "no_media_path" || code === "timeout") return say("noMediaPath");
  if (code === "bad_answer") return say("notAServer");
  if (code === "no_worker") return say("noWorker");
  return say("refused", message);
}
