"""Tables that are a header row with rows below it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from mtft.errors import StructureError
from mtft.structured.table import MAX_PLACES, Cell, Table

_TEXT = frozenset({str})
_PLACES = range(MAX_PLACES)


def header_and_rows(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, text: bool = False
) -> tuple[list[Cell], tuple[int, int]]:
    """The cells of a header row and the rows below it, line by line, and the shape of their grid.

    Rows may be shorter or longer than the header, and column names may repeat.

    Args:
        columns: The header.
        rows: The rows below it.
        text: Whether all values are known to be text, so that they are not looked at.

    Raises:
        StructureError: A value is no text, or there are more than `MAX_PLACES` cells.
    """
    listed = [columns, *rows]
    if (count := sum(map(len, listed))) > MAX_PLACES:
        raise StructureError(f"A table may have {MAX_PLACES:,} cells.", found=f"{count:,}")
    for number, row in enumerate(() if text else listed):
        if not _TEXT.issuperset(map(type, row)):
            raise _no_text(number, row)
    cells = [Cell(0, column, name, 1, 1, True) for column, name in enumerate(columns)]
    for number, row in enumerate(rows, start=1):
        cells += map(Cell, repeat(number), _PLACES, row)
    return cells, (len(rows) + 1, max([len(columns), *map(len, rows)]))


def _no_text(number: int, row: Sequence[object]) -> StructureError:
    column, value = next((column, value) for column, value in enumerate(row) if type(value) is not str)
    place = f"row {number} below the header" if number else "column names"
    return StructureError("A cell must be text.", found=f"{value!r:.80}", where=f"{place}, column {column}")


def lines(table: Table) -> list[list[str]]:
    """The values of a table without spans, row by row; rows without cells are empty.

    Raises:
        StructureError: A cell has no value.
    """
    found: list[list[str]] = [[] for _ in range(table.n_rows)]
    for cell in table.cells:
        if cell.value is None:
            raise StructureError("A table's cells must have values.", found=cell)
        found[cell.row].append(cell.value)
    return found
