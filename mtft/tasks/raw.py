"""What readers of files and hubs hand over: a record with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Record(NamedTuple):
    """One record of a file, before the card's transforms.

    Attributes:
        values: Column name to value.
        number: 0-based number within its file, malformed records counted, so that it does not shift.
        where: File and line, `afrisenti/orm/dev.tsv:17`, or file and record, `xquad/en/test.json#3`.
    """

    values: dict[str, Any]
    number: int
    where: str


# reason, where, message: called for each record that cannot be read
Drop = Callable[[str, str, str], None]
