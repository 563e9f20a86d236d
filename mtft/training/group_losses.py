"""The loss of each task and of each language between two log lines, from the forward passes that train."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor

# (task, language) to the sum of negative log-likelihoods and the target tokens
Totals = dict[tuple[str, str], tuple[float, int]]


class GroupLosses:
    """Adds up negative log-likelihood and target tokens by task and language; asks the device only when read."""

    def __init__(self) -> None:
        self._pending: list[tuple[list[tuple[str, str]], Tensor, Tensor, Tensor]] = []

    def add(
        self,
        tasks: Sequence[str],
        languages: Sequence[str],
        row_losses: Tensor,
        row_counts: Tensor,
        row_weights: Tensor,
    ) -> None:
        """Keep one micro-batch's losses; examples of weight zero do not count.

        Args:
            tasks: A name per example, in the order of the flattened `row_weights`.
            languages: Likewise.
            row_losses: (rows,) or (packs, segments) float32; sums over target tokens, in nats.
            row_counts: Target tokens, likewise.
            row_weights: Above zero where there is an example.
        """
        self._pending.append((list(zip(tasks, languages, strict=True)), row_losses, row_counts, row_weights))

    def drain(self, gather: Callable[[list[Totals]], list[Totals]]) -> dict[str, float]:
        """Nats per target token since the last call, over all processes: `task_loss/…` and `language_loss/…`.

        Args:
            gather: Collects the one-element lists of all processes into one list.
        """
        totals = _added(entry for part in gather([self._local()]) for entry in part.items())
        self._pending.clear()
        tasks = _added(((f"task_loss/{task}", ""), each) for (task, _), each in totals.items())
        languages = _added(
            ((f"language_loss/{code}", ""), each) for (_, code), each in totals.items() if code
        )
        return {
            name: loss / tokens
            for groups in (tasks, languages)
            for (name, _), (loss, tokens) in sorted(groups.items())
            if tokens
        }

    def _local(self) -> Totals:
        rows: list[tuple[tuple[str, str], tuple[float, int]]] = []
        for names, *tensors in self._pending:
            losses, counts, weights = (tensor.flatten().tolist() for tensor in tensors)
            values = zip(names, losses, counts, weights, strict=True)
            rows += [(name, (loss, tokens)) for name, loss, tokens, weight in values if weight > 0]
        return _added(rows)


def _added(entries: Iterable[tuple[tuple[str, str], tuple[Any, Any]]]) -> Totals:
    """Sums by name."""
    totals: Totals = {}
    for name, (loss, tokens) in entries:
        before = totals.get(name, (0.0, 0))
        totals[name] = (before[0] + loss, before[1] + tokens)
    return totals
