"""FAMO: all losses fall at one rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.training.balancing.adam import GroupAdam
from mtft.training.balancing.method import Last, Measured, gradient
from mtft.training.balancing.scalarizers import scalarizers

_EPSILON = 1e-8  # TorchJD's and the authors'
_HUGE = 1e30


class Famo:
    """Fast adaptive multitask optimisation.

        weights  w_i proportional to z_i / l_i, z = softmax(xi); their mean is 1
        update   xi descends (Adam) along J' delta, J = dz / dxi, delta_i = log l_i(before) - log l_i(after)

    `before` and `after` are the losses of the same micro-batches around the update, which takes a second forward.
    l in the weights is the loss last measured, of `after`: with a batch that never changes it is the current one,
    and the method the published one.

    Groups that are absent get the mean delta of those present, with which their own derivative is 0; they keep xi
    and its moments. A group that was never measured has weight 1.

    Args:
        groups: How many.
        learning_rate: Of xi; the paper's is 0.025.
        weight_decay: Of xi; the paper's algorithm has 0.001.
        floor: Smaller losses count as this one. The logarithm would otherwise give all weight to a group that is
            memorised.

    Source: Liu et al. 2023, NeurIPS, "FAMO: Fast Adaptive Multitask Optimization", arXiv 2306.03792, algorithm 2;
        weights by `torchjd.scalarization.FAMO`.
    """

    remeasures = True

    def __init__(self, groups: int, learning_rate: float, weight_decay: float, floor: float) -> None:
        self.scalarizer, self.floor = scalarizers().FAMO(groups).double(), floor
        self.adam = GroupAdam(groups, learning_rate, weight_decay)
        self.last = Last(groups)

    def weights(self, step: int) -> Tensor:
        """(groups,) float64 of mean 1."""
        known = self.last.known
        if not known.any():
            return torch.ones_like(self.adam.values)
        (name,) = (name for name, _ in self.scalarizer.named_parameters())
        self.scalarizer.load_state_dict({**self.scalarizer.state_dict(), name: self.adam.values})
        # a huge loss takes no share: the others' weights are as if there were no such group
        losses = torch.where(known, self.last.values.clamp(min=self.floor), _HUGE)
        return torch.where(known, gradient(self.scalarizer, losses) * known.sum(), 1.0)

    def update(self, measured: Measured) -> None:
        """One step of xi on how far each loss fell."""
        if measured.after is None:
            raise ValueError("FAMO needs the losses after the update.")
        present = measured.present
        before, after = (x.clamp(min=self.floor) + _EPSILON for x in (measured.losses, measured.after))
        delta = torch.where(present, before.log() - after.log(), 0.0)
        with torch.enable_grad():
            xi = self.adam.values.clone().requires_grad_()
            z = xi.softmax(0)
            here = z.detach() * present
            mean = (here * delta).sum() / here.sum()
            (found,) = torch.autograd.grad(z, xi, torch.where(present, delta, mean))
        self.adam.step(found, present)
        self.last.take(measured.after, present)

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {"adam": self.adam.state(), "last": self.last.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.adam.restore(state["adam"])
        self.last.restore(state["last"])
