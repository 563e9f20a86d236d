"""GradNorm: weights that let all groups train at one rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.training.gradient_step import GradientMethod, GradientStep, restored

BASELINE_STEPS = 10
_LEAST = 1e-12  # a loss of nothing has no rate


class GradNorm(GradientMethod):
    """Weights w = k softmax(s) of the k groups of a step, with s moved so that the weighted norms agree.

    With gradient norms n, losses l, first losses l0, and r = (l / l0) over its mean, s descends on

        sum_i | w_i n_i - mean(w n) r_i^alpha | / mean(w n)

    in which only w n of the first term is differentiated. Division by the mean norm, which is ours, makes the rate
    mean the same for every model. A step's loss is noisy, so l0 is the mean of a group's first ten.

    Args:
        count: All groups.
        alpha: The pull to a common training rate.
        rate: Learning rate of s.

    Source: Chen et al. 2018, arXiv 1711.02257, equation 2 and algorithm 1; the softmax is LibMTL's (MIT),
        `LibMTL/weighting/GradNorm.py`.
    """

    def __init__(self, count: int, *, alpha: float, rate: float) -> None:
        self.alpha, self.rate = alpha, rate
        self.scores, self.first_losses, self.seen = torch.zeros(3, count, dtype=torch.float64).unbind()

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`; s moves after the weights were taken."""
        here = step.present
        weights = len(here) * self.scores[here].softmax(dim=0)
        self._add_first(here, step.losses)
        baseline = (self.first_losses[here] / self.seen[here]).clamp(min=_LEAST)
        ratios = step.losses.clamp(min=_LEAST) / baseline
        self.scores[here] -= self.rate * slope(weights, step.norms, ratios / ratios.mean(), self.alpha)
        return weights

    def state(self) -> dict[str, Any]:
        """See `GradientMethod`."""
        return {name: getattr(self, name).tolist() for name in ("scores", "first_losses", "seen")}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `GradientMethod`."""
        for name in ("scores", "first_losses", "seen"):
            setattr(self, name, restored(state, name, getattr(self, name)))

    def _add_first(self, here: list[int], losses: Tensor) -> None:
        """Add the losses of groups whose first ones are not all in yet."""
        early = (self.seen[here] < BASELINE_STEPS).double()
        self.first_losses[here] += early * losses
        self.seen[here] += early


def slope(weights: Tensor, norms: Tensor, rates: Tensor, alpha: float) -> Tensor:
    """The gradient of GradNorm's loss with respect to the scores whose softmax the weights are, all (groups,)."""
    mean = (weights * norms).mean()
    pulls = torch.sign(weights * norms / mean - rates**alpha) * norms / mean
    return weights * (pulls - (weights * pulls).mean())
