"""The guard of the division: what is trained on shares no item with what is validated or reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mtft.mixing.shard_writer import group_hash
from mtft.tasks import SIDES, Problems, Side

if TYPE_CHECKING:
    from mtft.tasks import Sources, Task

Groups = npt.NDArray[np.uint64]

EVALUATION_SIDES: tuple[Side, ...] = ("validation", "test")


def item_groups(task: Task, side: Side, sources: Sources) -> Iterator[str]:
    """The item group of every row on one side of a cell; malformed rows are the build's to count."""
    for row in task.rows(side, sources, Problems()):
        yield row.item_group


def evaluation_groups(tasks: Iterable[Task], sources: Sources) -> Groups:
    """Hashes of all item groups on the validation and test sides of some cells, sorted, each once."""
    seen: set[str] = set()
    for task in tasks:
        for side in EVALUATION_SIDES:
            seen.update(item_groups(task, side, sources))
    return np.array(sorted(map(group_hash, seen)), dtype=np.uint64)


def groups_on_two_sides(tasks: Iterable[Task], sources: Sources) -> dict[str, list[str]]:
    """The item groups that stand on more than one side, over all cells together, with the places; empty when
    all is well.

    Example: `{"nusax:7": ["nusax_mt:en-id/train", "nusax_senti:id/test"]}`.
    """
    places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for task in tasks:
        for side in SIDES:
            for group in set(item_groups(task, side, sources)):
                places[group][side].append(f"{task.key}/{side}")
    return {
        group: [place for found in sides.values() for place in found]
        for group, sides in places.items()
        if len(sides) > 1
    }
