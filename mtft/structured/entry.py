"""One item of a dataset of structures and texts, and what becomes of one that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mtft.errors import StructureError
from mtft.structured.table import Table

# Called with the error of an item that cannot be read; the item is left out.
Skip = Callable[[StructureError], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class Entry:
    """A structure with the texts that tell it.

    Attributes:
        table: The structure.
        references: The texts, as they stand in the file.
        id: The file's own name for the item, else its place there; unique within its file only.
        category: The file's category, where it gives one.
        size: Number of triples, slots or rows, as the file counts them or else as counted.
        comments: A judgement per reference (`good`, `toFix`, `bad`), where the file gives them.
        sources: Where each reference comes from, where the file says so.
        languages: The language of each reference, where the file says so.
        extra: The file's other fields, as they stand there.
    """

    table: Table
    references: tuple[str, ...]
    id: str
    category: str | None = None
    size: int | None = None
    comments: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def each(
    items: Iterable[tuple[object, Item]],
    read: Callable[[object, Item], Result],
    shown: object,
    skip: Skip | None,
) -> Iterator[Result]:
    """What is read of (place, item) pairs; an item that cannot be read goes to `skip`, or is raised.

    Args:
        items: What the file holds, each with its place there.
        read: Makes of place and item what is wanted, mostly an entry.
        shown: The file, for messages.
        skip: Who hears of items that cannot be read.
    """
    for place, item in items:
        try:
            made = read(place, item)
        except StructureError as error:
            located = _located(error, f"{shown}#{place}")
            if skip is None:
                raise located from error
            skip(located)
            continue
        yield made


def _located(error: StructureError, where: str) -> StructureError:
    inner = f"{where}, {error.where}" if error.where is not None else where
    return StructureError(error.rule, found=error.found, where=inner, remedy=error.remedy)


def text(record: Mapping[str, Any], key: str) -> str:
    """The text under a key.

    Raises:
        StructureError: There is none.
    """
    value = record.get(key)
    if not isinstance(value, str):
        found = f"{value!r:.80}" if key in record else "no such field"
        raise StructureError(f"`{key}` must be text.", found=found)
    return value
