"""A transform for files that hold both directions of a pair of languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mtft import languages
from mtft.tasks.context import Context, Fields, column

OTHER_DIRECTION = "other_direction"


@dataclass(frozen=True)
class Direction:
    """Keeps the rows of the configuration's direction; the others are noted.

    Writes English names as `source_language`, `target_language`. A configuration without a `source` is of one
    language, and keeps all its rows.

    Attributes:
        source: The column with the code of the language that a row reads.
        target: The column with the code of the one that it writes.
    """

    source: str
    target: str

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with its languages' names, or nothing."""
        target = str(context.variant.language)
        source = context.variant.source or target
        codes = column(row, self.source), column(row, self.target)
        if context.variant.source and codes != (source, target):
            context.note(OTHER_DIRECTION)
            return
        names = {"source_language": languages.get(source).name, "target_language": languages.get(target).name}
        yield {**row, **names}
