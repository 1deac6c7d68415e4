// What htmx does not do: keyboard, refreshing without losing the selection, and dialogs.
(() => {
  const root = document.body.dataset.root;
  const dialog = document.getElementById("dialog");
  const help = document.getElementById("help");
  const notice = document.getElementById("notice");
  const selected = new Set();
  let current = null; // id of the row that the keyboard is on

  const rows = () => [...document.querySelectorAll("main tr[data-href], main li[data-href]")];
  const say = (text) => {
    notice.textContent = text;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => (notice.textContent = ""), 8000);
  };

  // Refresh: only while somebody looks, and not under an open dialog.
  const started = new WeakMap();
  setInterval(() => {
    if (document.hidden || dialog.open || document.querySelector(".menu[open]")) return;
    for (const part of document.querySelectorAll("[data-refresh]")) {
      const began = started.get(part) ?? started.set(part, Date.now()).get(part);
      if (Date.now() - began < part.dataset.refresh * 1000) continue;
      started.set(part, Date.now());
      htmx.trigger(part, "refresh");
    }
  }, 1000);
  // A refresh that somebody asks for reads anew; automatic ones may share what another window has read.
  const refresh = () =>
    document.querySelectorAll("[data-refresh]").forEach((part) => htmx.trigger(part, "refresh", { isWanted: true }));
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.triggeringEvent?.detail?.isWanted) event.detail.headers["Cache-Control"] = "no-cache";
  });

  // Selection and the current row survive a refresh.
  const restore = () => {
    for (const box of document.querySelectorAll("input[data-select]")) box.checked = selected.has(box.value);
    if (current) document.getElementById(current)?.classList.add("current");
    count();
  };
  const count = () => {
    for (const label of document.querySelectorAll("[data-selected-count]")) label.textContent = selected.size;
    for (const part of document.querySelectorAll("[data-when-selected]")) part.hidden = selected.size === 0;
    for (const part of document.querySelectorAll("[data-when-none-selected]")) part.hidden = selected.size > 0;
  };
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("input[data-select]")) {
      box.checked ? selected.add(box.value) : selected.delete(box.value);
    } else if (box.matches("input[data-select-all]")) {
      for (const one of document.querySelectorAll("input[data-select]")) {
        one.checked = box.checked;
        box.checked ? selected.add(one.value) : selected.delete(one.value);
      }
    } else return;
    count();
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.target.matches("[data-with-selection]")) event.detail.parameters.ids = [...selected].join(",");
  });

  // Dialogs: a link or button with hx-target="#dialog" fills the dialog and opens it.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target === dialog) {
      if (!dialog.open) dialog.showModal();
      dialog.querySelector("textarea, input:not([type=hidden]), button")?.focus();
    }
  });
  // Not before htmx has settled: until then it sets the classes of elements that had the same id before.
  document.addEventListener("htmx:afterSettle", restore);
  document.addEventListener("htmx:afterRequest", (event) => {
    const answer = event.detail.xhr;
    if (event.detail.failed || !event.detail.successful) {
      const text = answer?.responseText && answer.responseText.length < 500 ? answer.responseText : "";
      const message = text || "The server does not answer. The page tries again.";
      const place = dialog.open && dialog.querySelector("[data-error]");
      if (place) {
        place.textContent = message;
        place.hidden = false;
      } else say(message);
    }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful && event.target.closest("form[data-closes]")) dialog.close();
  });
  document.addEventListener("operations:done", (event) => {
    if (dialog.open) dialog.close();
    selected.clear();
    count();
    say(event.detail.value ?? "Done.");
    refresh();
  });
  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll(".menu[open]")) if (menu !== except) menu.open = false;
  };
  document.addEventListener("click", (event) => {
    const target = event.target;
    closeMenus(target.closest("button") ? null : target.closest(".menu"));
    if (target.closest("[data-close]")) target.closest("dialog").close();
    else if (target.closest("[data-help]")) help.showModal();
    else if (target.closest("[data-copy-link]"))
      navigator.clipboard?.writeText(location.href).then(() => say("The address of this view is copied."));
    else if (!target.closest("a, button, input, label, summary, select, textarea")) {
      const row = target.closest("tr[data-href]");
      if (row && !getSelection().toString()) location.href = row.dataset.href;
    }
  });

  // Keyboard.
  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.classList.contains("current"));
    all[at]?.classList.remove("current");
    const row = all[Math.min(Math.max(at + step, 0), all.length - 1)];
    row.classList.add("current");
    current = row.id;
    (row.querySelector("a") ?? row).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || help.open) return;
    if (event.target.matches("input:not([type=checkbox]), textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Escape") closeMenus(null);
    const row = document.querySelector("tr.current, li.current");
    const keys = {
      "/": () => document.getElementById("search").focus(),
      "?": () => help.showModal(),
      j: () => move(1),
      k: () => move(-1),
      r: refresh,
      x: () => row?.querySelector("input[data-select]")?.click(),
      Enter: () => {
        if (!row || event.target.matches("button, summary, a:not(.current a)")) return false;
        location.href = row.dataset.href;
      },
    };
    if (!(event.key in keys) || keys[event.key]() === false) return;
    event.preventDefault();
  });

  // Filters: an empty field does not belong in the address.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "get") return;
    for (const field of event.target.querySelectorAll("input, select")) if (!field.value) field.disabled = true;
    setTimeout(() => {
      for (const field of event.target.querySelectorAll("input, select")) field.disabled = false;
    });
  });
  addEventListener("pageshow", restore);
})();
