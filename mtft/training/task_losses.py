"""The loss of each task between two log lines, from the forward passes that train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

Totals = dict[str, tuple[float, int]]


class TaskLosses:
    """Adds up each task's negative log-likelihood and target tokens; asks the device only when read."""

    def __init__(self) -> None:
        self._pending: list[tuple[Sequence[str], Tensor, Tensor, Tensor]] = []

    def add(self, tasks: Sequence[str], row_losses: Tensor, row_counts: Tensor, row_weights: Tensor) -> None:
        """Keep one micro-batch's row losses, (rows,) each; rows of weight zero do not count."""
        self._pending.append((tasks, row_losses, row_counts, row_weights))

    def drain(self, gather: Callable[[list[Totals]], list[Totals]]) -> dict[str, float]:
        """Nats per target token of every task since the last call, over all processes.

        Args:
            gather: Collects the one-element lists of all processes into one list.
        """
        totals = _added(gather([self._local()]))
        self._pending.clear()
        return {task: loss / tokens for task, (loss, tokens) in sorted(totals.items()) if tokens}

    def _local(self) -> Totals:
        rows: list[Totals] = []
        for tasks, losses, counts, weights in self._pending:
            values = zip(tasks, losses.tolist(), counts.tolist(), weights.tolist(), strict=True)
            rows += [{task: (loss, tokens)} for task, loss, tokens, weight in values if weight > 0]
        return _added(rows)


def _added(parts: Sequence[Totals | dict[str, Any]]) -> Totals:
    """Sums by task."""
    totals: Totals = {}
    for part in parts:
        for task, (loss, tokens) in part.items():
            before = totals.get(task, (0.0, 0))
            totals[task] = (before[0] + loss, before[1] + tokens)
    return totals
