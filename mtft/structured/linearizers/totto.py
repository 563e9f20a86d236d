"""The styles `totto` and `totto_full`: the tags of ToTTo's own baselines.

Source: Parikh et al. 2020, "ToTTo", EMNLP, arXiv 2004.14373; google-research/language,
`language/totto/baseline_preprocessing` (the sub-table with its headers, and the full table with marks). There the
section's text is not told; highlighted cells are told here in the table's order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from mtft.structured.linearizers.markup import NO_VALUE, TITLE_ROLES, escaped, tag
from mtft.structured.linearizers.plan import Group, Item, Linearizer, Piece, Plan
from mtft.structured.linearizers.view import View, header_item, title_item
from mtft.structured.table import Cell, Table, Title

_UNTOLD = ("section_text",)


def plan(table: Table) -> Plan:
    """The highlighted cells with their headers, or all of a table without marks."""
    view = View(table)
    titles = _titles(table)
    told = [*view.told, *view.lone]
    pieces = [Piece(_told(view, cell, "cell"), (len(titles) + n,)) for n, cell in enumerate(told)]
    items = [*map(view.cell_item, view.told), *(header_item() for _ in view.lone)]
    return _framed(titles, pieces, items, lambda: view.omitted(_UNTOLD))


def plan_full(table: Table) -> Plan:
    """All cells, row by row, with their headers; the highlighted ones marked."""
    view = View(table)
    titles = _titles(table)
    cells = sorted(table.cells, key=lambda cell: (cell.row, cell.column))
    rows = [
        Group([Piece(_told(view, cell, _mark(cell)), (n,)) for n, cell in row], tag("row"), tag("/row"))
        for _, row in groupby(enumerate(cells, len(titles)), key=lambda pair: pair[1].row)
    ]
    untold = Counter(title.role for title in table.titles if title.role in _UNTOLD)
    return _framed(titles, rows, list(map(view.cell_item, cells)), lambda: untold)


def _titles(table: Table) -> list[Title]:
    return [title for title in table.titles if title.role not in _UNTOLD]


def _mark(cell: Cell) -> str:
    return "highlighted_cell" if cell.highlighted else "cell"


def _framed(
    titles: Sequence[Title],
    parts: Sequence[Piece | Group],
    cells: Sequence[Item],
    omitted: Callable[[], Mapping[str, int]],
) -> Plan:
    told = [Piece(_told_title(title), (n,)) for n, title in enumerate(titles)]
    frame = Group(parts, tag("table"), tag("/table"), always=True)
    items = [*map(title_item, titles), *cells]
    return Plan(items, Group([*told, frame]), omitted)


def _told_title(title: Title) -> str:
    if title.role in TITLE_ROLES:
        return _between(title.role, escaped(title.text))
    return _between("title", f"{_between('role', escaped(title.role))} {escaped(title.text)}")


def _told(view: View, cell: Cell, name: str) -> str:
    value = NO_VALUE if cell.value is None else escaped(cell.value)
    above = [_between("col_header", escaped(head.text)) for head in view.above(cell)]
    left = [_between("row_header", escaped(head.text)) for head in view.left(cell)]
    return _between(name, " ".join([part for part in (value, *above, *left) if part]))


def _between(name: str, text: str) -> str:
    return " ".join([part for part in (tag(name), text, tag(f"/{name}")) if part])


def _pair(*names: str) -> tuple[str, ...]:
    return tuple(tag(slash + name) for name in names for slash in ("", "/"))


_SHARED = ("table", "cell", "col_header", "row_header", "role", *(r for r in TITLE_ROLES if r not in _UNTOLD))
TOTTO = Linearizer("totto", 1, plan, (*_pair(*_SHARED), NO_VALUE))
TOTTO_FULL = Linearizer("totto_full", 1, plan_full, (*_pair(*_SHARED, "row", "highlighted_cell"), NO_VALUE))
