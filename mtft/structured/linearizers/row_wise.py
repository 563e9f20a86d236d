"""The style `row_wise`: `col : header | header row 1 : value | value row 2 : …`, the whole table.

Source: Liu et al. 2022, "TAPEX", ICLR, arXiv 2107.07653, section 2; also UnifiedSKG's full tables. There is no mark
for highlighted cells there; here `<highlighted>` stands before each.
"""

from __future__ import annotations

from collections import defaultdict

from mtft.structured.linearizers.markup import NO_VALUE, separated, tag
from mtft.structured.linearizers.plan import Group, Item, Linearizer, Piece, Plan
from mtft.structured.linearizers.view import View, header_item, title_item
from mtft.structured.table import Cell, Table

_HIGHLIGHTED = tag("highlighted")


def plan(table: Table) -> Plan:
    """Titles, then the grid row by row; a spanning cell stands in every place that it covers.

    A row of column headers alone begins with `col :`. A header goes with the last cell that it heads.
    """
    view = View(table)
    titles = [Piece(f"{separated(t.role)} : {separated(t.text)}", (n,)) for n, t in enumerate(table.titles)]
    items, owners = _items(view, len(titles))
    rows: list[Group] = []
    number = 0
    for cells in _positions(table):
        heading = all(cell.column_header for cell in cells if cell is not None)
        number += not heading
        pieces = [_piece(cell, owners) for cell in cells]
        rows.append(Group(pieces, "col :" if heading else f"row {number} :", separator=" | "))
    return Plan([*map(title_item, table.titles), *items], Group([*titles, *rows]))


def _positions(table: Table) -> list[list[Cell | None]]:
    """The cells of each row that has any, place by place, up to the last; columns without cells are left out."""
    places: dict[int, dict[int, int]] = defaultdict(dict)
    for (row, column), index in table.grid.items():
        places[row][column] = index
    rank = {column: n for n, column in enumerate(sorted({column for _, column in table.grid}))}
    rows = []
    for row in sorted(places):
        cells: list[Cell | None] = [None] * (1 + rank[max(places[row])])
        for column, index in places[row].items():
            cells[rank[column]] = table.cells[index]
        rows.append(cells)
    return rows


def _items(view: View, start: int) -> tuple[list[Item], dict[tuple[int, int], tuple[int, ...]]]:
    """What can be dropped, and for each cell, by place, the items with which it stands."""
    items: list[Item] = []
    owners: dict[tuple[int, int], list[int]] = defaultdict(list)
    for cell in sorted((c for c in view.table.cells if not c.header or c.highlighted), key=_place):
        for shown in (cell, *view.above(cell), *view.left(cell)):
            owners[_place(shown)].append(start + len(items))
        items.append(view.cell_item(cell))
    for cell in view.table.cells:
        if _place(cell) not in owners:
            owners[_place(cell)].append(start + len(items))
            items.append(header_item())
    return items, {place: tuple(indices) for place, indices in owners.items()}


def _place(cell: Cell) -> tuple[int, int]:
    return cell.row, cell.column


def _piece(cell: Cell | None, owners: dict[tuple[int, int], tuple[int, ...]]) -> Piece:
    if cell is None:
        return Piece("", (), hole=True)
    value = NO_VALUE if cell.value is None else separated(cell.value)
    text = f"{_HIGHLIGHTED} {value}".rstrip(" " if not value else "") if cell.highlighted else value
    return Piece(text, owners[_place(cell)], hole=True)


ROW_WISE = Linearizer("row_wise", 1, plan, (_HIGHLIGHTED, NO_VALUE))
