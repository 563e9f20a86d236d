"""Adam on one learned number per group, where a group that is absent is left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class GroupAdam:
    """Numbers of groups, each with moments and a count of its own steps.

    The library's Adam would move an absent group by its momentum, and would correct the bias of a rare one's
    moments by the number of all steps. With all groups present the two are equal.

    Args:
        groups: How many numbers, 0 at first.
        learning_rate: Of all of them.
        weight_decay: Added to the gradient times the number.

    Source: Kingma and Ba 2015, arXiv 1412.6980, algorithm 1.
    """

    def __init__(self, groups: int, learning_rate: float, weight_decay: float = 0.0) -> None:
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.values, self.first, self.second, self.steps = torch.zeros((4, groups), dtype=torch.float64)

    def step(self, gradient: Tensor, present: Tensor) -> None:
        """Descend by one step; both (groups,), the gradient of groups that are absent is not looked at."""
        gradient = gradient + self.weight_decay * self.values
        steps = self.steps + 1
        first = _BETA_1 * self.first + (1 - _BETA_1) * gradient
        second = _BETA_2 * self.second + (1 - _BETA_2) * gradient**2
        rate = (second / (1 - _BETA_2**steps)).sqrt() + _EPSILON
        values = self.values - self.learning_rate * first / (1 - _BETA_1**steps) / rate
        self.values = torch.where(present, values, self.values)
        self.first = torch.where(present, first, self.first)
        self.second = torch.where(present, second, self.second)
        self.steps = torch.where(present, steps, self.steps)

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {name: getattr(self, name).tolist() for name in ("values", "first", "second", "steps")}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        for name, values in state.items():
            setattr(self, name, torch.tensor(values, dtype=torch.float64))
