"""The texts of the style `unified` for the layouts that most tables have, without a plan of what may be dropped.

What `unified.plan` says of these layouts, worked out in one pass over the cells; the tests compare the two on
every row of the datasets. Any other table, and any budget, is left to the plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from mtft.structured.linearizers.markup import NO_VALUE, escaped, tag
from mtft.structured.linearizers.unified import told_title
from mtft.structured.table import Cell, Table

CELL, HEADER, GROUP, LINE = map(tag, ("cell", "header", "group", "line"))
MAX_CELLS = 2**18  # far below the number of headers that the plan refuses
Quick = tuple[str, Counter[str]]  # the text, and what is omitted by role


def quick(table: Table) -> Quick | None:
    """The text and what it omits; None for a table that the plan must tell."""
    if table.layout == "free" or len(table.cells) > MAX_CELLS:
        return None
    if table.kind != "table":
        return None if table.ordered_rows or table.ordered_columns else _virtual(table)
    if table.layout == "rows" and table.ordered_rows and table.ordered_columns and not table.accumulated:
        return (_by_columns(table, table.marked_columns) if table.marked_columns else None) or _by_rows(table)
    return None


def _virtual(table: Table) -> Quick | None:
    """Triples or slots: every cell with its headers, sorted by these and its value."""
    above: dict[int, str] = {}
    beside: dict[int, str] = {}
    told: list[tuple[list[str], str]] = []
    columns, rows = set(), set()
    for cell in table.cells:
        if cell.highlighted:
            return None
        if cell.column_header:
            above[cell.column] = cell.value or ""
        elif cell.row_header:
            beside[cell.row] = cell.value or ""
    for cell in table.cells:
        if not (cell.column_header or cell.row_header):
            column, row = cell.column, cell.row
            columns.add(column)
            rows.add(row)
            names = [name for name in (above.get(column), beside.get(row)) if name]
            names.sort()
            told.append((names, _value(cell)))
    if not (above.keys() <= columns and beside.keys() <= rows):  # a header of nothing
        return None
    told.sort()
    return " ".join(
        [*map(told_title, table.titles), *[value + _headers(names) for names, value in told]]
    ), Counter()


def _value(cell: Cell) -> str:
    value = cell.value
    if value is None:
        return f"{CELL} {NO_VALUE}"
    return f"{CELL} {escaped(value)}" if value else CELL


def _headers(names: Sequence[str]) -> str:
    return "".join([f" {HEADER} {escaped(name)}" for name in names])


def _by_rows(table: Table) -> Quick | None:
    """A header row and rows without names: a group for each row, its cells with their columns' headers."""
    cells = table.cells
    marked = [cell for cell in cells if cell.highlighted]
    width = sum([cell.column_header for cell in cells[: table.n_columns]])
    told: Sequence[Cell] = marked or cells[width:]
    if not told or told[0].row == 0 or told[0].row == told[-1].row:
        return None  # a marked header, or no two rows
    columns = sorted({cell.column for cell in told})
    if not marked and (len(columns) < width or columns[-1] < width - 1):
        return None  # a header of nothing
    heads = [cell.value or "" for cell in cells[:width]]
    names = {column: heads[column] if column < width else "" for column in columns}
    tails = _tails(names, lambda: len({cell.row for cell in told}))
    if tails is None:
        return None
    text = " ".join([*map(told_title, table.titles), _filled(told, tails) or " ".join(_grouped(told, tails))])
    return text, _omitted(table, width, names, len(marked)) if marked else Counter()


def _omitted(table: Table, width: int, names: dict[int, str], marked: int) -> Counter[str]:
    """What a table with so many highlighted cells leaves out, by role."""
    omitted: Counter[str] = Counter()
    if others := len(table.cells) - width - marked:
        omitted["cell"] = others
    if headless := width - len([name for name in names.values() if name]):
        omitted["header"] = headless
    return omitted


def _by_columns(table: Table, columns: Sequence[int]) -> Quick | None:
    """As `_by_rows`, of a full grid whose highlighted columns are known: no cell is looked at one by one."""
    cells, width, rows = table.cells, table.n_columns, table.n_rows - 1
    if rows < 2:
        return None
    names = {column: cells[column].value or "" for column in columns}
    tails = _tails(names, lambda: rows)
    if tails is None:
        return None
    values = [[cell.value for cell in cells[width + column :: width]] for column in columns]
    if not all(map(all, values)):
        return None
    between = _between(tails)
    parts: list[Any] = [None] * (2 * rows * len(columns))
    parts[::2] = between * rows
    for place, column in enumerate(values):
        parts[2 * place + 1 :: 2 * len(columns)] = column
    parts[0] = f"{GROUP} {CELL} "
    text = "".join(parts) + tails[columns[-1]]
    if text.count("<") != "".join(between).count("<") * rows:  # a value holds one, which must be escaped
        return None
    text = " ".join([*map(told_title, table.titles), text])
    return text, _omitted(table, width, names, rows * len(columns))


def _between(tails: dict[int, str]) -> list[str]:
    """What stands before each value of a line, the end of the value before it included."""
    *others, last = tails.values()
    return [f"{last} {GROUP} {CELL} ", *[f"{tail} {CELL} " for tail in others]]


def _tails(names: dict[int, str], rows: Callable[[], int]) -> dict[int, str] | None:
    """For each column what stands behind its cells' values; None where columns make the groups.

    Columns without a name, or with one that another has too, are numbered among themselves.
    """
    tails = {column: f" {HEADER} {escaped(name)}" if name else "" for column, name in names.items()}
    distinct = set(names.values())
    if len(names) < 2 or (len(distinct) == len(names) and "" not in distinct):
        return tails
    counts = Counter(names.values())
    if counts[""] > rows():
        return None
    unclear = [column for column, name in names.items() if not name or counts[name] > 1]
    for number, column in enumerate(unclear, start=1):
        tails[column] += f" {LINE} {number}"
    return tails


def _filled(told: Sequence[Cell], tails: dict[int, str]) -> str | None:
    """The groups' text at one stroke, where each row tells the same columns and nothing needs care; else None."""
    width = len(tails)
    # cells stand line by line: a run of `width` within one row tells `width` columns, and there are no others
    if len(told) % width or [c.row for c in told[::width]] != [c.row for c in told[width - 1 :: width]]:
        return None
    values = [cell.value for cell in told]
    if not all(values):
        return None
    parts: list[Any] = [None] * (2 * len(told))
    parts[::2] = _between(tails) * (len(told) // width)
    parts[1::2] = values
    parts[0] = f"{GROUP} {CELL} "
    return None if "<" in "".join(parts[1::2]) else "".join(parts) + list(tails.values())[-1]


def _grouped(told: Sequence[Cell], tails: dict[int, str]) -> list[str]:
    texts: list[str] = []
    add, row = texts.append, -1
    for cell in told:
        value = cell.value
        if cell.row != row:
            row = cell.row
            add(GROUP)
        if value and "<" not in value:
            add(f"{CELL} {value}{tails[cell.column]}")
        else:
            add(f"{_value(cell)}{tails[cell.column]}")
    return texts
