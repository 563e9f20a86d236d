"""Smooth Tchebycheff: the largest losses weigh most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.training.balancing.method import Last, Measured, gradient
from mtft.training.balancing.scalarizers import scalarizers


class SmoothTchebycheff:
    """w = groups x softmax(l / (groups x mu)): the derivative of mu log sum_i exp(l_i / (groups x mu)), of mean 1.

    l is the loss that the last step with the group in it measured. A group that was never measured has weight 1.

    Args:
        groups: How many.
        mu: The smaller, the nearer to the largest loss alone; the paper tries 0.01 to 1.

    Source: Lin et al. 2024, ICML, "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", arXiv
        2402.19078, with equal preferences and the ideal point 0; weights by `torchjd.scalarization.STCH`.
    """

    remeasures = False

    def __init__(self, groups: int, mu: float) -> None:
        self.scalarizer, self.last = scalarizers().STCH(mu), Last(groups)

    def weights(self, step: int) -> Tensor:
        """(groups,) float64 of mean 1."""
        found, known = torch.ones_like(self.last.values), self.last.known
        if known.any():
            weights = gradient(self.scalarizer, self.last.values[known])
            found[known] = weights * len(weights) / weights.sum()
        return found

    def update(self, measured: Measured) -> None:
        """Remember the losses."""
        self.last.take(measured.losses, measured.present)

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {"last": self.last.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.last.restore(state["last"])
