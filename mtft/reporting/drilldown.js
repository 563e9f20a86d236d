// From a cell of the heat map to its examples, in a sheet at the side; Escape closes it and returns to the cell.
(function () {
  if (!window.mtft || typeof HTMLDialogElement === "undefined") return;
  const sheet = document.createElement("dialog");
  sheet.className = "drill";
  sheet.id = "drill";
  sheet.setAttribute("aria-labelledby", "drill-title");
  document.body.append(sheet);

  function element(tag, text, kind) {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function copies(cell) {
    return Array.from(cell.querySelectorAll(".sample"), (sample) => {
      const copy = sample.cloneNode(true);
      copy.hidden = false;
      return copy;
    });
  }

  function open(chip) {
    const cell = document.getElementById(chip.hash.slice(1));
    if (!cell) return;
    const [title, ...facts] = chip.dataset.about.split("\n");
    const head = element("header", "", "top");
    const heading = element("h2", title);
    heading.id = "drill-title";
    const close = element("button", "Close");
    close.type = "button";
    close.addEventListener("click", () => sheet.close());
    head.append(heading, close);
    const samples = copies(cell);
    const [bar, apply] = window.mtft.exampleFilters("drill", samples, () => {});
    sheet.replaceChildren(head, element("p", facts.join("\n"), "known"), bar, ...samples);
    apply();
    sheet.showModal();
    sheet.scrollTop = 0;
    close.focus();
  }

  document.querySelectorAll("a.chip").forEach((chip) => {
    chip.addEventListener("click", (event) => {
      event.preventDefault();
      open(chip);
    });
  });
  sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
  sheet.addEventListener("close", () => sheet.replaceChildren());
})();
