"""What a transform is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mtft.errors import nearest
from mtft.tasks.source import Variant

Fields = dict[str, Any]


class RowError(Exception):
    """A row that breaks a rule: dropped and counted under `reason`.

    Args:
        reason: The code to count.
        message: What was found.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Context:
    """What a transform may know beside the row.

    Attributes:
        variant: The configuration.
        labels: The card's label names.
        table: (configuration, column) → the same split's raw records of another configuration, by a
            column's value.
        note: Counts something put right, by its reason.
    """

    variant: Variant
    labels: tuple[str, ...]
    table: Callable[[str, str], Mapping[str, Fields]]
    note: Callable[[str], None]


class Transform(Protocol):
    """A change to rows, built from the card's settings."""

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The rows that a row becomes."""
        ...


def column(row: Fields, name: str) -> Any:
    """The value of a column.

    Raises:
        RowError: The row has no such column; the nearest are named.
    """
    if name not in row:
        raise RowError("missing_column", f"no column `{name}`. {nearest(name, row)}")
    return row[name]
