"""The texts of the style `unified` for the layouts that most tables have, without a plan of what may be dropped.

What `unified.plan` says of these layouts, worked out in one pass over the cells; the tests compare the two on
every row of the datasets. Any other table, and any budget, is left to the plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mtft.structured.linearizers.marked import marked_text
from mtft.structured.linearizers.markup import NO_VALUE, escaped, tag
from mtft.structured.linearizers.unified import told_title
from mtft.structured.table import Cell, Table

CELL, HEADER, GROUP, LINE = map(tag, ("cell", "header", "group", "line"))
MAX_CELLS = 2**18  # far below the number of headers that the plan refuses
Quick = tuple[str, Counter[str]]  # the text, and what is omitted by role


def quick(table: Table) -> Quick | None:
    """The text and what it omits; None for a table that the plan must tell."""
    if len(table.cells) > MAX_CELLS:
        return None
    if table.kind != "table":
        loose = table.layout != "free" and not table.ordered_rows and not table.ordered_columns
        return _virtual(table) if loose else None
    if not (table.ordered_rows and table.ordered_columns):
        return None
    if table.layout == "rows" and not table.accumulated:
        made = (_by_columns(table, table.marked_columns) if table.marked_columns else None) or _by_rows(table)
        if made is not None:
            return made
    return marked_text(table)


def _virtual(table: Table) -> Quick | None:
    """Triples or slots: every cell with its headers, sorted by these and its value."""
    above: dict[int, str] = {}
    beside: dict[int, str] = {}
    data: list[Cell] = []
    if table.marked:
        return None
    for cell in table.cells:
        if cell.column_header:
            above[cell.column] = cell.value or ""
        elif cell.row_header:
            beside[cell.row] = cell.value or ""
        else:
            data.append(cell)
    if not (above.keys() <= {cell.column for cell in data} and beside.keys() <= {cell.row for cell in data}):
        return None  # a header of nothing
    told: list[tuple[str, str, str]] = []
    for cell in data:
        first, second = above.get(cell.column, ""), beside.get(cell.row, "")
        if not first or (second and second < first):
            first, second = second, first
        told.append((first, second, _value(cell)))
    told.sort()
    return " ".join([*map(told_title, table.titles), *_parts(told)]), Counter()


def _parts(told: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """The tagged value and headers of (header, header, value with its tag); the empty text is no header."""
    for first, second, value in told:
        yield value
        if first:
            yield f"{HEADER} {escaped(first)}"
        if second:
            yield f"{HEADER} {escaped(second)}"


def _value(cell: Cell) -> str:
    value = cell.value
    if value is None:
        return f"{CELL} {NO_VALUE}"
    return f"{CELL} {escaped(value)}" if value else CELL


def _by_rows(table: Table) -> Quick | None:
    """A header row and rows without names: a group for each row, its cells with their columns' headers."""
    cells, marked = table.cells, table.marked
    width = sum([cell.column_header for cell in cells[: table.n_columns]])
    told = marked or cells[width:]
    if not told or told[0].row == 0 or told[0].row == told[-1].row:
        return None  # a marked header, or no two rows
    columns = sorted({cell.column for cell in told})
    if not marked and (len(columns) < width or columns[-1] < width - 1):
        return None  # a header of nothing
    names = [cells[column].value or "" if column < width else "" for column in columns]
    tails = _tails(names, lambda: len({cell.row for cell in told}))
    if tails is None:
        return None
    text = _filled(told, tails) or " ".join(_grouped(told, dict(zip(columns, tails, strict=True))))
    omitted = _omitted(len(cells) - width - len(marked), width, names) if marked else Counter()
    return " ".join([*map(told_title, table.titles), text]), omitted


def _omitted(cells: int, headers: int, names: list[str]) -> Counter[str]:
    """What is left out, by role, where so many cells are, and of so many headers those of these names are told."""
    omitted: Counter[str] = Counter()
    if cells:
        omitted["cell"] = cells
    if headless := headers - len(names) + names.count(""):
        omitted["header"] = headless
    return omitted


def _by_columns(table: Table, columns: Mapping[int, Sequence[str]]) -> Quick | None:
    """As `_by_rows`, of a full grid whose highlighted columns are known: no cell is looked at one by one."""
    cells, width, rows = table.cells, table.n_columns, table.n_rows - 1
    names = [cells[column].value or "" for column in columns]
    tails = _tails(names, lambda: rows)
    if rows < 2 or tails is None or (text := _joined(list(columns.values()), tails)) is None:
        return None
    omitted = _omitted(rows * (width - len(columns)), width, names)
    return " ".join([*map(told_title, table.titles), text]), omitted


def _tails(names: Sequence[str], rows: Callable[[], int]) -> list[str] | None:
    """What stands behind the values of the columns of these names; None where columns make the groups.

    Columns without a name, or with one that another has too, are numbered among themselves.
    """
    tails = [f" {HEADER} {escaped(name)}" if name else "" for name in names]
    if len(names) < 2 or ("" not in names and len(set(names)) == len(names)):
        return tails
    counts = Counter(names)
    if counts[""] > rows():
        return None
    unclear = [place for place, name in enumerate(names) if not name or counts[name] > 1]
    for number, place in enumerate(unclear, start=1):
        tails[place] += f" {LINE} {number}"
    return tails


def _filled(told: Sequence[Cell], tails: Sequence[str]) -> str | None:
    """The groups' text at one stroke, where each row tells the same columns and nothing needs care; else None."""
    width = len(tails)
    # cells stand line by line: a run of `width` within one row tells `width` columns, and there are no others
    if len(told) % width or [c.row for c in told[::width]] != [c.row for c in told[width - 1 :: width]]:
        return None
    values = [cell.value for cell in told]
    return _joined([values[place::width] for place in range(width)], tails)


def _joined(columns: Sequence[Sequence[str | None]], tails: Sequence[str]) -> str | None:
    """The groups' text from the values of each column; None where one of these is empty or must be escaped."""
    rows, size = len(columns[0]), 2 * len(columns)
    between = [f"{tail} {CELL} " for tail in tails]
    between[-1] = f"{tails[-1]} {GROUP} {CELL} "
    parts: list[Any] = [None] * (rows * size)
    parts[1::2] = between * rows
    for place, values in enumerate(columns):
        if not all(values):
            return None
        parts[2 * place :: size] = values
    parts[-1] = tails[-1]
    text = "".join(parts)
    known = "".join(between).count("<") * rows - 2  # behind the last value there is no tag of another
    return f"{GROUP} {CELL} {text}" if text.count("<") == known else None


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
