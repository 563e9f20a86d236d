"""The style `key_value`: `slot : value | slot : value`, as for meaning representations.

Source: Xie et al. 2022, "UnifiedSKG", EMNLP, arXiv 2201.05966, its E2E input; here without a separator at the end.
"""

from __future__ import annotations

from mtft.structured.linearizers.markup import separated
from mtft.structured.linearizers.plan import Group, Linearizer, Piece, Plan
from mtft.structured.linearizers.view import View, header_item, texts, title_item
from mtft.structured.table import Cell, Table


def plan(table: Table) -> Plan:
    """A pair per title and cell; a cell's key is its row headers and column headers, between them `/`."""
    view = View(table)
    told = [(_pair([title.role], title.text), title_item(title)) for title in table.titles]
    told += [(_pair([cell.text], None), header_item()) for cell in view.lone]
    told += [(_pair(_key(view, cell), cell.value), view.cell_item(cell)) for cell in view.told]
    pieces = [Piece(text, (n,)) for n, (text, _) in enumerate(told)]
    return Plan([item for _, item in told], Group(pieces, separator=" | "), view.omitted)


def _key(view: View, cell: Cell) -> list[str]:
    rows = texts(view.left(cell))
    if not rows and (number := view.row_number(cell)):
        rows = [f"row {number}"]
    return [*rows, *texts(view.above(cell))]


def _pair(keys: list[str], value: str | None) -> str:
    """The pair; a slot that has no value is its key alone."""
    key = " / ".join(map(separated, keys))
    if value is None:
        return key
    return " ".join([part for part in (key, ":", separated(value)) if part])


KEY_VALUE = Linearizer("key_value", 1, plan)
