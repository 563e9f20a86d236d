"""The closed form of a mixture: position → unit, row, and how often the row's unit was gone through before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtft.mixing.permutation import Words, mixed, permuted, stable_key
from mtft.mixing.phased_schedule import PhasedSchedule
from mtft.mixing.schedule import Integers, Schedule


class Order:
    """Which row of which unit stands at a position: arithmetic over weights and sizes, no list of rows.

    The schedule names the unit and the position's number within it; number k of a unit of n rows is row
    p(k mod n), where the permutation p is keyed by seed, unit and epoch k div n. So no row repeats before all
    of its unit's were used, and nothing as long as the rows is ever stored.

    Args:
        schedule: Of the units.
        sizes: (units,) int64, rows of each unit; at least 1 where it occurs.
        names: The units' names, which with the seed key their permutations.
        seed: Of the order.
    """

    def __init__(
        self, schedule: Schedule | PhasedSchedule, sizes: Integers, names: Sequence[str], seed: int
    ) -> None:
        self.schedule = schedule
        self.sizes = sizes
        self._keys = np.array([stable_key(seed, name) for name in names], dtype=np.uint64)

    def rows(self, positions: Integers) -> tuple[Integers, Integers, Integers]:
        """The unit at each position, the row's number within it, and the epoch; all (n,) int64."""
        unit, local = self.schedule.locate(positions)
        epoch, turn = np.divmod(local, self.sizes[unit])
        key = mixed(self._keys[unit] + mixed(epoch.astype(np.uint64)))
        return unit, permuted(turn, self.sizes[unit], key), epoch

    def draw(self, unit: Integers, row: Integers) -> Words:
        """A 64-bit word for each row, (n,) uint64: where the rotation of its templates begins."""
        return mixed(self._keys[unit] ^ mixed(row.astype(np.uint64)))
