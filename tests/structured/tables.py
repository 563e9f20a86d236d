"""Tables of every kind, written by hand or generated, for the tests of linearisers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from mtft.structured import Cell, Table, Title

NOTHING: Any = object()  # a place without a cell


def grid(
    rows: Sequence[Sequence[Any]],
    heads: int = 1,
    stubs: int = 0,
    marks: Sequence[tuple[int, int]] = (),
    **rest: Any,
) -> Table:
    """A table of its rows: the first `heads` are column headers, the first `stubs` places of others row headers."""
    cells = tuple(
        Cell(
            r, c, value,
            column_header=r < heads, row_header=c < stubs and r >= heads, highlighted=(r, c) in marks,
        )
        for r, row in enumerate(rows)
        for c, value in enumerate(row)
        if value is not NOTHING
    )  # fmt: skip
    return Table(cells=cells, n_rows=len(rows), n_columns=max(map(len, rows), default=0), **rest)


def scores(**rest: Any) -> Table:
    """A table with a name for each row, and a header over the names."""
    rows = [["Model", "P", "R"], ["A", "1", "2"], ["B", "3", "4"]]
    return grid(rows, 1, 1, titles=(Title("caption", "Scores"),), **rest)


def nameless(**rest: Any) -> Table:
    """A table whose rows have no names."""
    return grid(
        [["player", "team"], ["Kim", "Reds"], ["Ana", "Blues"]], titles=(Title("title", "Cup"),), **rest
    )


def highlighted() -> Table:
    """A page's table with spans, a title of each role and two highlighted cells."""
    titles = (Title("page_title", "Zed"), Title("section_title", "Films"), Title("section_text", "Long ago."))
    cells = (
        Cell(0, 0, "Year", column_header=True, row_span=2),
        Cell(0, 1, "Role", column_header=True, column_span=2),
        Cell(1, 1, "Name", column_header=True),
        Cell(1, 2, "Kind", column_header=True),
        Cell(2, 0, "1999", row_header=True, row_span=2),
        Cell(2, 1, "Bo", highlighted=True),
        Cell(2, 2, "lead", highlighted=True),
        Cell(3, 1, "Al"),
        Cell(3, 2, "minor"),
    )
    return Table(titles=titles, cells=cells, n_rows=4, n_columns=3)


def facts() -> Table:
    """Triples: two subjects in a chain, one predicate twice, a title."""
    rows = [
        [NOTHING, "birthPlace", "knows", "knows"],
        ["Ada_L", "Rome", "Bob", "Cy"],
        ["Bob", NOTHING, "Cy"],
    ]
    return grid(rows, 1, 1, kind="triples", titles=(Title("title", "People", place=0),))


def request() -> Table:
    """A meaning representation with a bare slot and an empty one."""
    rows = [["name", "eatType", "kids", "area"], ["Zed", "pub", None, ""]]
    return grid(rows, kind="meaning_representation", titles=(Title("dialogue_act", "inform"),))


KINDS = {
    "scores": scores,
    "nameless": nameless,
    "highlighted": highlighted,
    "facts": facts,
    "request": request,
}


def transposed(table: Table) -> Table:
    """Rows for columns."""
    cells = tuple(
        replace(
            cell, row=cell.column, column=cell.row, row_span=cell.column_span, column_span=cell.row_span,
            column_header=cell.row_header, row_header=cell.column_header,
        )
        for cell in table.cells
    )  # fmt: skip
    return replace(
        table, cells=cells, n_rows=table.n_columns, n_columns=table.n_rows,
        ordered_rows=table.ordered_columns, ordered_columns=table.ordered_rows,
    )  # fmt: skip


def permuted(table: Table, rows: Sequence[int], columns: Sequence[int]) -> Table:
    """Row r at place rows[r], column c at columns[c]; the cells listed in the new order."""
    moved = [replace(cell, row=rows[cell.row], column=columns[cell.column]) for cell in table.cells]
    return replace(table, cells=tuple(sorted(moved, key=lambda c: (c.row, c.column))))


@st.composite
def shuffles(draw: st.DrawFn, size: int, fixed: int) -> list[int]:
    """A permutation that leaves the first `fixed` in place."""
    return [*range(fixed), *draw(st.permutations(range(fixed, size)))]


@st.composite
def grids(
    draw: st.DrawFn, values: str = "abc", missing: bool = True, marks: bool = True
) -> tuple[Table, int, int]:
    """A small table with few different texts, how many of its rows are headers, and how many columns are."""
    heads, stubs = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    n_rows, n_columns = draw(st.integers(1, 3)) + heads, draw(st.integers(1, 3)) + stubs
    text = st.sampled_from([*values, *([NOTHING] if missing else [])])
    name = st.sampled_from("pqrs")
    rows = [
        [
            NOTHING if r < heads and c < stubs else draw(name if r < heads or c < stubs else text)
            for c in range(n_columns)
        ]
        for r in range(n_rows)
    ]  # fmt: skip
    places = [(r, c) for r in range(heads, n_rows) for c in range(stubs, n_columns)]
    marked = draw(st.lists(st.sampled_from(places), max_size=4)) if marks else []
    table = grid(rows, heads, stubs, marked)
    return replace(table, n_columns=n_columns), heads, stubs
