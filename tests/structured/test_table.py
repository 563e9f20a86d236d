"""The table itself: which headers are in force, what it refuses, and its plain data."""

from __future__ import annotations

import json

import pytest

from mtft.errors import StructureError
from mtft.structured import Cell, Table, Title


def head(row: int, column: int, value: str, column_span: int = 1) -> Cell:
    return Cell(row, column, value, column_span=column_span, column_header=True)


def above(table: Table, row: int, column: int) -> list[str]:
    return [h.text for h in table.column_headers(table.cells[table.grid[row, column]])]


def test_a_header_row_in_the_middle_replaces_the_one_above() -> None:
    cells = (head(0, 0, "goals"), Cell(1, 0, "3"), head(2, 0, "cards"), Cell(3, 0, "1"))
    table = Table(cells=cells, n_rows=4, n_columns=1)
    assert above(table, 1, 0) == ["goals"]
    assert above(table, 3, 0) == ["cards"]
    assert above(table, 2, 0) == ["goals"]
    assert above(table, 0, 0) == []
    every = Table(cells=cells, n_rows=4, n_columns=1, accumulated=True)
    assert above(every, 3, 0) == ["goals", "cards"]


def test_a_wide_header_that_divides_a_table_comes_on_top_of_the_columns_names() -> None:
    cells = [head(0, 0, "year"), head(0, 1, "team")]
    for row, league in ((1, "First league"), (3, "Second league")):
        cells += [head(row, 0, league, 2), Cell(row + 1, 0, "1990"), Cell(row + 1, 1, "Red")]
    table = Table(cells=tuple(cells), n_rows=5, n_columns=2)
    assert above(table, 2, 1) == ["team", "First league"]
    assert above(table, 4, 1) == ["team", "Second league"]


def test_headers_one_below_the_other_are_all_in_force() -> None:
    cells = (head(0, 0, "both", 2), head(1, 0, "left"), head(1, 1, "right"), Cell(2, 0, "a", column_span=2))
    table = Table(cells=cells, n_rows=3, n_columns=2)
    assert above(table, 2, 0) == ["both", "left", "right"]
    assert above(table, 1, 1) == ["both"]
    assert above(table, 0, 0) == []


def test_row_headers_follow_the_same_rule() -> None:
    names = [Cell(0, 0, "home", row_header=True), Cell(0, 2, "away", row_header=True)]
    cells = (names[0], Cell(0, 1, "3"), names[1], Cell(0, 3, "1"))
    table = Table(cells=cells, n_rows=1, n_columns=4)
    assert table.row_headers(cells[1]) == (names[0],)
    assert table.row_headers(cells[3]) == (names[1],)


def test_a_thousand_header_rows_cost_no_thousand_squares() -> None:
    cells = tuple(
        cell for row in range(0, 4000, 2) for cell in (head(row, 0, "h"), Cell(row + 1, 0, str(row)))
    )
    table = Table(cells=cells, n_rows=4000, n_columns=1)
    assert all(len(table.column_headers(cell)) == 1 for cell in table.data)


def test_positions_are_checked() -> None:
    with pytest.raises(StructureError, match="cover each other"):
        Table(cells=(Cell(0, 0, "a", row_span=2), Cell(1, 0, "b")), n_rows=2, n_columns=1)
    with pytest.raises(StructureError, match="within its table"):
        Table(cells=(Cell(0, 1, "a"),), n_rows=1, n_columns=1)
    with pytest.raises(StructureError, match="at least 1"):
        Table(cells=(Cell(0, 0, "a", row_span=0),), n_rows=1, n_columns=1)
    with pytest.raises(StructureError, match="places"):
        Table(cells=(Cell(0, 0, "a", column_span=10**9),), n_rows=1, n_columns=10**9)
    with pytest.raises(StructureError, match="kind"):
        Table(kind="list")  # type: ignore[arg-type]


def test_plain_data_gives_the_same_table_back() -> None:
    cells = (head(0, 0, "a", 2), Cell(1, 0, None, highlighted=True), Cell(1, 1, "", row_span=2))
    titles = (Title("caption", "c"), Title("title", "t", 3))
    table = Table("table", titles, cells, 3, 2, ordered_rows=True, accumulated=True, extra={"x": [1]})
    plain = table.as_dict()
    assert Table.from_dict(json.loads(json.dumps(plain))) == table
    filled = {**plain, "cells": [{"row_span": None, "highlighted": None, **cell} for cell in plain["cells"]]}
    assert Table.from_dict(filled) == table


@pytest.mark.parametrize(
    "plain",
    [
        {},
        [],
        None,
        {"titles": [], "cells": [{"row": 0}]},
        {"titles": [], "cells": [{"row": 0, "column": 0, "value": 3}], "n_rows": 1, "n_columns": 1},
        {"titles": [], "cells": [{"row": "0", "column": 0, "value": "3"}], "n_rows": 1, "n_columns": 1},
        {"titles": [3], "cells": []},
        {"titles": [], "cells": [], "colour": "red"},
        {"titles": [], "cells": [7]},
    ],
)
def test_other_plain_data_is_refused(plain: object) -> None:
    with pytest.raises(StructureError):
        Table.from_dict(plain)  # type: ignore[arg-type]


def test_all_data_is_told_where_nothing_is_marked() -> None:
    cells = (head(0, 0, "h"), Cell(1, 0, "a"), Cell(2, 0, "b", highlighted=True))
    table = Table(cells=cells, n_rows=3, n_columns=1)
    assert table.highlighted == cells[2:]
    assert Table(cells=cells[:2], n_rows=3, n_columns=1).highlighted == cells[1:2]
