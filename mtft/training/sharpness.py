"""Worst-case sharpness: how much the loss rises when every weight may change by a share of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LossAndGradient = Callable[[], tuple[float, Sequence[Tensor]]]


def adaptive_sharpness(
    parameters: Sequence[Tensor], loss_and_gradient: LossAndGradient, radius: float = 1e-3, steps: int = 5
) -> float:
    """Max over |e_i| <= radius |w_i| of L(w + e) - L(w), as far as sign ascent finds it: at least 0.

    Step j (from 0) moves every weight by 2 radius |w_i| / (j + 1) along its gradient's sign and back into the box: the
    first reaches a corner, which is the maximum of a linear loss, later ones mend it. The largest loss on the way
    counts. The weights are put back bit by bit, also after an error.

    Args:
        parameters: Changed in place meanwhile.
        loss_and_gradient: The loss at the present weights, and its gradient with respect to each of them.
        radius: Largest relative change.
        steps: Gradients to follow; each costs a forward and a backward pass, and one more gives the loss at w.

    Source: Andriushchenko et al. 2023, arXiv 2302.07011, "A modern look at the relationship between sharpness and
        generalization" (elementwise adaptive worst-case l_inf sharpness), which ascends by Auto-PGD; radius 1e-3 as
        Mueller et al. 2024, arXiv 2408.14677.
    """
    origins = [weight.detach().clone() for weight in parameters]
    changes = [torch.zeros_like(origin) for origin in origins]
    try:
        base, gradient = loss_and_gradient()
        worst = base
        for step in range(steps):
            _ascend(parameters, origins, changes, gradient, radius, 2 * radius / (step + 1))
            loss, gradient = loss_and_gradient()
            worst = max(worst, loss)
        return worst - base
    finally:
        with torch.no_grad():
            for weight, origin in zip(parameters, origins, strict=True):
                weight.copy_(origin)


@torch.no_grad()
def _ascend(
    parameters: Sequence[Tensor],
    origins: Sequence[Tensor],
    changes: Sequence[Tensor],
    gradient: Sequence[Tensor],
    radius: float,
    step: float,
) -> None:
    """One step uphill within the box, in place."""
    for weight, origin, change, slope in zip(parameters, origins, changes, gradient, strict=True):
        size = origin.abs()
        change.add_(size * slope.sign(), alpha=step)
        change.copy_(torch.minimum(torch.maximum(change, -radius * size), radius * size))
        weight.copy_(origin + change)
