"""What every style needs of a table: the cells to tell, and each one's headers, found in time."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from functools import cached_property

from mtft.errors import StructureError
from mtft.structured.linearizers.plan import CONTEXT, HEADER, SECTION_TEXT, TITLE, TOLD, Item
from mtft.structured.table import Cell, Table, Title

MAX_MENTIONS = 2**20  # headers that all cells together tell; headers upon headers grow with the square

_TOLD_CELL = Item("cell", TOLD)


class View:
    """A table as the styles read it.

    Attributes:
        table: The table.
        marked: Whether any cell is highlighted.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.marked = False
        self._mentions = 0
        self._over: dict[int, tuple[Cell, ...]] = {}
        self._beside: dict[int, tuple[Cell, ...]] = {}
        head_rows, stub_columns, spans = set(), set(), False
        for cell in table.cells:
            if cell.highlighted:
                self.marked = True
            if cell.row_span > 1 or cell.column_span > 1:
                spans = True
            if cell.column_header:
                head_rows.add(cell.row)
                self._over[cell.column] = (cell,)
            if cell.row_header:
                stub_columns.add(cell.column)
                self._beside[cell.row] = (cell,)
        # One header row and one column of row headers, nothing wide: most tables, and all triples.
        self._plain = not spans and len(head_rows) < 2 and len(stub_columns) < 2
        self._head_row, self._stub = max(head_rows, default=-1), max(stub_columns, default=-1)

    def above(self, cell: Cell) -> tuple[Cell, ...]:
        """The column headers of a cell, from top to bottom."""
        if self._plain:
            return self._over.get(cell.column, ()) if cell.row > self._head_row else ()
        return self._counted(self.table.column_headers(cell))

    def left(self, cell: Cell) -> tuple[Cell, ...]:
        """The row headers of a cell, from left to right."""
        if self._plain:
            return self._beside.get(cell.row, ()) if cell.column > self._stub else ()
        return self._counted(self.table.row_headers(cell))

    def _counted(self, heads: tuple[Cell, ...]) -> tuple[Cell, ...]:
        self._mentions += len(heads)
        if self._mentions > MAX_MENTIONS:
            rule = f"The cells of one table may have at most {MAX_MENTIONS} headers together."
            raise StructureError(rule, found=f"{len(self.table.cells)} cells")
        return heads

    @cached_property
    def told(self) -> list[Cell]:
        """The highlighted cells, else all data cells and the headers that have a header of their own to tell."""
        cells = list(self.table.highlighted)
        return cells if self.marked else cells + self._headed[0]

    @cached_property
    def lone(self) -> list[Cell]:
        """Headers that head nothing, where the whole table is told."""
        return [] if self.marked else self._headed[1]

    @cached_property
    def _headed(self) -> tuple[list[Cell], list[Cell]]:
        """Header cells to tell as cells, since what heads them heads nothing else; headers of nothing."""
        if self._plain and self._all_head_data():
            return [], []
        mentioned = {place for cell in self.table.data for place in self._head_places(cell)}
        headers = [cell for cell in self.table.cells if cell.header and cell.text]
        lone = {place for cell in headers if (place := (cell.row, cell.column)) not in mentioned}
        if not lone:
            return [], []
        told = []
        for cell in headers:
            if not lone.isdisjoint(places := self._head_places(cell)):
                told.append(cell)
                mentioned |= {(cell.row, cell.column), *places}
        return told, [cell for cell in headers if (cell.row, cell.column) not in mentioned]

    def _all_head_data(self) -> bool:
        """Whether each header of a plain table heads a data cell, so that all are told with one."""
        data = self.table.data
        columns = {cell.column for cell in data if cell.row > self._head_row}
        rows = {cell.row for cell in data if cell.column > self._stub}
        return columns >= self._over.keys() and rows >= self._beside.keys()

    def _head_places(self, cell: Cell) -> set[tuple[int, int]]:
        return {(head.row, head.column) for head in (*self.above(cell), *self.left(cell)) if head.text}

    def row_number(self, cell: Cell) -> int | None:
        """The number, from 1, of a cell's row among those told.

        None where there is but one row, the cell is a header, or rows are subjects.
        """
        if cell.header or self.table.kind == "triples" or len(self._row_numbers) < 2:
            return None
        return self._row_numbers[cell.row]

    @cached_property
    def _row_numbers(self) -> dict[int, int]:
        rows = {cell.row for cell in self.told if not cell.header}
        return {row: n for n, row in enumerate(sorted(rows), 1)}

    def omitted(self, titles: Iterable[str] = ()) -> dict[str, int]:
        """What is not told where only highlighted cells are, by role.

        Args:
            titles: Roles of titles that the style never tells.
        """
        skipped = set(titles)
        counts = Counter(title.role for title in self.table.titles if title.role in skipped)
        if self.marked:
            heads = {place for cell in self.told for place in self._head_places(cell)}
            left = [
                cell.column_header or cell.row_header
                for cell in self.table.cells
                if not cell.highlighted and (cell.row, cell.column) not in heads
            ]
            counts["header"] += sum(left)
            counts["cell"] += len(left) - sum(left)
        return dict(+counts)

    def distance(self, cell: Cell) -> int:
        """Rows to the nearest row with a highlighted cell plus columns to the nearest such column."""
        rows, columns = self._marks
        return _nearest(rows, cell.row) + _nearest(columns, cell.column)

    @cached_property
    def _marks(self) -> tuple[list[int], list[int]]:
        marks = [cell for cell in self.table.cells if cell.highlighted]
        return sorted({cell.row for cell in marks}), sorted({cell.column for cell in marks})

    def cell_item(self, cell: Cell) -> Item:
        """A cell as what can be dropped."""
        if self.marked and not cell.highlighted:
            return Item("context_cell", CONTEXT, self.distance(cell))
        return _TOLD_CELL


def title_item(title: Title) -> Item:
    """A title as what can be dropped; long texts go early."""
    return Item(title.role, SECTION_TEXT if title.role == "section_text" else TITLE)


def header_item() -> Item:
    """A header that heads nothing, as what can be dropped."""
    return Item("header", HEADER)


def texts(cells: Iterable[Cell]) -> list[str]:
    """The cells' values, without empty ones."""
    return [cell.value for cell in cells if cell.value]


def _nearest(places: list[int], place: int) -> int:
    at = bisect_left(places, place)
    return min(abs(other - place) for other in places[max(at - 1, 0) : at + 1])
