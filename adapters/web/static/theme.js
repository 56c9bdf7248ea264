// Sets the light or dark theme before the first paint; the choice is kept in localStorage.
(() => {
  const KEY = "parley.theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function kept() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden by the browser
    }
  }

  function keep(theme) {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      document.documentElement.dataset.unkept = "true";
    }
  }

  function system() {
    return dark.matches ? "dark" : "light";
  }

  function show() {
    const theme = kept() || system();
    document.documentElement.dataset.theme = theme;
    const color = document.querySelector('meta[name="theme-color"]');
    if (color) color.content = theme === "dark" ? "#16191b" : "#fbfaf7";
    document.getElementById("theme")?.setAttribute("aria-pressed", String(theme === "dark"));
  }

  show();
  dark.addEventListener("change", show);
  addEventListener("storage", show);
  addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      keep(next === system() ? null : next); // choosing what the system wants means to follow it again
      show();
    });
  });
})();
