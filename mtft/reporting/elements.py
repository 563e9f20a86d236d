"""Sections and tables as HTML elements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mtft.reporting.markup import Html, breakable, el, exact, identifier, join
from mtft.reporting.tables import Cell, Table

WIDE = 8
MAX_ROWS = 1500
_PLAIN = re.compile(r"[+\u2212]?[0-9,]+(\.[0-9]+)?")
"""Numbers that scripts can read from the text."""
FILTERED = {"task": "data_task", "language": "data_language"}
"""Columns by which the page's filters hide rows."""


def table_element(table: Table, *, filterable: bool = False) -> Html:
    """The table in a box that scrolls sideways on narrow screens; scripts add sorting and filtering.

    No more than `MAX_ROWS` rows, so that a page of very many cells stays one that a browser opens.
    """
    head = el("thead", el("tr", *(_header(table, column) for column in table.columns)))
    body = el("tbody", *(_row(table, row) for row in table.rows[:MAX_ROWS]))
    kind = "data wide" if len(table.columns) > WIDE else "data"
    made = el(
        "table", el("caption", table.title, class_="sr"), head, body, class_=kind, data_filter=filterable
    )
    cut = f"The first {MAX_ROWS:,} of {len(table.rows):,} rows; `mtft report --csv` writes all of them."
    notes = [table.note, cut if len(table.rows) > MAX_ROWS else ""]
    note = el("p", " ".join(filter(None, notes)), class_="note") if any(notes) else None
    return join([el("div", made, class_="scroll", tabindex="0", role="region", aria_label=table.title), note])


def _row(table: Table, row: Sequence[Cell]) -> Html:
    places = {
        FILTERED[column]: cell.key or cell.text
        for column, cell in zip(table.columns, row, strict=True)
        if column in FILTERED
    }
    return el("tr", *_cells(table, row), **places)


def _header(table: Table, column: str) -> Html:
    return el("th", column, scope="col", class_="num" if column in table.numeric else None)


def _cells(table: Table, row: Sequence[Cell]) -> Iterable[Html]:
    for column, cell in zip(table.columns, row, strict=True):
        numeric = column in table.numeric
        kind = " ".join(k for k in ("num" if numeric else "", cell.tone) if k)
        shown = breakable(cell.text) if column == "task" else cell.text
        value = None if cell.value is None or _PLAIN.fullmatch(cell.text) else exact(cell.value)
        yield el("td", shown, class_=kind or None, data_value=value, dir=None if numeric else "auto")


def section(title: str, *children: Html | None, lead: str | Html | None = None) -> Html:
    """A section of the page with its heading, reachable by a link."""
    name = identifier(title)
    first = el("p", lead, class_="lead") if lead else None
    return el(
        "section", el("h2", title, id=f"h-{name}"), first, *children, id=name, aria_labelledby=f"h-{name}"
    )
