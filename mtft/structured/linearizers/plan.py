"""A text in pieces that can be left out one by one, so that a budget never cuts inside a cell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mtft.structured.table import Table

# When an item goes where there is no room: lower ranks first, within a rank the farthest, then the last told.
SECTION_TEXT, CONTEXT, HEADER, TOLD, TITLE = range(5)


class Item(NamedTuple):
    """What is dropped as one: a cell or a title.

    Attributes:
        role: Under what a drop is counted: `cell`, `context_cell`, `header`, or a title's role.
        rank: When it goes.
        distance: From the nearest highlighted cell, in rows plus columns.
    """

    role: str
    rank: int
    distance: int = 0


@dataclass(slots=True)
class Piece:
    """Text that stands while one of its items is kept.

    Attributes:
        text: The text.
        items: Indices of the items.
        hole: Whether an empty text stays in its place.
    """

    text: str
    items: tuple[int, ...]
    hole: bool = False


@dataclass(slots=True)
class Group:
    """Pieces with a frame, which stands while a piece of it does.

    Attributes:
        parts: Pieces and groups.
        before: The frame's beginning.
        after: The frame's end.
        separator: Between two parts.
        always: Whether the frame stands even when it is empty.
    """

    parts: Sequence[Piece | Group]
    before: str = ""
    after: str = ""
    separator: str = " "
    always: bool = False

    def text(self, dropped: Collection[int] = ()) -> str | None:
        """The text without the dropped items; None where nothing stands."""
        if not dropped:
            return self._whole()
        texts: list[str] = []
        holes = 0  # a hole counts only before something that stands
        for part in self.parts:
            text = _part_text(part, dropped)
            if text is None:
                holes += isinstance(part, Piece) and part.hole
            else:
                texts += [*([""] * holes), text]
                holes = 0
        return self._framed(texts) if texts or self.always else None

    def _whole(self) -> str | None:
        """The text with nothing dropped; a group without parts is none."""
        texts = [p.text if isinstance(p, Piece) else p._whole() for p in self.parts]
        if not texts and not self.always:
            return None
        return self._framed([text for text in texts if text is not None])

    def _framed(self, texts: Sequence[str]) -> str:
        inner = self.separator.join(texts)
        if not self.before and not self.after:
            return inner
        return " ".join([text for text in (self.before, inner, self.after) if text])


def _part_text(part: Piece | Group, dropped: Collection[int]) -> str | None:
    if isinstance(part, Group):
        return part.text(dropped)
    return None if dropped and all(item in dropped for item in part.items) else part.text


@dataclass(slots=True)
class Plan:
    """How a style tells a table.

    Attributes:
        items: What can be dropped, in the order it is told.
        root: The text.
        omitted: Counts by role what the style leaves out by its nature.
    """

    items: list[Item]
    root: Group
    omitted: Callable[[], Mapping[str, int]] = dict

    def text(self, dropped: Collection[int] = ()) -> str:
        """The text without the dropped items."""
        return self.root.text(dropped) or ""

    def drop_order(self) -> list[int]:
        """The items' indices, the one that goes first before all others."""
        items = self.items
        return sorted(range(len(items)), key=lambda i: (items[i].rank, -items[i].distance, -i))

    def costs(self) -> list[str]:
        """For each item the text that goes with it."""
        texts: list[list[str]] = [[] for _ in self.items]
        for piece in _pieces(self.root):
            if piece.items:
                texts[piece.items[0]].append(piece.text)
        return [" ".join(parts) for parts in texts]


def _pieces(group: Group) -> Iterable[Piece]:
    for part in group.parts:
        if isinstance(part, Group):
            yield from _pieces(part)
        else:
            yield part


@dataclass(frozen=True, slots=True)
class Linearizer:
    """A style.

    Attributes:
        name: What configurations and templates call it.
        version: Raised when the same table gets another text.
        plan: What it makes of a table.
        tags: Every tag that it may write, to be added to a tokenizer.
    """

    name: str
    version: int
    plan: Callable[[Table], Plan]
    tags: tuple[str, ...] = ()
