"""What every method of loss balancing offers: weights before a step, and an update by what the step measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class Measured(NamedTuple):
    """What one step measured, over all its micro-batches and processes; all (groups,) on the CPU.

    Attributes:
        present: bool, the groups with examples in the step; nothing else of the others means anything.
        losses: float64, each group's loss under the run's normalisation, with label smoothing and z-loss.
        token_losses: float64, nats per target token, of the likelihood alone, as logs and references tell it.
        after: float64, the losses of the same micro-batches after the update, where `Method.remeasures`.
        validation: float64, nats per target token of the validation examples, at steps that have it.
    """

    present: Tensor
    losses: Tensor
    token_losses: Tensor
    after: Tensor | None = None
    validation: Tensor | None = None


class Method(Protocol):
    """Weights of a step from the steps before it.

    All tensors are float64 on the CPU, so every process computes the same. A weight's mean over the groups is 1
    where the paper's weights sum to a constant.

    Attributes:
        remeasures: Whether it needs the step's losses again after the update.
    """

    remeasures: bool

    def weights(self, step: int) -> Tensor:
        """(groups,) float64: what multiplies each group's loss in this step, counted from 0."""

    def update(self, measured: Measured) -> None:
        """Learn from a step; groups that were absent keep their state."""

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""


class Last:
    """The last measured value of each group, and which groups were measured at all.

    Args:
        groups: How many there are.
    """

    def __init__(self, groups: int) -> None:
        self.values = torch.full((groups,), torch.nan, dtype=torch.float64)

    @property
    def known(self) -> Tensor:
        """(groups,) bool."""
        return ~self.values.isnan()

    def take(self, values: Tensor, present: Tensor) -> None:
        """Replace the values of the groups that are present."""
        self.values = torch.where(present, values, self.values)

    def state(self) -> list[float | None]:
        """The values; None where there is none."""
        return numbers(self.values)

    def restore(self, state: list[float | None]) -> None:
        """Continue from a state."""
        self.values = vector(state)


def numbers(values: Tensor) -> list[float | None]:
    """A vector as JSON; what is no number becomes None."""
    return [None if value != value else value for value in values.tolist()]


def vector(values: list[float | None]) -> Tensor:
    """The inverse of `numbers`, float64."""
    return torch.tensor([torch.nan if value is None else value for value in values], dtype=torch.float64)


def gradient(scalarizer: Any, losses: Tensor) -> Tensor:
    """The weights that a TorchJD scalariser gives these losses: its derivative with respect to them.

    Args:
        scalarizer: Losses to one number.
        losses: (groups,) float64.
    """
    with torch.enable_grad():
        leaf = losses.detach().clone().requires_grad_()
        (weights,) = torch.autograd.grad(scalarizer(leaf), leaf)
    return weights
