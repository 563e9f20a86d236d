"""The page of `mtft prompts stats`: one file, everything in it, all text escaped."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from importlib.resources import files

from mtft.cli.prompt_counts import Overview
from mtft.cli.prompt_tables import DATASETS, tables
from mtft.reporting.elements import table_element
from mtft.reporting.markup import Html, breakable, el, join
from mtft.reporting.tables import Table

TITLE = "Prompt templates"
_BARS = 30  # datasets in a chart
_STYLE = """
.bars { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr max-content; gap: .25rem .8rem;
  align-items: center; font-size: .85rem; max-width: 60rem; }
.bars .bar { height: .7rem; } .bars b { font-weight: 400; overflow-wrap: anywhere; }
.bars span.count { text-align: right; font-variant-numeric: tabular-nums; }
.pairs { display: flex; flex-wrap: wrap; gap: 0 3rem; }
"""


def page(overview: Overview) -> str:
    """The whole HTML document."""
    made = tables(overview)
    body = el("body", el("main", *_sections(overview, made)), el("script", _resource("report.js")))
    return "<!doctype html>\n" + el("html", _head(), body, lang="en")


def _resource(name: str) -> Html:
    return Html((files("mtft.reporting") / name).read_text(encoding="utf-8"))


def _head() -> Html:
    digest = base64.b64encode(hashlib.sha256(_resource("report.js").encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", TITLE),
        el("style", Html(_resource("report.css") + _STYLE)),
    )


def _sections(overview: Overview, made: list[Table]) -> list[Html]:
    facts, *middle, datasets = made
    templates = {line.dataset: line.counts.templates for line in overview.lines}
    rows = {line.dataset: line.train for line in overview.lines if line.train}
    return [
        el("h1", TITLE),
        el(
            "p",
            f"{overview.counts.templates:,} templates of {len(overview.lines):,} datasets.",
            class_="lead",
        ),
        table_element(facts),
        _section("Templates per dataset", _bars(templates)),
        _section("Train rows per dataset, on a logarithmic scale", _bars(rows, logarithmic=True))
        if rows
        else Html(),
        el(
            "section",
            *(el("div", el("h3", table.title), table_element(table)) for table in middle),
            class_="pairs",
        ),
        _section(datasets.title, table_element(datasets, filterable=True), id_=DATASETS),
    ]


def _section(title: str, *content: Html, id_: str | None = None) -> Html:
    return el("section", el("h2", title), *content, id_=id_)


def _bars(sizes: Mapping[str, int], *, logarithmic: bool = False) -> Html:
    """The largest as bars, and how many are left out."""
    top = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    scale = (lambda value: math.log1p(value)) if logarithmic else float
    most = scale(max(sizes.values(), default=1)) or 1.0
    shown = (_bar(name, value, 100 * scale(value) / most) for name, value in top[:_BARS])
    rest = len(top) - _BARS
    note = el("p", f"and {rest:,} with fewer: see the table below.", class_="note") if rest > 0 else None
    return join([el("div", *(cell for cells in shown for cell in cells), class_="bars"), note])


def _bar(name: str, value: int, percent: float) -> tuple[Html, Html, Html]:
    bar = el("div", el("span", style=f"width:{percent:.1f}%"), class_="bar")
    return el("b", breakable(name)), bar, el("span", f"{value:,}", class_="count")
