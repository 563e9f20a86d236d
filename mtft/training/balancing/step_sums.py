"""What the groups lost in one step, added up on the device and read once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

SumUp = Callable[[list[float]], list[float]]


class GroupTotals(NamedTuple):
    """Over all micro-batches and processes; (groups,) float64 on the CPU.

    Attributes:
        losses: Sum of share x loss: the groups' losses under the run's normalisation, as they are minimised.
        token_losses: Nats per target token, of the likelihood alone; 0 for a group without tokens.
        tokens: Target tokens.
    """

    losses: Tensor
    token_losses: Tensor
    tokens: Tensor


class StepSums:
    """Sums by group over micro-batches.

    Args:
        groups: How many.
    """

    def __init__(self, groups: int) -> None:
        self.groups = groups
        self._sums: Tensor | None = None

    def add(
        self,
        numbers: Tensor,
        shares: Tensor,
        row_losses: Tensor,
        row_counts: Tensor,
        row_objectives: Tensor | None = None,
    ) -> None:
        """Count one micro-batch in, without waiting for the device.

        Args:
            numbers: int64, the group of each example, in the shape of `row_weights`.
            shares: float32, likewise; 0 where there is no example.
            row_losses: float32, likewise; negative log-likelihoods summed over target tokens, in nats.
            row_counts: int64, likewise; target tokens.
            row_objectives: float32, likewise; what is minimised, where that is not `row_losses`.
        """
        there = shares > 0
        minimised = row_losses if row_objectives is None else row_objectives
        rows = torch.stack([minimised * shares, row_losses * there, row_counts * there])
        wide = torch.float32 if rows.device.type == "mps" else torch.float64
        sums = torch.zeros((3, self.groups), dtype=wide, device=rows.device)
        sums.index_add_(1, numbers.flatten().clamp(min=0), rows.flatten(1).to(wide))
        self._sums = sums if self._sums is None else self._sums + sums

    def drain(self, sum_up: SumUp) -> GroupTotals:
        """The totals since the last call, over all processes."""
        local = [0.0] * 3 * self.groups if self._sums is None else self._sums.flatten().tolist()
        self._sums = None
        losses, nats, tokens = torch.tensor(sum_up(local), dtype=torch.float64).view(3, -1)
        return GroupTotals(losses, nats / tokens.clamp(min=1), tokens)
