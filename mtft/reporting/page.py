"""The HTML page: one file, offline, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files

from mtft.reporting import headline, heatmap, plots, tables
from mtft.reporting.elements import samples_element, section, table_element
from mtft.reporting.markup import Html, el, identifier, join
from mtft.reporting.mixture import mixture_tables
from mtft.reporting.plain import tables_of
from mtft.reporting.results import Model, Results
from mtft.reporting.samples import Sample
from mtft.reporting.shots import shots_fact, shots_tables
from mtft.reporting.slices import TITLE, slice_tables
from mtft.reporting.wording import HELD_OUT, MARKS, Scales, words

QUESTION = "Does it generalise to languages and tasks it was not finetuned on?"
FOLD_ROWS = 40
FILTER_ROWS = 12
FOLD_EXTRA_ROWS = 16


def _resource(name: str) -> Html:
    return Html((files("mtft.reporting") / name).read_text(encoding="utf-8"))


def page(results: Results, samples: Sequence[Sample]) -> str:
    """The whole document."""
    scales = Scales(results)
    sections = [made for made in _sections(results, scales, samples) if made is not None]
    body = el(
        "body",
        _navigation(sections),
        el("main", _masthead(results), _answer(results), *sections),
        el("script", _resource("report.js")),
    )
    return "<!doctype html>\n" + el("html", _head(results), body, lang="en") + "\n"


def _head(results: Results) -> Html:
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy()),
        el("meta", name="color-scheme", content="light dark"),
        el("title", results.title),
        el("style", _resource("report.css")),
    )


def _policy() -> str:
    """Nothing is loaded, and no script runs but the page's own, should escaping ever fail."""
    digest = base64.b64encode(hashlib.sha256(_resource("report.js").encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _navigation(sections: Sequence[Html]) -> Html:
    """Links to the sections that there are."""
    titles = [found.group(1) for made in sections if (found := re.search(r"<h2[^>]*>(.*?)</h2>", made))]
    links = (el("a", Html(title), href=f"#{identifier(title)}") for title in titles)
    return el("nav", *links, aria_label="Sections")


def _masthead(results: Results) -> Html:
    suite = results.suite
    limit = suite.get("max_items_per_cell")
    facts = {
        "suite": suite.get("name"),
        "protocol": suite.get("protocol"),
        "items per cell": f"at most {limit:,}" if isinstance(limit, int) else "all",
        "shots": shots_fact(results),
        "made": results.created,
    }
    shown = (el("span", el("i", name), str(value)) for name, value in facts.items() if value)
    models = (_model(model) for model in results.models)
    return el(
        "header",
        el("h1", results.title),
        el("p", *shown, class_="facts"),
        el("ul", *models, class_="models"),
        class_="masthead",
    )


def _model(model: Model) -> Html:
    details = [model.family, _size(model.parameters)]
    if model.step is not None:
        details.append(f"step {model.step:,.0f}")
    details.append(model.path if model.path != model.name else "")
    return el("li", el("b", model.name), el("span", " · ".join(d for d in details if d)))


def _size(parameters: float | None) -> str:
    if parameters is None:
        return ""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if parameters >= size:
            return f"{parameters / size:.3g} {unit} parameters"
    return f"{parameters:.0f} parameters"


def _answer(results: Results) -> Html:
    """The opening: a verdict per way of holding out, in words and numbers."""
    found = headline.tallies(results)
    cards = [_verdict(t) for t in found[1:]]
    return el(
        "section",
        el("h2", QUESTION),
        el("p", el("strong", _summary_word(found[0])), " ", headline.sentence(results), class_="verdict"),
        el("div", *cards, class_="cards") if cards else None,
        el("p", headline.rule(results), class_="note") if found[0].cells else None,
        class_=f"answer-box {found[0].verdict.replace(' ', '-')}",
    )


def _summary_word(total: headline.Tally) -> str:
    return {"yes": "Yes.", "partly": "Partly.", "no": "No."}.get(total.verdict, "Not measured.")


def _verdict(found: headline.Tally) -> Html:
    won, measured = found.generalise
    share = won / measured if measured else 0.0
    lines = [
        (name, pair)
        for name, pair in (("chance", found.chance), ("base", found.base), ("all controls", found.controls))
        if pair[1]
    ]
    return el(
        "div",
        el("h3", el("span", MARKS[found.kind], class_="mark"), " ", HELD_OUT[found.kind]),
        el("p", el("b", str(won)), f" of {measured} cells generalise", class_="big"),
        el("div", el("span", style=f"width:{share:.0%}"), class_="bar", aria_hidden="true"),
        el("dl", *(join([el("dt", f"beat {n}"), el("dd", f"{w} of {m}")]) for n, (w, m) in lines)),
        class_=f"card {found.verdict.replace(' ', '-')}",
    )


def _sections(results: Results, scales: Scales, samples: Sequence[Sample]) -> list[Html | None]:
    plot = plots.plot_of(results, scales)
    panels = plots.panels(results)
    return [
        _heat_section(results, scales),
        _averages_section(results, scales, plot),
        _panel_section(
            "Before and after",
            _keys(results, chance=True),
            [(len(p.keys), plots.dumbbells(plot, p)) for p in panels],
        ),
        _panel_section(
            "Spread over templates",
            "Each dot is one template's score in that language; the bar is their median, the dashed line "
            "chance, the figure the distance from the worst to the best. A wide spread means that the score "
            "depends on how the question is put.",
            [(len(p.keys), plots.strips(plot, p)) for p in panels if _has_dots(results, p)],
        ),
        _controls_section(results, scales),
        _scores_section(results, scales),
        _extra_section(TITLE, slice_tables(results, scales), "Scores by the values of columns of the rows."),
        _extra_section("Shots", shots_tables(results), "Answered examples before each prompt."),
        _extra_section(
            "Vocabulary overlap",
            tables_of("vocabulary_overlap", "Vocabulary overlap", results.extras.get("vocabulary_overlap")),
            "What the languages share in tokens.",
        ),
        _extra_section(
            "Mixture",
            mixture_tables(results.extras.get("mixture")),
            "What the model was finetuned on, and in which proportions.",
        ),
        _extra_section("Training", tables_of("training", "Training", results.extras.get("training"))),
        _problems_section(results),
        _samples_section(results, samples),
        _reproduce_section(results),
    ]


def _heat_section(results: Results, scales: Scales) -> Html | None:
    makers = (heatmap.chance_map, heatmap.gain_map)
    focus = [m(results, scales, results.focus) for m in makers] if results.focus else []
    drawn = [
        el("div", _heat_title(heat), heatmap.draw(heat), heatmap.legend(heat), class_="map")
        for heat in focus
        if heat.rows
    ]
    if not drawn:
        return None
    others = [_folded_map(results, scales, model) for model in results.models if model.name != results.focus]
    lead = (
        f"Each number is the score of the median template of {results.focus}; hover for interval and counts."
    )
    return section("Scores by task and language", el("div", *drawn, class_="maps"), *others, lead=lead)


def _heat_title(heat: heatmap.HeatMap) -> Html:
    return el("h3", heat.title)


def _folded_map(results: Results, scales: Scales, model: Model) -> Html | None:
    heat = heatmap.chance_map(results, scales, model.name)
    if not heat.rows:
        return None
    return el("details", el("summary", f"The same for {model.name}"), heatmap.draw(heat))


def _averages_section(results: Results, scales: Scales, plot: plots.Plot) -> Html | None:
    table = tables.averages(results, scales)
    if not table.rows:
        return None
    drawn = el("div", *plots.average_dumbbells(plot), class_="panels")
    return section("Seen and unseen", drawn, table_element(table), lead=_keys(results))


def _keys(results: Results, *, chance: bool = False) -> Html:
    """What the dots and lines of a before-and-after plot mean."""
    before = [el("span", class_="key before"), f" {results.base} "] if results.base else []
    after = [el("span", class_="key after"), f" {results.focus} "] if results.focus else []
    line = [el("span", class_="key chance"), " chance "] if chance else []
    meaning = "Lines are 95 % intervals clustered by item; the figure is the difference in points."
    return join([*before, *after, *line, el("br"), meaning])


def _panel_section(title: str, lead: str | Html, drawn: Sequence[tuple[int, Html]]) -> Html | None:
    """Panels in columns, those with few lines first open, very long ones folded."""
    if not drawn:
        return None
    short = [figure for lines, figure in drawn if lines <= FOLD_ROWS]
    long = [
        el("details", el("summary", f"One task in {lines} languages"), figure)
        for lines, figure in drawn
        if lines > FOLD_ROWS
    ]
    return section(title, el("div", *short, class_="panels"), *long, lead=lead)


def _has_dots(results: Results, panel: plots.Panel) -> bool:
    return any(c.task == panel.task and c.metric == panel.metric for c in results.cells)


def _controls_section(results: Results, scales: Scales) -> Html | None:
    table = tables.controls(results, scales)
    return section("Controls", table_element(table, filterable=True)) if table.rows else None


def _scores_section(results: Results, scales: Scales) -> Html | None:
    table = tables.scores(results, scales)
    if not table.rows:
        return None
    other = tables.scores(results, scales, primary=False)
    more = (
        el("details", el("summary", other.title), table_element(other, filterable=True))
        if other.rows
        else None
    )
    return section("All scores", table_element(table, filterable=True), more)


def _extra_section(title: str, made: Sequence[tables.Table], lead: str = "") -> Html | None:
    return section(title, *(_extra_table(t, title) for t in made), lead=lead) if made else None


def _extra_table(table: tables.Table, title: str) -> Html:
    name = table.title.removeprefix(f"{title}: ")
    heading = el("h3", name) if name != title else None
    shown = table_element(table, filterable=len(table.rows) > FILTER_ROWS)
    folded = len(table.rows) > FOLD_EXTRA_ROWS
    return el("details", el("summary", name), shown) if folded else join([heading, shown])


def _problems_section(results: Results) -> Html:
    """What could not be read, rendered or scored; a report says so even where there is nothing to say."""
    counted = tables_of("problems", "Problems", tables.happened(results.problems))
    unscored = tables.unscored(results)
    made = [*(_extra_table(t, "Problems") for t in counted)]
    made += [_extra_table(t, "Problems") for t in _unscored_reasons(results)]
    if unscored.rows:
        made.append(_extra_table(unscored, "Problems"))
    lead = (
        "Rows that could not be used or scored, counted by reason."
        if made
        else "None: every row was used and scored."
    )
    return section("Problems", *made, lead=lead)


def _unscored_reasons(results: Results) -> list[tables.Table]:
    return tables_of("unscored-reasons", "Problems: unscored by reason", results.extras.get("unscored"))


def _samples_section(results: Results, samples: Sequence[Sample]) -> Html | None:
    if not samples:
        return None
    lead = f"{len(samples):,} examples, a few per task and language: right and wrong ones where both occur."
    return section("Samples", samples_element(results, samples), lead=lead)


def _reproduce_section(results: Results) -> Html | None:
    known = dict(results.reproduce)
    command = known.pop("command", None)
    facts = {words(k): v for k, v in results.suite.items() if v is not None}
    shown = tables_of("suite", "suite", facts) + tables_of("reproduce", "Reproduce", known)
    shown += [table for table in (tables.signatures(results),) if table.rows]
    if not shown and not command:
        return None
    block = el("pre", command, class_="command") if command else None
    return section("Reproduce", block, *(_extra_table(table, "Reproduce") for table in shown))
