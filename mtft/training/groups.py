"""What balancing and diagnostics treat as one: a task, a language or a task cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtft.errors import ConfigError
from mtft.training.guards import check_choice

GROUPINGS = ("task", "language", "cluster")
NO_GROUP = -1


@dataclass(frozen=True)
class Groups:
    """The groups of a mixture, all known before the first step.

    Attributes:
        by: One of `GROUPINGS`.
        names: In alphabetical order; a group's number is its place.
        of_cell: (task, language) to the group's number.
    """

    by: str
    names: tuple[str, ...]
    of_cell: Mapping[tuple[str, str], int]

    def numbers(self, tasks: Sequence[str], languages: Sequence[str]) -> list[int]:
        """The group of each example, `NO_GROUP` where the task's name is empty.

        Example: with groups `nli` and `qa`, tasks `["qa", "", "nli"]` give `[1, -1, 0]`.
        """
        cells = zip(tasks, languages, strict=True)
        return [self.of_cell[cell] if cell[0] else NO_GROUP for cell in cells]


def groups_of(source: Any, by: str) -> Groups:
    """The groups that a mixture's examples fall into.

    Args:
        source: A mixture, or another source with `groups(by)`: (task, language) to the group's name.
        by: One of `GROUPINGS`.

    Raises:
        ConfigError: The source does not tell its groups, or the grouping is unknown.
    """
    check_choice("balance_by", by, GROUPINGS)
    if not callable(getattr(source, "groups", None)):
        raise ConfigError(
            "What treats tasks apart needs a source that knows its tasks before the first step.",
            found=f"a {type(source).__name__} without `groups`",
            remedy="Train on a mixture, or give the source a `groups(by)`.",
        )
    named: Mapping[tuple[str, str], str] = source.groups(by)
    names = tuple(sorted(set(named.values())))
    places = {name: place for place, name in enumerate(names)}
    return Groups(by, names, {cell: places[name] for cell, name in named.items()})
