"use strict";
// Sorting, filtering and unfolding for print. The page says everything without them.
(function () {
  function valueOf(cell) {
    const number = cell.dataset.value;
    return number === undefined ? cell.textContent.trim() : Number(number);
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

  function filterBox(label, onInput) {
    const box = document.createElement("input");
    box.type = "search";
    box.className = "filter";
    box.placeholder = label;
    box.setAttribute("aria-label", label);
    box.addEventListener("input", () => onInput(box.value.trim().toLowerCase()));
    return box;
  }

  function makeFilterable(table) {
    const show = (wanted) => {
      for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    };
    table.parentElement.before(filterBox("Filter rows", show));
  }

  document.querySelectorAll("table.data").forEach(makeSortable);
  document.querySelectorAll("table.data[data-filter]").forEach(makeFilterable);

  const samples = document.getElementById("samples-list");
  if (samples) {
    const show = (wanted) => {
      samples.querySelectorAll("details.cell").forEach((cell) => {
        const place = (cell.parentElement.firstChild.textContent + cell.firstChild.textContent).toLowerCase();
        let any = false;
        cell.querySelectorAll(".sample").forEach((sample) => {
          sample.hidden = !(place + sample.textContent.toLowerCase()).includes(wanted);
          any = any || !sample.hidden;
        });
        cell.hidden = !any;
      });
      samples.querySelectorAll("details.task").forEach((task) => {
        task.hidden = !task.querySelector("details.cell:not([hidden])");
        task.open = wanted !== "" && !task.hidden;
      });
    };
    samples.before(filterBox("Filter samples by task, language or text", show));
  }

  const folded = new Set();
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not([open]):not(.task):not(.cell)").forEach((d) => { folded.add(d); d.open = true; });
  });
  window.addEventListener("afterprint", () => { folded.forEach((d) => { d.open = false; }); folded.clear(); });
})();
