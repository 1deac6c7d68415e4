// Follow the theme that the user chose in Airflow, or else the system's.
(() => {
  const chosen = localStorage.getItem("theme");
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme =
    chosen === "dark" || chosen === "light" ? chosen : isDark ? "dark" : "light";
  addEventListener("storage", (event) => {
    if (event.key === "theme" && event.newValue) document.documentElement.dataset.theme = event.newValue;
  });
})();
