"""Which records of a source a card takes: rows of a certain kind, and the best of each split."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from mtft.errors import TaskError
from mtft.tasks.context import Context, Fields, column
from mtft.tasks.raw import Record

LEFT_OUT = "left_out_by_card"


@dataclass(frozen=True)
class Keep:
    """Keeps the rows whose column holds something, or holds one of some values; the others are noted.

    Attributes:
        column: The column.
        values: As text; none given: anything that is neither missing nor empty.
    """

    SHORTHAND: ClassVar[str] = "column"

    column: str
    values: tuple[str, ...] = ()

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row, or nothing."""
        value = column(row, self.column)
        filled = value is not None and value not in ("", [], {})
        if (str(value) in self.values) if self.values else filled:
            yield row
        else:
            context.note(LEFT_OUT)


@dataclass(frozen=True)
class Best:
    """Of each split of each configuration, only the records with the largest scores.

    Attributes:
        column: The score, a number; a record without one ranks last.
        rows: How many.
    """

    column: str
    rows: int

    def check(self, where: str) -> None:
        """Checks what the types do not say.

        Raises:
            TaskError: No row would be left.
        """
        if self.rows < 1:
            raise TaskError("`best` must keep at least one row.", found=self.rows, where=where)

    def of(self, records: Iterable[Record], note: Callable[[Record], None]) -> Iterator[Record]:
        """The best records in the order they stand in, ties going to the earlier one; `note` gets the
        others.
        """
        # A heap of those kept so far, the one to give up first on top; holds `rows` records at a time.
        kept: list[tuple[float, int, Record]] = []
        for place, record in enumerate(records):
            ranked = (self._score(record), -place, record)
            if len(kept) < self.rows:
                heapq.heappush(kept, ranked)
            else:
                note(heapq.heappushpop(kept, ranked)[2])
        yield from (record for _, _, record in sorted(kept, key=lambda ranked: -ranked[1]))

    def _score(self, record: Record) -> float:
        try:
            score = float(record.values[self.column])
        except (KeyError, TypeError, ValueError):
            return float("-inf")
        return score if score == score else float("-inf")  # NaN would upset the heap's order
