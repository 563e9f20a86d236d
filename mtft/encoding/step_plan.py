"""Which rows make which optimiser step, and which process and micro-batch gets each: arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mtft.errors import ConfigError

Positions = npt.NDArray[np.int64]

EMPTY = -1


@dataclass(frozen=True)
class StepPlan:
    """The rows of every optimiser step, as positions of the schedule.

    Step s takes positions s * rows_per_step up to (s + 1) * rows_per_step. How many processes share them
    and in how many micro-batches changes nothing about which rows a step learns from.

    Attributes:
        rows_per_step: Rows of one optimiser step over all processes.
        total_rows: Where the schedule ends, or None when it does not; the last step may be short.

    Raises:
        ConfigError: A count is below one.
    """

    rows_per_step: int
    total_rows: int | None = None

    def __post_init__(self) -> None:
        if self.rows_per_step < 1 or (self.total_rows is not None and self.total_rows < 1):
            raise ConfigError(
                "A step plan needs at least one row per step and one row in all.",
                found=f"rows_per_step={self.rows_per_step}, total_rows={self.total_rows}",
            )

    @property
    def steps(self) -> int | None:
        """Optimiser steps in all, or None without an end."""
        return None if self.total_rows is None else -(-self.total_rows // self.rows_per_step)

    @property
    def identity(self) -> str:
        """What a resumed run must share."""
        return str(self.rows_per_step)

    def rows(self, steps: int) -> int:
        """Rows of the first `steps` steps."""
        rows = steps * self.rows_per_step
        return rows if self.total_rows is None else min(rows, self.total_rows)

    def positions(self, step: int) -> Positions:
        """The positions of one step, (rows,) int64; fewer than `rows_per_step` in a short last step."""
        first = step * self.rows_per_step
        last = first + self.rows_per_step
        if self.total_rows is not None:
            last = min(last, self.total_rows)
        return np.arange(first, max(first, last), dtype=np.int64)

    def deal(self, step: int, *, processes: int, accumulation: int, micro_batch: int) -> Positions:
        """The step's positions dealt out, (accumulation, processes, micro_batch) int64, -1 for an empty slot.

        Rows go round the processes first, then round the micro-batches, so a short step leaves each of
        them about equally empty.

        Example: `StepPlan(8, total_rows=5).deal(0, processes=2, accumulation=2, micro_batch=2)` is

            micro-batch 0: process 0 [0,  4]   process 1 [1, -1]
            micro-batch 1: process 0 [2, -1]   process 1 [3, -1]

        Raises:
            ConfigError: The slots do not hold the rows of a step.
        """
        slots = processes * accumulation * micro_batch
        if slots < self.rows_per_step:
            raise ConfigError(
                "Processes x accumulation x micro-batch must hold the rows of one step.",
                found=f"{processes} x {accumulation} x {micro_batch} = {slots} < {self.rows_per_step}",
                remedy="Raise the gradient accumulation or the batch size per device.",
            )
        dealt: Positions = np.full(slots, EMPTY, dtype=np.int64)
        positions = self.positions(step)
        dealt[: len(positions)] = positions
        shared: Positions = dealt.reshape(micro_batch, accumulation, processes).transpose(1, 2, 0)
        return shared


class UnevenPlan(StepPlan):
    """Steps of so many rows each, none where a step has none; all slots of such a step are empty.

    Example: `UnevenPlan(np.array([0, 2, 2, 3]), "the task's")` has the steps [0, 1], [] and [2].

    Args:
        starts: (steps + 1,) int64, ascending from 0: the position that each step begins with, and the end.
        identity: What the starts follow from, whatever their number.

    Attributes:
        rows_per_step: The most of any step.

    Raises:
        ConfigError: No step has a row.
    """

    def __init__(self, starts: Positions, identity: str) -> None:
        super().__init__(int(np.diff(starts).max(initial=0)), int(starts[-1]))
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_identity", identity)

    _starts: Positions
    _identity: str

    @property
    def identity(self) -> str:
        """As given."""
        return self._identity

    @property
    def steps(self) -> int:
        """Steps in all, those without a row included."""
        return len(self._starts) - 1

    def rows(self, steps: int) -> int:
        """Rows of the first `steps` steps."""
        return int(self._starts[min(steps, self.steps)])

    def positions(self, step: int) -> Positions:
        """The positions of one step, (rows,) int64, perhaps none."""
        if step >= self.steps:
            return np.empty(0, dtype=np.int64)
        return np.arange(self._starts[step], self._starts[step + 1], dtype=np.int64)


def accumulation_for(rows_per_step: int, *, processes: int, micro_batch: int) -> int:
    """The fewest micro-batches per process that hold the rows of one step.

    Example: 20 rows on 2 processes with micro-batches of 4 need 3.
    """
    return -(-rows_per_step // (processes * micro_batch))
