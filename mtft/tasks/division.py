"""Which side of the division an item stands on: train, validation or test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

from mtft.errors import TaskError, nearest

Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = ("train", "validation", "test")


def fraction(salt: str, text: str) -> float:
    """A number in [0, 1) that follows from the text alone, uniform over texts."""
    digest = blake2b(f"{salt}\0{text}".encode(), digest_size=8).digest()
    # 53 bits are what a float holds exactly, so the result never rounds up to 1.
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def side_of(item_group: str, shares: Mapping[str, float]) -> Side:
    """The side of an item, the same in every language, dataset and process.

    Train grows from 0 upwards, test from 1 downwards and validation lies between: a set with a larger share
    has all that a sibling with a smaller one has.

    Args:
        item_group: The item.
        shares: Side → share; they add up to 1.
    """
    place = fraction("side", item_group)
    if place < shares.get("train", 0.0):
        return "train"
    return "test" if place >= 1 - shares.get("test", 0.0) else "validation"


def draw_groups(groups: Iterable[str], count: int) -> frozenset[str]:
    """The `count` groups with the smallest hashes: siblings that share items draw the same ones."""
    return frozenset(sorted(set(groups), key=lambda group: fraction("draw", group))[:count])


@dataclass(frozen=True)
class Pin:
    """Rows that stand on one side whatever their hash.

    Attributes:
        column: A column of the row, or `split`.
        values: Its values that are pinned.
        side: Where to.
    """

    column: str
    values: tuple[str, ...]
    side: str


@dataclass(frozen=True)
class Division:
    """How a card's rows are dealt to the three sides.

    Attributes:
        kind: `published`: whole splits; `hash`: by hash of the item group.
        sides: Published: side → splits.
        exclusive: Published: a group that stands on several sides stays on the last of train, validation,
            test.
        splits: Hash: the splits that are divided; all where none are named.
        shares: Hash: side → share.
        pinned: Hash: exceptions, the first that matches holds.
    """

    kind: str = "published"
    sides: dict[str, tuple[str, ...]] = field(default_factory=dict)
    exclusive: bool = False
    splits: tuple[str, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)
    pinned: tuple[Pin, ...] = ()

    def check(self, splits: Iterable[str], where: str) -> None:
        """Checks the division against the card's splits.

        Raises:
            TaskError: A kind, side or split is unknown, or the shares do not add up to 1.
        """
        known = list(splits)
        named = [*self.splits, *(split for group in self.sides.values() for split in group)]
        for name, options, what in (
            *((self.kind, KINDS, "kind"),),
            *(
                (side, SIDES, "side")
                for side in (*self.sides, *self.shares, *(pin.side for pin in self.pinned))
            ),
            *((split, known, "split") for split in named),
        ):
            if name not in options:
                rule = f"A division's {what} must be known."
                raise TaskError(rule, found=f"`{name}`", where=where, remedy=nearest(name, options))
        if self.kind == "hash" and (
            abs(sum(self.shares.values()) - 1) > 1e-9 or min(self.shares.values()) < 0
        ):
            raise TaskError("A division's shares must add up to 1.", found=self.shares, where=where)

    def splits_of(self, side: str, splits: Iterable[str]) -> tuple[str, ...]:
        """The published splits that may hold rows of a side."""
        if self.kind == "hash":
            return self.splits or tuple(splits)
        return self.sides.get(side, ()) if self.sides else tuple(split for split in splits if split == side)

    def pinned_side(self, values: Mapping[str, Any]) -> str | None:
        """The side that a row is pinned to, if it is; `values` are all its columns and its `split`.

        Raises:
            KeyError: A pin's column is not there; silence would deal the row by its hash.
        """
        sides = [pin.side for pin in self.pinned if str(values[pin.column]) in pin.values]
        return sides[0] if sides else None

    def place(self, item_group: str, side: str, pinned: str | None) -> str:
        """The side of a row that was read for `side`."""
        if self.kind == "published":
            return side
        return pinned or side_of(item_group, self.shares)


KINDS = ("published", "hash")
