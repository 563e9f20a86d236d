"""What is told of the weights: in the log, and at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class WeightRecord:
    """Weights and shares since the last log line, and the mean weights of all steps.

    A group's share of a step is w l / sum of w l over the step's groups: what part of the minimised number is its
    own. It is no share of the update: that would take each group's gradient.

    Args:
        names: The groups'.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        zeros = torch.zeros((5, len(names)), dtype=torch.float64)
        self.weights, self.steps, self.shares, self.share_steps, self.total = zeros
        self.total_steps = 0

    def add(self, weights: Tensor, present: Tensor, losses: Tensor) -> None:
        """Count a step in; all (groups,)."""
        self.weights = self.weights + weights * present
        self.steps = self.steps + present
        part = weights * losses.clamp(min=0) * present
        self.shares = self.shares + part / part.sum().clamp(min=1e-300)
        self.share_steps = self.share_steps + 1
        self.total, self.total_steps = self.total + weights, self.total_steps + 1

    def drain(self) -> dict[str, float]:
        """`balance_weight/<group>`, the mean over the steps with the group, and `balance_share/<group>`, over all."""
        found: dict[str, float] = {}
        columns = zip(self.names, self.weights, self.steps, self.shares, self.share_steps, strict=True)
        for name, *sums in columns:
            weight, steps, share, all_steps = (float(each) for each in sums)
            if steps:
                found |= {
                    f"balance_weight/{name}": weight / steps,
                    f"balance_share/{name}": share / all_steps,
                }
        zeros = torch.zeros((4, len(self.names)), dtype=torch.float64)
        self.weights, self.steps, self.shares, self.share_steps = zeros
        return found

    def mean_weights(self) -> dict[str, float]:
        """Of all steps, present or not, divided by their sum: shares that add up to 1."""
        shares = self.total / self.total.sum().clamp(min=1e-300)
        return dict(zip(self.names, shares.tolist(), strict=True))

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        names = ("weights", "steps", "shares", "share_steps", "total")
        return {**{name: getattr(self, name).tolist() for name in names}, "total_steps": self.total_steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        for name, values in state.items():
            whole = name == "total_steps"
            setattr(self, name, int(values) if whole else torch.tensor(values, dtype=torch.float64))
