"use strict";
// Sorting and filtering of tables, the theme, unfolding for print. The page says everything without them.
(function () {
  function valueOf(cell) {
    const text = cell.textContent.trim();
    const plain = cell.dataset.value || (cell.className.includes("num") ? text.replace(/,/g, "").replace("\u2212", "-") : "");
    return plain === "" || Number.isNaN(Number(plain)) ? text : Number(plain);
  }

  function compare(a, b) {
    const numbers = typeof a === "number" && typeof b === "number";
    if (numbers) return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b);
  }

  function sortBy(table, column, header) {
    const down = header.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("thead th").forEach((th) => th.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    rows.sort((a, b) => compare(valueOf(a.cells[column]), valueOf(b.cells[column])) * (down ? -1 : 1));
    rows.forEach((row) => body.appendChild(row));
  }

  function makeSortable(table) {
    table.querySelectorAll("thead th").forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sortBy(table, column, header));
      header.append(button);
    });
  }

  function makeFilterable(table) {
    const box = document.createElement("input");
    box.type = "search";
    box.className = "filter";
    box.placeholder = "Filter rows";
    box.setAttribute("aria-label", "Filter rows of " + (table.caption ? table.caption.textContent : "the table"));
    box.addEventListener("input", () => {
      const wanted = box.value.trim().toLowerCase();
      for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    table.parentElement.before(box);
  }

  // A file's page may have no storage: then the choice lasts as long as the page.
  function stored(value) {
    try {
      if (value === undefined) return localStorage.getItem("mtft-theme");
      localStorage.setItem("mtft-theme", value);
    } catch (error) {
      return null;
    }
    return value;
  }

  function makeThemes() {
    const root = document.documentElement;
    const nav = document.querySelector("nav");
    if (!nav) return;
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    const button = document.createElement("button");
    button.type = "button";
    button.id = "theme";
    const label = () => { button.textContent = isDark() ? "Light colours" : "Dark colours"; };
    const saved = stored();
    if (saved === "dark" || saved === "light") root.dataset.theme = saved;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      stored(root.dataset.theme);
      label();
    });
    system.addEventListener("change", label);
    label();
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.append(button);
    nav.prepend(tools);
  }

  document.querySelectorAll("table.data").forEach(makeSortable);
  document.querySelectorAll("table.data[data-filter]").forEach(makeFilterable);
  makeThemes();

  // What is folded is printed too, but for examples and for what would fill many sheets.
  const folded = new Set();
  const isShort = (part) => part.querySelectorAll("tr, svg .row").length <= 60;
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not([open]):not(.task):not(.cell)").forEach((part) => {
      if (isShort(part)) { folded.add(part); part.open = true; }
    });
  });
  window.addEventListener("afterprint", () => { folded.forEach((d) => { d.open = false; }); folded.clear(); });
})();
