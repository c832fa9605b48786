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
