"""Where cells with row and column spans stand in a grid, and what the header cells among them head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mtft.errors import StructureError
from mtft.structured.table import MAX_PLACES, Cell, Layout

Heuristics = Literal["grid", "official"]


@dataclass(slots=True)
class Placed:
    """Cells in their source's order.

    Attributes:
        cells: The cells.
        starts: For each source row the index of its first cell; at the end the number of cells.
        shape: Rows and columns of the grid.
        spans: [index, row span, column span] of the cells whose spans the grid does not hold as given.
        layout: `rows` where there is a header row, or none, and no other header and no span.
    """

    cells: list[Cell] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    shape: tuple[int, int] = (0, 0)
    spans: list[list[int]] = field(default_factory=list)
    layout: Layout = "rows"


def place_cells(rows: Sequence[Any], heuristics: Heuristics, *, strict: bool) -> Placed:
    """The cells of a record's rows, placed and with their roles.

    Raises:
        StructureError: A row or cell is malformed, covers too much, or has a span that `strict` refuses.
    """
    if heuristics not in get_args(Heuristics):
        rule = f"`heuristics` must be one of {', '.join(get_args(Heuristics))}."
        raise StructureError(rule, found=f"{heuristics!r:.40}")
    placer = _Placer(len(rows), strict=strict, official=heuristics == "official")
    for row, listed in enumerate(rows):
        if not isinstance(listed, list):
            raise StructureError(
                "A row must be a list of cells.", found=f"{listed!r:.80}", where=f"row {row}"
            )
        placer.add(row, listed)
    return placer.done()


class _Placer:
    """Fills a grid from the top; `_open` says up to which row each column is taken."""

    def __init__(self, n_rows: int, *, strict: bool, official: bool) -> None:
        self._n_rows = n_rows
        self._strict = strict
        self._official = official
        self._placed = Placed()
        self._open: dict[int, int] = {}  # column → the first row below the spanning cell over it
        self._data_until: int = 0  # the first row below all spanning data cells so far
        self._width = 0
        self._places = 0

    def add(self, row: int, listed: list[Any]) -> None:
        """Places one row's cells, each in the first column that is free."""
        cells = self._placed.cells
        taken = self._open
        self._placed.starts.append(len(cells))
        column = 0
        headed: list[Cell] = []
        for number, plain in enumerate(listed):
            value, header, rows, columns = _parts(plain, row, number)
            while taken and taken.get(column, 0) > row:
                column += 1
            if rows != 1 or columns != 1:
                self._placed.layout = "free"
                rows, columns = self._spans(row, column, rows, columns, number)
                self._take(row, column, rows, columns, header)
            cell = Cell(row, column, value, rows, columns)
            cells.append(cell)
            if header:
                headed.append(cell)
            column += columns
        self._width = max(self._width, column)
        self._places += len(listed)
        if headed:
            self._assign(headed, whole=len(headed) == len(listed) and self._data_until <= row)

    def _take(self, row: int, column: int, rows: int, columns: int, header: bool) -> None:
        """Notes what a spanning cell takes of the rows below."""
        if rows > 1:
            self._open.update(dict.fromkeys(range(column, column + columns), row + rows))
            if not header:
                self._data_until = max(self._data_until, row + rows)

    def _assign(self, headed: list[Cell], *, whole: bool) -> None:
        """Gives a row's header cells their role: over columns where the row holds no data, else over the row."""
        for cell in headed:
            cell.column_header = whole or self._official
            cell.row_header = not whole or self._official
        if self._official or not whole or headed[0].row > 0:
            self._placed.layout = "free"

    def _spans(self, row: int, column: int, row_span: int, column_span: int, number: int) -> tuple[int, int]:
        """The spans that the grid has room for; less than asked is refused or noted."""
        where = f"row {row}, cell {number}"
        rows = 1 if self._official else max(1, min(row_span, self._n_rows - row))
        columns = max(1, column_span)
        self._places += rows * columns
        if self._places > MAX_PLACES:
            found = f"spans of {row_span} rows and {column_span} columns"
            raise StructureError(
                f"A table's cells may cover {MAX_PLACES:,} places.", found=found, where=where
            )
        if self._open and columns > 1:
            columns = next((n for n in range(1, columns) if self._open.get(column + n, 0) > row), columns)
        if (rows, columns) != (row_span, column_span):
            if self._strict and (columns != column_span or not self._official or row_span < 1):
                found = (
                    f"spans of {row_span} rows and {column_span} columns, with room for {rows} and {columns}"
                )
                remedy = "Read with strict=False to cut it."
                rule = "A span must be at least 1, and end within the table and before the next cell."
                raise StructureError(rule, found=found, where=where, remedy=remedy)
            self._placed.spans.append([len(self._placed.cells), row_span, column_span])
        return rows, columns

    def done(self) -> Placed:
        """All that was placed."""
        self._placed.starts.append(len(self._placed.cells))
        self._placed.shape = (self._n_rows, self._width)
        return self._placed


def _parts(plain: Any, row: int, number: int) -> tuple[str, bool, int, int]:
    """Value, whether it is a header, row span and column span of a record's cell."""
    try:
        value, header = plain["value"], plain["is_header"]
        row_span, column_span = plain["row_span"], plain["column_span"]
    except (TypeError, KeyError, IndexError) as error:
        rule = "A cell must have `value`, `is_header`, `row_span` and `column_span`."
        raise StructureError(rule, found=f"{plain!r:.80}", where=f"row {row}, cell {number}") from error
    # one by one, and not as tuples of types: this is asked of every cell
    if not (
        type(value) is str and type(header) is bool and type(row_span) is int and type(column_span) is int
    ):
        rule = "A cell's value must be text, `is_header` true or false, and spans whole numbers."
        raise StructureError(rule, found=f"{plain!r:.80}", where=f"row {row}, cell {number}")
    return value, header, row_span, column_span
