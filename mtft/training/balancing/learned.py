"""Weights that are parameters: uncertainty weighting and IMTL-L."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.training.balancing.adam import GroupAdam
from mtft.training.balancing.method import Measured, gradient
from mtft.training.balancing.scalarizers import scalarizers


class Learned:
    """One parameter s per group, learned by descent on the scalariser itself.

        uw      sum_i e^(-s_i) l_i / 2 + s_i / 2
        imtl_l  sum_i e^(s_i) l_i - s_i

    s takes its step after the model's, on the losses that the step measured. That is joint learning: in one
    optimiser too, both gradients would be taken at the same s and the same losses.

    A loss near 0 would draw its weight towards infinity; s is therefore kept where its optimum would be for
    a loss of `floor`: w <= 1 / (2 floor) for `uw`, w <= 1 / floor for `imtl_l`.

    Args:
        groups: How many.
        learning_rate: Of Adam on s.
        floor: Smallest loss that counts, in the unit of the losses.

    Source: Kendall et al. 2018, CVPR, "Multi-Task Learning Using Uncertainty to Weigh Losses"; Liu et al. 2021, ICLR,
        "Towards Impartial Multi-Task Learning"; both as `torchjd.scalarization.UW` and `IMTLL` state them.
    """

    remeasures = False
    scalarizer: Any
    at_least, at_most = -math.inf, math.inf

    def __init__(self, groups: int, learning_rate: float) -> None:
        self.adam = GroupAdam(groups, learning_rate)

    def weights(self, step: int) -> Tensor:
        """(groups,) float64."""
        self._load()
        return gradient(self.scalarizer, torch.ones_like(self.adam.values))

    def update(self, measured: Measured) -> None:
        """One step of s on the measured losses."""
        self._load()
        (parameter,) = self.scalarizer.parameters()
        losses = torch.where(measured.present, measured.losses, 1.0)
        with torch.enable_grad():
            (found,) = torch.autograd.grad(self.scalarizer(losses), parameter)
        self.adam.step(found, measured.present)
        self.adam.values = self.adam.values.clamp(self.at_least, self.at_most)

    def _load(self) -> None:
        (name,) = self.scalarizer.state_dict()
        self.scalarizer.load_state_dict({name: self.adam.values})

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return self.adam.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.adam.restore(state)


class UncertaintyWeighting(Learned):
    """See `Learned`."""

    def __init__(self, groups: int, learning_rate: float, floor: float) -> None:
        super().__init__(groups, learning_rate)
        self.scalarizer, self.at_least = scalarizers().UW(groups).double(), math.log(floor)


class ImtlL(Learned):
    """See `Learned`."""

    def __init__(self, groups: int, learning_rate: float, floor: float) -> None:
        super().__init__(groups, learning_rate)
        self.scalarizer, self.at_most = scalarizers().IMTLL(groups).double(), -math.log(floor)
