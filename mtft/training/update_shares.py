"""What part of an update is each group's."""

from __future__ import annotations

import torch
from torch import Tensor


def update_shares(weights: Tensor, norms: Tensor) -> Tensor:
    """|w_g| |g_g| / sum over groups of the same, (groups,): lengths alone, whatever the directions.

    Args:
        weights: (groups,) what multiplies each group's gradient.
        norms: (groups,) of the groups' gradients, of the same floating dtype.

    Example: weights 1 and 2 on gradients of length 3 and 0.5 give shares of 3/4 and 1/4.
    """
    parts = weights.abs() * norms
    return parts / parts.sum().clamp(min=torch.finfo(parts.dtype).tiny)
