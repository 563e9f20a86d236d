"""Weights that learn nothing: all alike, or drawn anew for each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtft.training.balancing.method import Measured, gradient
from mtft.training.balancing.scalarizers import scalarizers


class Sum:
    """Every group's loss counts once.

    Source: Kurin et al. 2022, "In Defense of the Unitary Scalarization for Deep Multi-Task Learning",
        arXiv 2201.04122.
    """

    remeasures = False

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def weights(self, step: int) -> Tensor:
        """Ones."""
        return torch.ones(self.groups, dtype=torch.float64)

    def update(self, measured: Measured) -> None:
        """Nothing is learned."""

    def state(self) -> dict[str, Any]:
        """Nothing is kept."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing was kept."""


class Random(Sum):
    """w = groups x softmax(e), with e standard normal and drawn anew for each step.

    A step's weights are a function of (seed, step): the global random generators are left as they were.

    Source: Lin et al. 2022, "Reasonable Effectiveness of Random Weighting", arXiv 2111.10603, algorithm 2.
    """

    def __init__(self, groups: int, seed: int) -> None:
        super().__init__(groups)
        self.seed, self.scalarizer = seed, scalarizers().Random()

    def weights(self, step: int) -> Tensor:
        """(groups,) float64 of mean 1."""
        drawn = int(np.random.SeedSequence([self.seed, step]).generate_state(1, np.uint64)[0] >> 1)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(drawn)
            found = gradient(self.scalarizer, torch.ones(self.groups, dtype=torch.float64))
        return self.groups * found
