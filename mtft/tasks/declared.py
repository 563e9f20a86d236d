"""What is known of a dataset without reading it, and from where."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import ClassVar

from mtft.errors import TaskError, nearest

UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Stated:
    """Where something is known from.

    Attributes:
        source: Repository and commit, paper, or "real rows"; `unverified` where nothing confirms it.
    """

    SHORTHAND: ClassVar[str] = "source"

    source: str = UNVERIFIED

    @property
    def verified(self) -> bool:
        """Whether a source confirms it."""
        return self.source != UNVERIFIED


@dataclass(frozen=True)
class Sizes(Stated):
    """Numbers of rows as published; never estimated, a split that is not named has an unknown size.

    Attributes:
        rows: `split`, for every configuration alike, or `config/split` → rows.
    """

    rows: dict[str, int] = field(default_factory=dict)

    def of(self, config: str, split: str) -> int | None:
        """Rows of a configuration's split; None for unknown."""
        return self.rows.get(f"{config}/{split}", self.rows.get(split))


@dataclass(frozen=True)
class Declared:
    """What a card says of its data before any is read.

    Attributes:
        id: Where the source's id and configurations are known from.
        columns: Where the columns are known from.
        sizes: Rows per split.
    """

    id: Stated = field(default_factory=Stated)
    columns: Stated = field(default_factory=Stated)
    sizes: Sizes = field(default_factory=Sizes)

    def check(self, configs: Collection[str], splits: Collection[str], where: str) -> None:
        """Checks what the types do not say.

        Raises:
            TaskError: A size is negative, names no split, or has no source.
        """
        if self.sizes.rows and not self.sizes.verified:
            raise TaskError(
                "Sizes must say their source; nothing is estimated.",
                found=", ".join(self.sizes.rows),
                where=where,
                remedy="Give `source: <repository and commit, or paper>`, or leave the rows out.",
            )
        names = {*splits, *(f"{config}/{split}" for config in configs for split in splits)}
        for name, rows in self.sizes.rows.items():
            if name not in names:
                rule = "Sizes must be given for `split` or `config/split`."
                raise TaskError(rule, found=f"`{name}`", where=where, remedy=nearest(name, names))
            if rows < 0:
                raise TaskError("A size must not be negative.", found=f"{rows} rows of `{name}`", where=where)
