"""What a report of trajectories is made from, as plain data."""

from __future__ import annotations

from typing import NamedTuple


class TrackedValue(NamedTuple):
    """One measured number of a run; see docs/trajectories.md."""

    step: int
    task: str
    quantity: str
    other: str
    value: float


class TrackedRun(NamedTuple):
    """One run's measurements.

    Attributes:
        name: The run's.
        kind: `single` or `multi`.
        seed: The run's.
        values: All of them.
    """

    name: str
    kind: str
    seed: int
    values: tuple[TrackedValue, ...]

    def series(self, task: str, quantity: str, other: str | None = None) -> list[tuple[int, float]]:
        """(step, value) in the order of steps."""
        return sorted(
            (each.step, each.value)
            for each in self.values
            if (each.task, each.quantity) == (task, quantity) and other in (None, each.other)
        )

    @property
    def tasks(self) -> list[str]:
        """Tasks that anything was measured of."""
        return sorted({each.task for each in self.values})
