"""SLAW: what varies little weighs more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.training.balancing.method import Measured

_SMALLEST = 1e-5  # standard deviation, as the authors have it


class Slaw:
    """w_i proportional to 1 / std(l_i), of mean 1; std from running means of l and l^2.

    The means are plain for the first 1 / (1 - decay) measurements and exponential afterwards, counted for each
    group apart. A group measured less than twice has weight 1.

    The standard deviation stands for the norm of the gradient. In a mixture of prompts it also holds which
    templates and lengths a step happened to draw.

    Args:
        groups: How many.
        decay: Of the running means; the authors' is 0.99.

    Source: Crawshaw and Kosecka 2021, "SLAW: Scaled Loss Approximate Weighting for Efficient Multi-Task Learning",
        arXiv 2109.08218; formulas from the first author's code, github.com/mtcrawshaw/meta, `meta/train/loss.py` and
        `meta/utils/estimate.py`.
    """

    remeasures = False

    def __init__(self, groups: int, decay: float) -> None:
        self.decay = decay
        self.mean, self.squares, self.counts = torch.zeros((3, groups), dtype=torch.float64)

    def weights(self, step: int) -> Tensor:
        """(groups,) float64 of mean 1."""
        std = (self.squares - self.mean**2).clamp(min=0).sqrt().clamp(min=_SMALLEST)
        known = self.counts >= 2
        inverse = torch.where(known, 1 / std, 0.0)
        return torch.where(known, inverse * known.sum() / inverse.sum().clamp(min=1e-300), 1.0)

    def update(self, measured: Measured) -> None:
        """Count the losses in."""
        counts = self.counts + 1
        kept = torch.where(counts <= round(1 / (1 - self.decay)), (counts - 1) / counts, self.decay)
        for name, values in (("mean", measured.losses), ("squares", measured.losses**2)):
            old = getattr(self, name)
            setattr(self, name, torch.where(measured.present, kept * old + (1 - kept) * values, old))
        self.counts = torch.where(measured.present, counts, self.counts)

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {name: getattr(self, name).tolist() for name in ("mean", "squares", "counts")}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        for name in ("mean", "squares", "counts"):
            setattr(self, name, torch.tensor(state[name], dtype=torch.float64))
