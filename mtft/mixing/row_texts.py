"""A row's own texts, by which it is recognised elsewhere: of the columns that its templates read, and no prompt."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtft.tasks import Task


def text_columns(task: Task) -> tuple[str, ...]:
    """The columns of a task's rows that its templates read, in order; of rows that came with their prompts, those."""
    if not task.templates:
        return ("inputs", "targets")
    return tuple(sorted(frozenset().union(*(template.fields() for template in task.templates))))


def texts_of(fields: Mapping[str, Any], columns: Iterable[str]) -> tuple[str, ...]:
    """The texts in some columns of a row, whatever lists and mappings they stand in."""
    return tuple(text for name in columns if name in fields for text in _texts(fields[name]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        for inner in value:
            yield from _texts(inner)


def normalised(text: str) -> str:
    """The text in NFKC and folded case."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
