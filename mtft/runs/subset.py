"""Some of a mixture's tasks alone, in the order in which the whole mixture has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mtft.errors import ConfigError, nearest
from mtft.mixing import Mixture, MixtureCells, OverlapIndex, beyond_bound
from mtft.mixing.overlap_build import overlap_index
from mtft.tasks import Example

Positions = npt.NDArray[np.int64]
_AT_ONCE = 8192


def check_tasks(cells: MixtureCells, tasks: Sequence[str]) -> list[str]:
    """The task of each cell that a mixture trains on, in its order.

    Raises:
        ConfigError: One of `tasks` is not among them.
    """
    trained = [cell.task.name for cell in cells.train]
    for name in tasks:
        if name not in trained:
            raise ConfigError(
                "A run's tasks must be trained by its mixture.",
                found=name,
                remedy=nearest(name, sorted(set(trained))),
            )
    return trained


class TaskSubset:
    """A mixture without its other tasks: position n is the n-th of the mixture that holds one of these tasks.

    So a run on some tasks meets the same examples of them, in the same order, as a run on the whole mixture. With
    `rows_per_step` it meets them in the same steps: step k holds what positions k R to (k + 1) R of the mixture,
    R = `rows_per_step`, have of these tasks, which may be nothing.

    Example: a mixture that begins with `nli qa nli topic qa` begins as `nli nli topic` without `qa`.

    Args:
        mixture: The mixture.
        tasks: Names of the tasks to keep.
        rows_per_step: Of the whole mixture's steps; None leaves it to the settings how many rows make a step.

    Attributes:
        share: Of the mixture's positions that are kept.

    Raises:
        ConfigError: The mixture does not train on a task of that name.
    """

    def __init__(self, mixture: Mixture, tasks: Sequence[str], rows_per_step: int | None = None) -> None:
        trained = check_tasks(mixture.built.cells, tasks)
        self._mixture, self.tasks = mixture, tuple(sorted(set(tasks)))
        self._units = np.flatnonzero(np.isin(trained, self.tasks))
        self.share = float(mixture.shares[self._units].sum() / mixture.shares.sum())
        if not self.share > 0:
            raise ConfigError("A run's tasks must have rows to train on.", found=f"none of {self.tasks}")
        if rows_per_step is not None and rows_per_step < 1:
            raise ConfigError("A step of a mixture has rows.", found=f"{rows_per_step} rows per step")
        self.rows_per_step = rows_per_step
        self._kept = np.empty(0, dtype=np.int64)
        self._seen = 0

    def __len__(self) -> int:
        """Rows of one pass over the kept tasks."""
        return int(self._mixture.sizes[self._units].sum())

    @property
    def fingerprint(self) -> str:
        """The mixture's, with the tasks that are left of it."""
        return f"{self._mixture.fingerprint}-only-{'-'.join(self.tasks)}"

    @property
    def parts(self) -> dict[str, Any]:
        """What the fingerprint stands for; see `Mixture.parts`."""
        return {**self._mixture.parts, "only these tasks": list(self.tasks)}

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        """See `Mixture.groups`."""
        return {cell: name for cell, name in self._mixture.groups(by).items() if cell[0] in self.tasks}

    def places(self, positions: Positions) -> Positions:
        """Where in the mixture these positions stand, (n,) int64."""
        last = int(np.max(positions, initial=-1))
        while len(self._kept) <= last:
            self._look_on()
        return self._kept[np.asarray(positions, dtype=np.int64)]

    @property
    def steps_identity(self) -> str | None:
        """What the rows of its steps follow from; None where the settings say how many make one."""
        return None if self.rows_per_step is None else f"its tasks' of {self.rows_per_step}"

    def step_starts(self, steps: int) -> Positions:
        """The position that each step begins with, and the end of the last, (steps + 1,) int64; see `UnevenPlan`.

        Raises:
            ConfigError: None of the steps has a row.
        """
        assert self.rows_per_step is not None
        ends = np.arange(steps + 1, dtype=np.int64) * self.rows_per_step
        while self._seen < ends[-1]:
            self._look_on()
        starts = np.searchsorted(self._kept, ends).astype(np.int64)
        if not starts[-1]:
            raise ConfigError(
                "A run's tasks must have rows in its steps.",
                found=f"none of {', '.join(self.tasks)} in {steps} steps of {self.rows_per_step} rows of the mixture",
                remedy="Raise --max_steps or the rows per step.",
            )
        return starts

    def manifest(self, n_positions: int | None = None) -> dict[str, Any]:
        """The mixture's record with the tasks that are left of it; see `Mixture.manifest`, and `only_tasks`."""
        count = len(self) if n_positions is None else n_positions
        whole = self._mixture.manifest(self._reach(count))
        units = [unit for unit in whole["units"] if unit["task"] in self.tasks]
        dropped = sum((Counter(unit["dropped"]) for unit in units), Counter())
        return {
            **whole,
            "fingerprint": self.fingerprint,
            "only_tasks": list(self.tasks),
            "n_positions": count,
            **{name: sum(unit[name] for unit in units) for name in ("rows", "examples", "truncated")},
            "dropped": dict(dropped),
            "units": [{**unit, "share": unit["positions"] / max(1, count)} for unit in units],
        }

    def overlap(self) -> OverlapIndex:
        """Hashes of the text of the kept tasks' rows; see `Mixture.overlap`."""
        built, index = self._mixture.built, self._mixture.index
        shards = [built.shards[unit] for unit in self._units.tolist()]
        units = [index.units[unit] for unit in self._units.tolist()]
        return overlap_index(shards, units, built.folder, name=built.spec.name)

    def describe(self, n_positions: int | None = None) -> str:
        """The mixture's tree and proportions up to where this part of it reaches, and which tasks train."""
        count = len(self) if n_positions is None else n_positions
        told = self._mixture.describe(self._reach(count))
        return f"{told}\nOnly these tasks train: {', '.join(self.tasks)} ({count:,} of these positions)."

    def check_repetition(self, n_positions: int) -> None:
        """See `Mixture.check_repetition`: of the kept tasks, in as many positions of the mixture as hold these."""
        if error := beyond_bound(self._mixture, self._reach(n_positions), self._units):
            raise error

    def _reach(self, count: int) -> int:
        """Positions of the mixture that hold the first `count` kept ones."""
        return int(self.places(np.array([count - 1]))[0]) + 1 if count else 0

    def _look_on(self) -> None:
        """Find the kept ones among the next positions of the mixture."""
        units, _, _ = self._mixture.at(np.arange(self._seen, self._seen + _AT_ONCE))
        found = np.flatnonzero(np.isin(units, self._units)) + self._seen
        self._kept = np.concatenate([self._kept, found])
        self._seen += _AT_ONCE

    def examples(self, positions: Positions) -> list[Example]:
        """The examples at these positions."""
        return self._mixture.examples(self.places(positions))

    def lengths(self, positions: Positions) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Tokens of prompts and targets at these positions; see `Mixture.lengths`."""
        return self._mixture.lengths(self.places(positions))
