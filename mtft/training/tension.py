"""The tension method: a direction common to all groups, pulled towards those that make no progress."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.errors import MissingExtraError
from mtft.training.gradient_step import GradientMethod, GradientStep, restored

WINDOW = 10
_LEAST = 1e-12


class Tension(GradientMethod):
    """The central direction, plus a unit vector towards each group's gradient times the group's tension.

    The central direction d has the same product with every unit gradient: the shortest vector between the unit
    gradients, scaled to lie between the gradients. With x_i the sum of group i's last ten gradient norms over that of
    the ten one step earlier, plus log10 of its loss,

        d' = d + sum_i t_i (g_i - d) / |g_i - d|,   t_i = max(0, alpha / (1 + exp(e - e x_i)) + 1 - alpha)

    and for each i in turn with g_i . d' < 0, d' is moved along g_i until it is perpendicular to it. All of these lie
    between the gradients, so they are computed as weights, on the Gramian. Ten steps of a group come before
    its first tension. Unlike all other methods, the direction depends on the loss's unit.

    Args:
        count: All groups.
        alpha: How much progress changes the tension.

    Source: arXiv 2204.06698 and its code, github.com/tiemink/MTL_TaskTensioner,
        `scripts/descent_dir/history_directions.py` and `directions.py`.
    """

    def __init__(self, count: int, *, alpha: float) -> None:
        self.alpha = alpha
        self.norms = torch.zeros(count, WINDOW, dtype=torch.float64)
        self.seen = torch.zeros(count, dtype=torch.float64)
        self.before = torch.zeros(count, dtype=torch.float64)
        self._min_norm = _frank_wolfe()

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`."""
        weights = self._central(step)
        tensions = [self._tension(*each) for each in zip(step.present, step.norms, step.losses, strict=True)]
        if not any(tensions):
            return weights
        units = torch.eye(len(weights), dtype=torch.float64) - weights  # row i: g_i - d
        lengths = (units @ step.gramian * units).sum(dim=1).clamp(min=0).sqrt()
        pulls = torch.tensor(tensions, dtype=torch.float64) / lengths.clamp(
            min=_LEAST * float(step.norms.max())
        )
        weights = weights + pulls @ units
        for number in range(len(weights)):
            weights = _turned(weights, number, step.gramian)
        return weights

    def state(self) -> dict[str, Any]:
        """See `GradientMethod`."""
        return {name: getattr(self, name).tolist() for name in ("norms", "seen", "before")}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `GradientMethod`."""
        for name in ("norms", "seen", "before"):
            setattr(self, name, restored(state, name, getattr(self, name)))

    def _central(self, step: GradientStep) -> Tensor:
        """The weights of the central direction; they add up to 1."""
        shares = self._min_norm(step.gramian / torch.outer(step.norms, step.norms)) / step.norms
        found: Tensor = shares / shares.sum()
        return found

    def _tension(self, group: int, norm: Tensor, loss: Tensor) -> float:
        """The group's tension, its norm remembered; 0 as long as there is nothing to compare with."""
        self.norms[group, int(self.seen[group]) % WINDOW] = norm
        self.seen[group] += 1
        if self.seen[group] < WINDOW:
            return 0.0
        now, before = float(self.norms[group].sum()), float(self.before[group])
        self.before[group] = now
        if not before:
            return 0.0
        return tension(now / before + math.log10(max(float(loss), _LEAST)), self.alpha)


def tension(progress: float, alpha: float) -> float:
    """How much a group pulls: 1 - alpha far below 1, 1 - alpha / 2 at 1, 1 far above."""
    return max(0.0, alpha / (1.0 + math.exp(min(math.e * (1.0 - progress), 700.0))) + 1.0 - alpha)


def _turned(weights: Tensor, number: int, gramian: Tensor) -> Tensor:
    """The direction moved along one gradient until they are perpendicular, where they were over 90 degrees apart.

    The result is where the line from the direction to the gradient crosses the plane perpendicular to it, which is
    what the source computes with a tangent.
    """
    squared = float(gramian[number, number])
    product = float(gramian[number] @ weights)
    if product >= 0:
        return weights
    turned = weights.clone()
    turned[number] -= product / squared
    return turned * squared / (squared - product)


def _frank_wolfe() -> Any:
    try:
        from torchjd.aggregation import MGDAWeighting
    except ImportError as error:
        raise MissingExtraError("torchjd", extra="multitask", purpose="gradient balancing") from error
    return MGDAWeighting()
