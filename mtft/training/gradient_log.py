"""What gradient balancing did between two log lines."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mtft.training.gradient_step import GradientStep
from mtft.training.update_shares import update_shares


class GradientLog:
    """Means over the steps since the last log line, from the Gramian that was there anyway.

    Args:
        names: The groups'.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, step: GradientStep, weights: Tensor | None) -> None:
        """Keep one step.

        Args:
            step: Its groups.
            weights: (groups,) as they made the update; None for a method without.
        """
        names = [self._names[number] for number in step.present]
        if weights is not None:
            shares = update_shares(weights, step.norms)
            for name, weight, share in zip(names, weights.tolist(), shares.tolist(), strict=True):
                self._add(f"gradient_weight/{name}", weight)
                self._add(f"update_share/{name}", share)
        pairs = len(names) * (len(names) - 1)
        if pairs:
            cosines = step.gramian / torch.outer(step.norms, step.norms)
            self._add("gradient_cosine", float(cosines.sum() - cosines.trace()) / pairs)

    def drain(self) -> dict[str, float]:
        """`gradient_weight/…` and `update_share/…` of each group, and `gradient_cosine`, the mean of all pairs.

        A share is a group's weight times its gradient's norm, over the sum of all groups'. Equal in all processes.
        """
        found = {name: total / count for name, (total, count) in sorted(self._sums.items())}
        self._sums.clear()
        return found

    def _add(self, name: str, value: float) -> None:
        total, count = self._sums.get(name, (0.0, 0))
        self._sums[name] = (total + value, count + 1)
