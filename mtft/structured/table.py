"""The unified representation: titles and cells with their headers, whatever structure they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

from mtft.errors import StructureError
from mtft.structured.heads import Heads

Kind = Literal["table", "triples", "meaning_representation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# `plain`: no spans, column headers in the first row alone, row headers in the first column alone, none of both.
# `rows`: a plain one without row headers, its cells line by line, a header over each of the first columns.
Layout = Literal["rows", "plain", "free"]
MAX_PLACES = 4_000_000  # grid positions that the cells of one table may cover


@dataclass(frozen=True, slots=True)
class Title:
    """A text about the whole table.

    Attributes:
        role: What it is: `page_title`, `section_title`, `section_text`, `caption`, `dialogue_act`, `title`, …
        text: The text.
        place: Where it stood among the source's statements, where it was one of them (a triple).
    """

    role: str
    text: str
    place: int | None = None


@dataclass(slots=True, unsafe_hash=True)
class Cell:
    """One cell, at the grid position of its upper left corner; a value, never changed once made.

    Not frozen: that makes one five times as slow to build, and tables are made of many.

    Attributes:
        row: 0-based row.
        column: 0-based column.
        value: Its text; None for a slot that has no value at all, which is not the empty text.
        row_span: Rows it covers.
        column_span: Columns it covers.
        column_header: Whether it heads the columns that it covers, below it.
        row_header: Whether it heads the rows that it covers, to the right of it.
        highlighted: Whether the text to write is about it.
    """

    row: int
    column: int
    value: str | None
    row_span: int = 1
    column_span: int = 1
    column_header: bool = False
    row_header: bool = False
    highlighted: bool = False

    @property
    def header(self) -> bool:
        """Whether it heads anything."""
        return self.column_header or self.row_header

    @property
    def text(self) -> str:
        """Its value, empty where it has none."""
        return self.value or ""


@dataclass(frozen=True)
class Table:
    """Titles and cells; triples and meaning representations are virtual tables.

    Triples: one row per subject (its row header), one column per predicate (its column header; a predicate
    that a subject has twice has two columns), one cell per triple. A meaning representation: a title of role
    `dialogue_act`, one row, one column per slot.

    Attributes:
        kind: What it was read from.
        titles: Texts about the whole.
        cells: In the source's own order, which for triples is that of the triples.
        n_rows: Rows of the grid, those without cells included.
        n_columns: Columns of the grid.
        ordered_rows: Whether the order of the rows means something.
        ordered_columns: Whether the order of the columns means something.
        accumulated: Whether a header stays in force below (right of) a nearer one of the same lines.
        extra: What only the writer back to the source's format needs, as plain data.

    Raises:
        StructureError: A cell lies outside the grid, or covers another.
    """

    kind: Kind = "table"
    titles: tuple[Title, ...] = ()
    cells: tuple[Cell, ...] = ()
    n_rows: int = 0
    n_columns: int = 0
    ordered_rows: bool = False
    ordered_columns: bool = False
    accumulated: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise StructureError(f"A table's kind must be one of {', '.join(KINDS)}.", found=self.kind)
        _ = self.grid

    @classmethod
    def trusted(
        cls,
        kind: Kind,
        cells: tuple[Cell, ...],
        shape: tuple[int, int],
        *,
        titles: tuple[Title, ...] = (),
        ordered: bool = False,
        accumulated: bool = False,
        extra: Mapping[str, Any] | None = None,
        layout: Layout | None = None,
        marked: tuple[Cell, ...] | None = None,
        marked_columns: Mapping[int, Sequence[str]] | None = None,
    ) -> Table:
        """A table whose reader has put every cell in its own place, so that nothing is checked again.

        The reader may also know its `layout`, and which cells or columns are `marked`.
        """
        table = object.__new__(cls)
        # One update: setting the attributes of a frozen dataclass one by one takes longer than a small table.
        table.__dict__.update(
            kind=kind,
            titles=titles,
            cells=cells,
            n_rows=shape[0],
            n_columns=shape[1],
            ordered_rows=ordered,
            ordered_columns=ordered,
            accumulated=accumulated,
            extra=extra if extra is not None else {},
        )
        if layout is not None:
            table.__dict__["layout"] = layout
        if marked is not None:
            table.__dict__["marked"] = marked
        if marked_columns is not None:
            table.__dict__["marked_columns"] = marked_columns
        return table

    @cached_property
    def marked(self) -> tuple[Cell, ...]:
        """The highlighted cells, in their order."""
        return tuple([cell for cell in self.cells if cell.highlighted])

    @cached_property
    def heads(self) -> tuple[Cell, ...]:
        """The cells that head anything, in their order."""
        return tuple([cell for cell in self.cells if cell.column_header or cell.row_header])

    @cached_property
    def marked_columns(self) -> Mapping[int, Sequence[str]] | None:
        """The columns whose cells below the header are the highlighted ones, in order, each with these cells'
        values, where the reader of a full grid of layout `rows` knew them; None for any other table.
        """
        return None

    @cached_property
    def layout(self) -> Layout:
        """How regular the grid is, for what can be told more cheaply of a regular one."""
        for cell in self.cells:
            spanning = cell.row_span > 1 or cell.column_span > 1
            misplaced = (cell.column_header and cell.row > 0) or (cell.row_header and cell.column > 0)
            if spanning or misplaced or (cell.column_header and cell.row_header):
                return "free"
        places = [(cell.row, cell.column) for cell in self.cells]
        heads = [cell.column for cell in self.cells if cell.column_header]
        lined = places == sorted(places) and heads == list(range(sum(row == 0 for row, _ in places)))
        return "rows" if lined and not any(cell.row_header for cell in self.cells) else "plain"

    @cached_property
    def grid(self) -> dict[tuple[int, int], int]:
        """(row, column) → index of the cell that covers it; positions without a cell are left out."""
        taken: dict[tuple[int, int], int] = {}
        for index, cell in enumerate(self.cells):
            self._check(cell, len(taken))
            for place in _covered(cell):
                if taken.setdefault(place, index) != index:
                    raise StructureError("Cells must not cover each other.", found=f"{cell} at {place}")
        return taken

    def _check(self, cell: Cell, places: int) -> None:
        if cell.row_span < 1 or cell.column_span < 1:
            raise StructureError("A span must be at least 1.", found=cell)
        if cell.row < 0 or cell.column < 0 or self._beyond(cell):
            found = f"{cell} in {self.n_rows} rows of {self.n_columns} columns"
            raise StructureError("A cell must lie within its table.", found=found)
        if places + cell.row_span * cell.column_span > MAX_PLACES:
            raise StructureError(f"A table's cells may cover {MAX_PLACES:,} places.", found=cell)

    def _beyond(self, cell: Cell) -> bool:
        return cell.row + cell.row_span > self.n_rows or cell.column + cell.column_span > self.n_columns

    def column_headers(self, cell: Cell) -> tuple[Cell, ...]:
        """The headers in force above a cell over any of its columns, from top to bottom."""
        return self._column_heads.of(cell)

    def row_headers(self, cell: Cell) -> tuple[Cell, ...]:
        """The headers in force left of a cell in any of its rows, from left to right."""
        return self._row_heads.of(cell)

    @cached_property
    def _column_heads(self) -> Heads:
        heads = [cell for cell in self.heads if cell.column_header]
        return Heads(heads, down=True, accumulated=self.accumulated)

    @cached_property
    def _row_heads(self) -> Heads:
        heads = [cell for cell in self.heads if cell.row_header]
        return Heads(heads, down=False, accumulated=self.accumulated)

    @property
    def data(self) -> tuple[Cell, ...]:
        """The cells that head nothing, in their order."""
        return tuple(cell for cell in self.cells if not (cell.column_header or cell.row_header))

    @property
    def highlighted(self) -> tuple[Cell, ...]:
        """The cells that the text is about, in their order; all data cells where none is marked."""
        return self.marked or self.data

    def moved(self, place: Callable[[Cell], Cell]) -> Table:
        """The table with cells changed one by one."""
        return replace(self, cells=tuple(map(place, self.cells)))

    def as_dict(self) -> dict[str, Any]:
        """The table as plain data, which JSON and Arrow hold; defaults are left out of cells."""
        return {
            "kind": self.kind,
            "titles": [asdict(title) for title in self.titles],
            "cells": [_plain(cell) for cell in self.cells],
            "n_rows": self.n_rows,
            "n_columns": self.n_columns,
            "ordered_rows": self.ordered_rows,
            "ordered_columns": self.ordered_columns,
            "accumulated": self.accumulated,
            "extra": dict(self.extra),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Table:
        """The table that `as_dict` wrote, also after Arrow has filled what a cell leaves out with None.

        Raises:
            StructureError: It is no such data.
        """
        try:
            titles = tuple(Title(**title) for title in plain["titles"])
            cells = tuple(map(_cell, plain["cells"]))
            rest = {k: v for k, v in plain.items() if k not in ("titles", "cells")}
            return cls(titles=titles, cells=cells, **rest)
        except (KeyError, TypeError, AttributeError) as error:
            raise StructureError("A table must be the data of `Table.as_dict`.", found=error) from error


_DEFAULTS = {
    "row_span": 1,
    "column_span": 1,
    "column_header": False,
    "row_header": False,
    "highlighted": False,
}


def _plain(cell: Cell) -> dict[str, Any]:
    values: dict[str, Any] = {"row": cell.row, "column": cell.column, "value": cell.value}
    for name, default in _DEFAULTS.items():
        value = getattr(cell, name)
        if value != default:
            values[name] = value
    return values


def _cell(plain: Mapping[str, Any]) -> Cell:
    cell = Cell(**{name: value for name, value in plain.items() if value is not None or name == "value"})
    if cell.value is not None and not isinstance(cell.value, str):
        raise StructureError("A cell's value must be text, or null.", found=repr(cell.value))
    return cell


def _covered(cell: Cell) -> Iterable[tuple[int, int]]:
    rows = range(cell.row, cell.row + cell.row_span)
    return ((r, c) for r in rows for c in range(cell.column, cell.column + cell.column_span))
