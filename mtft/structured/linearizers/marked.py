"""The texts of the style `unified` for ordered tables with a few highlighted cells, whatever spans and heads them.

What `unified.plan` says of them, worked out from the highlighted cells alone and without a plan of what may be
dropped; the tests compare the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter

from mtft.structured.linearizers.markup import NO_VALUE, escaped, tag
from mtft.structured.linearizers.unified import told_title
from mtft.structured.linearizers.view import texts
from mtft.structured.table import Cell, Table

_CELL, _HEADER, _GROUP, _LINE = map(tag, ("cell", "header", "group", "line"))
MAX_LINES = 2**7  # rows, and columns, of the highlighted cells; more is left to the plan
MAX_PAIRS = 2**18  # highlighted cells times all: far below the number of headers that the plan refuses
_POSITION = attrgetter("row", "column")


def marked_text(table: Table) -> tuple[str, Counter[str]] | None:
    """The text and what it omits; None for a table that the plan must tell."""
    told = sorted(table.marked, key=_POSITION)
    if not told or len(told) * len(table.cells) > MAX_PAIRS:
        return None
    if max(sum([cell.row_span for cell in told]), sum([cell.column_span for cell in told])) > MAX_LINES:
        return None
    left, above = list(map(table.row_headers, told)), list(map(table.column_headers, told))
    names = list(map(texts, left)), list(map(texts, above))
    parts = _flat(told, *names) if _one_line(told, *names) else _arranged(told, *names)
    return " ".join([*map(told_title, table.titles), *parts]), _omitted(table, told, [*left, *above])


def _one_line(told: Sequence[Cell], left: Sequence[Sequence[str]], above: Sequence[Sequence[str]]) -> bool:
    """Whether the cells are data of one row, or of one column, each with a single name across it, all different."""
    if told[0].row == told[-1].row:  # they are sorted by their rows
        across = above
    elif len({cell.column for cell in told}) == 1:
        across = left
    else:
        return False
    for cell in told:
        if cell.column_header or cell.row_header or cell.row_span > 1 or cell.column_span > 1:
            return False
    return len(told) == 1 or len({names[0] for names in across if len(names) == 1}) == len(told)


def _flat(told: Sequence[Cell], left: Sequence[Sequence[str]], above: Sequence[Sequence[str]]) -> list[str]:
    """Each cell with all its headers."""
    return [
        _value(cell) + _headers([*beside, *over])
        for cell, beside, over in zip(told, left, above, strict=True)
    ]


class _Lines:
    """The rows, or the columns, of the cells to tell.

    Attributes:
        heads: For each cell its headers' texts in this direction.
        starts: For each cell its first line.
        members: For each line its cells, in order.
        unclear: The lines that no names tell from the others.
    """

    __slots__ = ("_names", "heads", "members", "starts", "unclear")

    def __init__(
        self,
        heads: Sequence[Sequence[str]],
        spans: Sequence[tuple[int, int]],
        own: Sequence[str | None],
    ) -> None:
        self.heads = heads
        self.starts = [start for start, _ in spans]
        self.members: dict[int, list[int]] = {}
        for index, (start, size) in enumerate(spans):
            for line in range(start, start + size):
                self.members.setdefault(line, []).append(index)
        pairs = zip(heads, own, strict=True)
        self._names = [frozenset(listed if name is None else [*listed, name]) for listed, name in pairs]
        several = len(self.members) > 1
        self.unclear = [line for line in sorted(self.members) if several and not self._clear(line)]

    def common(self, line: int) -> frozenset[str]:
        """The names that all cells of a line bear."""
        return frozenset.intersection(*[self._names[index] for index in self.members[line]])

    def _clear(self, line: int) -> bool:
        """Whether a line's cells bear names that no other cell bears all of."""
        common = self.common(line)
        return bool(common) and sum(map(common.issubset, self._names)) == len(self.members[line])

    @property
    def names(self) -> frozenset[str]:
        """All names of its lines."""
        return frozenset().union(*self._names)

    @property
    def nameless(self) -> int:
        """How many of its lines no name is told of."""
        return sum(not any(self._names[index] for index in inside) for inside in self.members.values())


def _arranged(
    told: Sequence[Cell], left: Sequence[Sequence[str]], above: Sequence[Sequence[str]]
) -> list[str]:
    """The cells in groups where headers do not tell everything."""
    rows = _Lines(
        left,
        [(cell.row, cell.row_span) for cell in told],
        [cell.text if cell.row_header else None for cell in told],
    )
    columns = _Lines(
        above,
        [(cell.column, cell.column_span) for cell in told],
        [cell.text if cell.column_header else None for cell in told],
    )
    if not rows.unclear and not columns.unclear:
        several = len(rows.members) > 1 and len(columns.members) > 1
        if not (several and rows.names & columns.names):
            return _flat(told, left, above)
    by_rows = (bool(rows.unclear), rows.nameless) >= (bool(columns.unclear), columns.nameless)
    return _grouped(told, rows, columns) if by_rows else _grouped(told, columns, rows)


def _grouped(told: Sequence[Cell], by: _Lines, other: _Lines) -> list[str]:
    """The cells grouped by one direction; lines of the other one that names leave unclear are numbered."""
    tails = [""] * len(told)
    for number, line in enumerate(other.unclear, start=1):
        for index in other.members[line]:
            tails[index] += f" {_LINE} {number}"
    parts = []
    for line in sorted(by.members):
        common = by.common(line)
        parts.append(_GROUP + _headers(common))
        for index in sorted(by.members[line], key=other.starts.__getitem__):
            own = [name for name in by.heads[index] if name not in common]
            parts.append(_value(told[index]) + _headers([*other.heads[index], *own]) + tails[index])
    return parts


def _value(cell: Cell) -> str:
    if cell.value is None:
        return f"{_CELL} {NO_VALUE}"
    return f"{_CELL} {escaped(cell.value)}" if cell.value else _CELL


def _headers(names: Iterable[str]) -> str:
    return "".join([f" {_HEADER} {escaped(name)}" for name in sorted(names)])


def _omitted(table: Table, told: Sequence[Cell], heads: Iterable[Sequence[Cell]]) -> Counter[str]:
    """What is not told, by role: cells that are not highlighted, and headers of no highlighted cell."""
    told_heads = {(head.row, head.column) for listed in heads for head in listed if head.value}
    told_heads |= {(cell.row, cell.column) for cell in told if cell.column_header or cell.row_header}
    omitted: Counter[str] = Counter()
    marked_heads = sum([cell.column_header or cell.row_header for cell in told])
    if others := len(table.cells) - len(table.heads) - len(told) + marked_heads:
        omitted["cell"] = others
    if headless := len(table.heads) - len(told_heads):
        omitted["header"] = headless
    return omitted
