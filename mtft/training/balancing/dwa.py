"""Dynamic weight average: what falls slowly weighs more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.training.balancing.method import Measured, gradient, numbers, vector
from mtft.training.balancing.scalarizers import scalarizers


class DynamicWeightAverage:
    """w_i = groups x softmax(r_i / temperature), r_i = L_i(last window) / L_i(the window before).

    The paper's epochs are windows of so many steps here, and L_i the mean over the window's steps with the group in
    them. A group that a whole window lacks keeps its ratio; one without two windows has r = 1.

    Args:
        groups: How many.
        temperature: The paper's is 2; a larger one makes weights more alike.
        window: Steps.
        floor: Smaller losses count as this one: ratios of losses near 0 mean nothing.

    Source: Liu et al. 2019, CVPR, "End-to-End Multi-Task Learning with Attention", arXiv 1803.10704, as
        `torchjd.scalarization.DWA` states it.
    """

    remeasures = False

    def __init__(self, groups: int, temperature: float, window: int, floor: float) -> None:
        self.window, self.floor, self.scalarizer = window, floor, scalarizers().DWA(temperature)
        self.sums, self.counts = torch.zeros((2, groups), dtype=torch.float64)
        self.older = torch.full((groups,), torch.nan, dtype=torch.float64)
        self.newer, self.steps = self.older.clone(), 0

    def weights(self, step: int) -> Tensor:
        """(groups,) float64 of mean 1."""
        complete = ~(self.older.isnan() | self.newer.isnan())
        self.scalarizer.reset()
        for averages in (self.older, self.newer):
            self.scalarizer(torch.where(complete, averages, 1.0))
            self.scalarizer.step()
        return gradient(self.scalarizer, torch.ones_like(self.sums))

    def update(self, measured: Measured) -> None:
        """Count a step in; at a window's end, take its averages."""
        losses = measured.losses.clamp(min=self.floor)
        self.sums = self.sums + torch.where(measured.present, losses, 0.0)
        self.counts = self.counts + measured.present
        self.steps += 1
        if self.steps == self.window:
            seen = self.counts > 0
            averages = self.sums / self.counts.clamp(min=1)
            self.older = torch.where(seen, self.newer, self.older)
            self.newer = torch.where(seen, averages, self.newer)
            self.sums, self.counts, self.steps = self.sums * 0, self.counts * 0, 0

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        averages = {name: numbers(getattr(self, name)) for name in ("sums", "counts", "older", "newer")}
        return {**averages, "steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        for name in ("sums", "counts", "older", "newer"):
            setattr(self, name, vector(state[name]))
        self.steps = int(state["steps"])
