"""Which header cells head a cell, along one axis."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtft.structured.table import Cell

# Of a cell: where it lies along a line's breadth, [first line, lines]; where along its length, and how long it is.
_DOWN = attrgetter("column", "column_span"), attrgetter("row"), attrgetter("row_span")
_RIGHT = attrgetter("row", "row_span"), attrgetter("column"), attrgetter("column_span")


class Heads:
    """The header cells over every line (a column, or a row) of a table.

    A run of headers heads what follows it, until a run that begins at the same line with the same width:
    a header row in the middle of a table replaces the one above it, and a wide one that only divides the
    table into sections comes on top of it. With `accumulated`, all headers further up count.

    Source: HTML Living Standard, 4.9.12.2 "Forming relationships between data cells and header cells"
    (opaque headers), of which this is the part without `scope` and `headers` attributes.

    Args:
        cells: The headers.
        down: Whether lines are columns; otherwise they are rows, read from left to right.
        accumulated: Whether nearer headers leave the further ones in force.
    """

    def __init__(self, cells: Iterable[Cell], *, down: bool, accumulated: bool) -> None:
        self._line, self._start, self._depth = _DOWN if down else _RIGHT
        self._accumulated = accumulated
        self._lines: dict[int, list[Cell]] = {}
        for cell in sorted(cells, key=self._start):
            line, width = self._line(cell)
            for each in range(line, line + width):
                self._lines.setdefault(each, []).append(cell)
        self._ends: dict[int, list[int]] = {}
        self._runs: dict[int, tuple[list[int], list[list[Cell]]]] = {}
        self._found: dict[tuple[int, int], tuple[Cell, ...]] = {}

    def of(self, cell: Cell) -> tuple[Cell, ...]:
        """The headers of a cell, from the furthest to the nearest."""
        if not self._lines:
            return ()
        line, width = self._line(cell)
        start = self._start(cell)
        if width == 1:
            return self._over(line, start)
        over = {id(head): head for each in range(line, line + width) for head in self._over(each, start)}
        return tuple(sorted(over.values(), key=lambda c: (self._start(c), self._line(c)[0])))

    def _over(self, line: int, start: int) -> tuple[Cell, ...]:
        heads = self._lines.get(line)
        if heads is None:
            return ()
        ends = self._ends.get(line)
        if ends is None:
            ends = self._ends[line] = list(map(self._end, heads))
        count = len(ends) if ends[-1] <= start else bisect_right(ends, start)
        found = self._found.get((line, count))
        if found is None:
            whole = self._accumulated or count < 2
            found = tuple(heads[:count] if whole else self._in_force(line, heads, count))
            self._found[line, count] = found
        return found

    def _in_force(self, line: int, heads: list[Cell], count: int) -> list[Cell]:
        """The headers in force behind the first `count` of a line: its last run, and what that leaves of others."""
        if line not in self._runs:
            self._runs[line] = self._split(heads)
        begins, forces = self._runs[line]
        at = bisect_right(begins, count - 1) - 1
        return self._behind(forces[at], heads[begins[at] : count])

    def _split(self, heads: list[Cell]) -> tuple[list[int], list[list[Cell]]]:
        """Where each run of adjacent headers begins, and what is in force before it."""
        begins = [n for n, head in enumerate(heads) if not n or self._end(heads[n - 1]) != self._start(head)]
        forces: list[list[Cell]] = [[]]
        for begin, end in pairwise(begins):
            forces.append(self._behind(forces[-1], heads[begin:end]))
        return begins, forces

    def _behind(self, before: list[Cell], run: list[Cell]) -> list[Cell]:
        replaced = set(map(self._line, run))
        return [head for head in before if self._line(head) not in replaced] + run

    def _end(self, cell: Cell) -> int:
        end: int = self._start(cell) + self._depth(cell)
        return end
