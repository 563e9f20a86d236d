"""The texts that say what a row's structure says: which of them count, and what is taken out of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mtft.tasks.context import Context, Fields, RowError, column
from mtft.tasks.filtering import LEFT_OUT

SEPARATOR = "+"  # between the labels of a row whose references come from several datasets
NOT_COUNTED, EMPTY = "reference_left_out", "empty_reference"


def letters(text: str) -> str:
    """The text's letters and digits, case folded: `numberOfPages` and `NUMBER_OF_PAGES` are one."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


@dataclass(frozen=True)
class Copies:
    """Other datasets that some of a card's rows were taken from.

    Attributes:
        column: The column that labels where a row is from; several labels are joined by `+`.
        of: Label → the name of that dataset's task.
    """

    column: str
    of: dict[str, str]


@dataclass(frozen=True)
class References:
    """The references of a row: the `text` of each mapping in a list, those that do not count left out.

    A row that is left with none is left out. What was left out is noted.

    Attributes:
        column: The list of mappings; it is left out of the row.
        to: The column that receives the texts.
        where: Key of the mappings → the values that count; a mapping without the key does not.
        remove: Marks that are no part of the text; a space takes their place.
    """

    column: str = "texts"
    to: str = "references"
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    remove: tuple[str, ...] = ()

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with its references, or nothing."""
        found = []
        for each in column(row, self.column):
            if text := self._text(each, context):
                found.append(text)
        if not found:
            context.note(LEFT_OUT)
            return
        yield {**{name: value for name, value in row.items() if name != self.column}, self.to: found}

    def _text(self, each: Any, context: Context) -> str:
        if not isinstance(each, Mapping) or not isinstance(each.get("text"), str):
            raise RowError("malformed_row", f"`{self.column}` is no list of mappings with a `text`")
        if any(str(each.get(key)) not in values for key, values in self.where.items()):
            context.note(NOT_COUNTED)
            return ""
        text: str = each["text"]
        for mark in self.remove:
            text = " ".join(text.replace(mark, " ").split())
        if not text.strip():
            context.note(EMPTY)
        return text.strip()
