/**
 * Dark or light: the system's choice, or the one that the user made with the button, which is kept.
 */

const STORED = "theme";

/**
 * @param {HTMLButtonElement} button pressed while it is dark
 * @param {() => void} onChange
 */
export function followTheme(button, onChange) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => {
    const stored = localStorage.getItem(STORED);
    return stored === "dark" || stored === "light" ? stored === "dark" : system.matches;
  };
  const show = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    button.setAttribute("aria-pressed", String(isDark()));
    onChange();
  };
  button.addEventListener("click", () => {
    localStorage.setItem(STORED, isDark() ? "light" : "dark");
    show();
  });
  system.addEventListener("change", show);
  show();
}
