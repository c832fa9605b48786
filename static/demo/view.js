// @ts-check
/**
 * The elements of index.html by role, and the theme.
 */

export function pageElements() {
  return {
    original: element("original", HTMLVideoElement),
    filtered: element("filtered", HTMLVideoElement),
    originalPlaceholder: element("original-placeholder", HTMLElement),
    filteredPlaceholder: element("filtered-placeholder", HTMLElement),
    originalSize: element("original-size", HTMLElement),
    filteredSize: element("filtered-size", HTMLElement),
    filteredTitle: element("filtered-title", HTMLElement),
    start: element("start", HTMLButtonElement),
    message: element("message", HTMLElement),
    tokenForm: element("token-form", HTMLFormElement),
    token: element("token", HTMLInputElement),
    filterForm: element("filter-form", HTMLFormElement),
    filters: element("filters", HTMLElement),
    parameterForm: element("parameter-form", HTMLFormElement),
    parameters: element("parameters", HTMLElement),
    theme: element("theme", HTMLButtonElement),
    measured: {
      total: element("latency", HTMLElement),
      bar: element("latency-bar", HTMLElement),
      parts: element("latency-parts", HTMLElement),
      figures: element("figures", HTMLElement),
    },
  };
}

/**
 * Starts with the system's theme; what the button chose last time goes first.
 * @param {HTMLButtonElement} button
 */
export function followTheme(button) {
  const root = document.documentElement;
  /** @param {'dark' | 'light'} theme */
  const show = (theme) => {
    root.style.colorScheme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
  };
  const stored = localStorage.getItem("theme");
  const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  show(stored === "dark" || stored === "light" ? stored : preferred);
  button.addEventListener("click", () => {
    const theme = root.style.colorScheme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", theme);
    show(theme);
  });
}

/** @param {HTMLVideoElement} video */
export function sizeOf({ srcObject, videoWidth, videoHeight }) {
  return srcObject && videoWidth ? `${videoWidth} × ${videoHeight}` : "";
}

/**
 * @template {HTMLElement} T
 * @param {string} id @param {new () => T} type
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`index.html has no ${type.name} with the id ${id}`);
}
