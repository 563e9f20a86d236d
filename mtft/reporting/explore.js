// Filters over the whole page and over the examples; the heat map by keyboard; where the reader is.
(function () {
  const main = document.querySelector("main");
  const list = document.getElementById("samples-list");

  function option(value, text) {
    const made = document.createElement("option");
    made.value = value;
    made.textContent = text;
    return made;
  }

  function choice(id, name, all, options, onChange) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.id = id;
    select.append(option("", all), ...options.map(([value, text]) => option(value, text)));
    select.addEventListener("change", onChange);
    label.append(name, select);
    return [label, select];
  }

  function known(selector, key, text) {
    const found = new Map();
    document.querySelectorAll(selector).forEach((each) => {
      if (!found.has(each.dataset[key])) found.set(each.dataset[key], text(each));
    });
    return Array.from(found);
  }

  function off(element, isOff) {
    element.toggleAttribute("data-off", isOff);
  }

  // Heads over several columns span those that are left.
  function spans() {
    document.querySelectorAll("table.heat").forEach((table) => {
      const columns = Array.from(table.querySelectorAll("thead th[data-task]:not([data-off])"));
      table.querySelectorAll("thead th[data-group]:not([data-task])").forEach((head) => {
        const count = columns.filter((column) => column.dataset.group === head.dataset.group).length;
        head.colSpan = Math.max(1, count);
        off(head, count === 0);
      });
      table.querySelectorAll("tbody").forEach((body) => {
        off(body, !body.querySelector("tr[data-language]:not([data-off])"));
      });
    });
  }

  function makeFilters() {
    const tasks = known("th[data-task], tr[data-task]", "task", (each) => each.dataset.task);
    const languages = known("tr[data-language]", "language", (each) => {
      const head = each.querySelector("th[scope=row]");
      return head ? head.firstChild.textContent : each.dataset.language;
    });
    const clusters = new Map();
    document.querySelectorAll("th[data-cluster]").forEach((th) => clusters.set(th.dataset.task, th.dataset.cluster));
    if (tasks.length < 2 && languages.length < 2) return;
    const names = Array.from(new Set(clusters.values())).filter(Boolean).sort();
    const byName = (a, b) => a[1].localeCompare(b[1]);
    const [taskLabel, task] = choice("filter-task", "Task", "all tasks", tasks.sort(byName), apply);
    const [clusterLabel, cluster] = choice("filter-cluster", "Cluster", "all clusters", names.map((n) => [n, n]), apply);
    const [languageLabel, language] = choice("filter-language", "Language", "all languages", languages.sort(byName), apply);
    const reset = document.createElement("button");
    reset.type = "button";
    reset.textContent = "Show all";
    reset.addEventListener("click", () => { task.value = cluster.value = language.value = ""; apply(); });
    const bar = document.createElement("div");
    bar.className = "filters";
    bar.setAttribute("role", "search");
    bar.setAttribute("aria-label", "Filter the whole report");
    bar.append(...(names.length > 1 ? [clusterLabel] : []), taskLabel, languageLabel, reset);
    main.querySelector(".answer-box").after(bar);

    function apply() {
      const wrongTask = (name) => (task.value && name !== task.value) || (cluster.value && clusters.get(name) !== cluster.value);
      document.querySelectorAll("[data-task], [data-language]").forEach((each) => {
        const byTask = each.dataset.task !== undefined && wrongTask(each.dataset.task);
        const byLanguage = each.dataset.language !== undefined && language.value && each.dataset.language !== language.value;
        if (each instanceof SVGElement) each.classList.toggle("dim", Boolean(byLanguage));
        else off(each, Boolean(byTask || byLanguage));
      });
      reset.disabled = !(task.value || cluster.value || language.value);
      spans();
      document.dispatchEvent(new CustomEvent("mtft-filtered"));
    }
    reset.disabled = true;
  }

  // What the models got right and wrong, as filters: `r0` model 0 right, `w1` model 1 wrong, `r0 w1` both.
  function outcomes(models, focus, base) {
    const made = [];
    const order = [focus, base, ...models.keys()].filter((n, at, all) => Number.isInteger(n) && all.indexOf(n) === at);
    order.forEach((n) => made.push([`r${n}`, `${models[n]} right`], [`w${n}`, `${models[n]} wrong`]));
    if (Number.isInteger(focus) && Number.isInteger(base) && focus !== base) {
      made.push([`r${focus} w${base}`, `only ${models[focus]} right`], [`r${base} w${focus}`, `only ${models[base]} right`]);
    }
    return made;
  }

  function has(sample, wanted) {
    return wanted.split(" ").every((part) => {
      const numbers = (part[0] === "r" ? sample.dataset.right : sample.dataset.wrong) || "";
      return numbers.split(" ").includes(part.slice(1));
    });
  }

  // The filters of a list of examples; `shown` hears whether they narrow it, and how many are left.
  function exampleFilters(prefix, samples, shown) {
    const number = (value) => (value === undefined ? NaN : Number(value));
    const models = JSON.parse(list.dataset.models);
    const marks = outcomes(models, number(list.dataset.focus), number(list.dataset.base));
    const some = marks.filter(([wanted]) => samples.some((sample) => has(sample, wanted)));
    const templates = Array.from(new Set(samples.map((sample) => sample.dataset.template))).sort();
    const [outcomeLabel, outcome] = choice(`${prefix}-outcome`, "Answer", "right and wrong", some, apply);
    const [templateLabel, template] = choice(`${prefix}-template`, "Template", "all templates", templates.map((t) => [t, t]), apply);
    const text = document.createElement("input");
    text.type = "search";
    text.id = `${prefix}-text`;
    text.placeholder = "Search in examples";
    text.setAttribute("aria-label", "Search in examples");
    text.addEventListener("input", apply);
    const count = document.createElement("output");
    count.className = "count";
    count.setAttribute("aria-live", "polite");
    const bar = document.createElement("div");
    bar.className = "filters local";
    bar.append(text, ...(some.length ? [outcomeLabel] : []), ...(templates.length > 1 ? [templateLabel] : []), count);

    function apply() {
      const wanted = text.value.trim().toLowerCase();
      let left = 0;
      samples.forEach((sample) => {
        sample.hidden = (template.value && sample.dataset.template !== template.value)
          || (outcome.value && !has(sample, outcome.value))
          || (wanted && !(sample.textContent + (sample.dataset.place || "")).toLowerCase().includes(wanted));
        if (!sample.hidden && !sample.closest("[data-off]")) left += 1;
      });
      count.textContent = `${left} of ${samples.length} examples`;
      shown(Boolean(wanted || template.value || outcome.value), left);
    }
    return [bar, apply];
  }

  function makeExamples() {
    const samples = Array.from(list.querySelectorAll(".sample"));
    samples.forEach((sample) => {
      const cell = sample.closest("details.cell");
      sample.dataset.place = cell.dataset.task + " " + cell.firstChild.textContent;
    });
    const shown = (isNarrowed, left) => {
      list.querySelectorAll("details.cell").forEach((cell) => {
        cell.hidden = !cell.querySelector(".sample:not([hidden])");
        if (isNarrowed && left <= 50) cell.open = !cell.hidden;
      });
      list.querySelectorAll("details.task").forEach((task) => {
        task.hidden = !task.querySelector("details.cell:not([hidden]):not([data-off])");
        if (isNarrowed) task.open = !task.hidden;
      });
    };
    const [bar, apply] = exampleFilters("examples", samples, shown);
    list.before(bar);
    document.addEventListener("mtft-filtered", apply);
    apply();
  }

  // One stop for the tab key per map; arrows go from cell to cell, Home and End along a row.
  function makeGrid(table) {
    const rows = () => Array.from(table.querySelectorAll("tbody tr[data-language]:not([data-off])")).filter((row) => row.offsetParent);
    const chipsOf = (cell) => (cell && !cell.hasAttribute("data-off") ? Array.from(cell.querySelectorAll(".chip")) : []);
    const all = Array.from(table.querySelectorAll(".chip"));
    const choose = (chip) => { all.forEach((each) => { each.tabIndex = each === chip ? 0 : -1; }); };
    const go = (chip) => { if (chip) { choose(chip); chip.focus(); } };
    const along = (row, at, step) => {
      for (let n = at + step; n > 0 && n < row.cells.length; n += step) {
        const chips = chipsOf(row.cells[n]);
        if (chips.length) return chips[0];
      }
      return null;
    };
    const across = (chip, step) => {
      const cell = chip.closest("td");
      const here = chipsOf(cell);
      const next = here[here.indexOf(chip) + step];
      if (next) return next;
      const order = rows();
      for (let n = order.indexOf(cell.parentElement) + step; n >= 0 && n < order.length; n += step) {
        const chips = chipsOf(order[n].cells[cell.cellIndex]);
        if (chips.length) return step > 0 ? chips[0] : chips[chips.length - 1];
      }
      return null;
    };
    if (all.length) choose(all[0]);
    table.addEventListener("focusin", (event) => { if (event.target.matches(".chip")) choose(event.target); });
    table.addEventListener("keydown", (event) => {
      const chip = event.target.closest(".chip");
      if (!chip || event.altKey || event.ctrlKey || event.metaKey) return;
      const cell = chip.closest("td");
      const moves = {
        ArrowRight: () => along(cell.parentElement, cell.cellIndex, 1),
        ArrowLeft: () => along(cell.parentElement, cell.cellIndex, -1),
        ArrowDown: () => across(chip, 1),
        ArrowUp: () => across(chip, -1),
        Home: () => along(cell.parentElement, 0, 1),
        End: () => along(cell.parentElement, cell.parentElement.cells.length, -1),
      };
      if (moves[event.key]) {
        event.preventDefault();
        go(moves[event.key]());
      }
    });
    document.addEventListener("mtft-filtered", () => {
      if (!all.some((chip) => chip.tabIndex === 0 && chip.offsetParent)) choose(all.find((chip) => chip.offsetParent));
    });
  }

  // What a title says, beside the pointer and beside the focus alike.
  function makeTips() {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    tip.setAttribute("aria-hidden", "true");
    document.body.append(tip);
    let shown = null;
    const hide = () => { tip.hidden = true; shown = null; };
    const show = (chip) => {
      shown = chip;
      tip.textContent = chip.dataset.about;
      tip.hidden = false;
      const place = chip.getBoundingClientRect();
      const own = tip.getBoundingClientRect();
      const left = Math.min(Math.max(8, place.left), window.innerWidth - own.width - 8);
      const below = place.bottom + 8 + own.height < window.innerHeight;
      tip.style.left = `${left}px`;
      tip.style.top = `${below ? place.bottom + 8 : Math.max(8, place.top - own.height - 8)}px`;
    };
    document.querySelectorAll(".chip[title]").forEach((chip) => {
      chip.dataset.about = chip.title;
      chip.setAttribute("aria-label", chip.title.replace(/\n/g, "; "));
      chip.removeAttribute("title");
      chip.addEventListener("mouseenter", () => show(chip));
      chip.addEventListener("focus", () => show(chip));
      chip.addEventListener("mouseleave", hide);
      chip.addEventListener("blur", hide);
    });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    // Focus scrolls a cell into view: its words go with it; those of the pointer's cell go away.
    const follow = () => { if (shown && shown === document.activeElement) show(shown); else hide(); };
    window.addEventListener("scroll", follow, { passive: true, capture: true });
  }

  function makePlace() {
    const links = new Map(Array.from(document.querySelectorAll(".toc a"), (a) => [a.hash.slice(1), a]));
    const seen = new Set();
    const watcher = new IntersectionObserver((entries) => {
      entries.forEach((entry) => { seen[entry.isIntersecting ? "add" : "delete"](entry.target.id); });
      const first = Array.from(links.keys()).find((id) => seen.has(id));
      links.forEach((a, id) => { if (id === first) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current"); });
    }, { rootMargin: "-20% 0px -60% 0px" });
    links.forEach((a, id) => { const part = document.getElementById(id); if (part) watcher.observe(part); });
  }

  if (!main || !main.querySelector(".answer-box")) return;
  makeFilters();
  if (list) makeExamples();
  document.querySelectorAll("table.heat").forEach(makeGrid);
  makeTips();
  makePlace();
  window.mtft = { exampleFilters };
})();
