"""What a gradient balancing method sees of a step, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mtft.errors import RunError
from mtft.training.gradient_solvers import root_of


@dataclass(frozen=True)
class GradientStep:
    """The groups of one step that have a gradient.

    Attributes:
        gramian: (groups, groups) float64 on the CPU; the products of their gradients, none of zero norm.
        losses: (groups,) float64; over all processes.
        present: Their numbers among all groups, ascending.
    """

    gramian: Tensor
    losses: Tensor
    present: list[int]

    @cached_property
    def scale(self) -> float:
        """The mean squared norm."""
        return float(self.gramian.diagonal().mean())

    @cached_property
    def scaled(self) -> Tensor:
        """The Gramian of the gradients divided by the root of their mean squared norm."""
        return self.gramian / self.scale

    @cached_property
    def norms(self) -> Tensor:
        """(groups,) float64."""
        return self.gramian.diagonal().sqrt()

    @cached_property
    def root(self) -> Tensor:
        """A (groups, rank) matrix whose rows have the products of the gradients."""
        return self.norms[:, None] * root_of(self.gramian / torch.outer(self.norms, self.norms))


class GradientMethod:
    """From a step to the groups' weights; a group that is absent from it keeps its state.

    Attributes:
        coordinatewise: Whether it has no weights, and `combine` is called in place of `weights`.
    """

    coordinatewise = False

    def weights(self, step: GradientStep) -> Tensor:
        """(groups of the step,) float64: the update is the gradients' sum with these weights."""
        raise NotImplementedError

    def combine(self, rows: Tensor) -> Tensor:
        """The update in some columns: (groups, columns) float32 to (columns,)."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it exactly."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Raises:
            RunError: It is not of these groups.
        """


def restored(state: Mapping[str, Any], name: str, like: Tensor) -> Tensor:
    """A float64 tensor of the state, in the shape it has here.

    Raises:
        RunError: It is missing or of another shape.
    """
    try:
        found = torch.tensor(state[name], dtype=torch.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"Gradient balancing is restored from `{name}`.", found=repr(error)) from error
    if found.shape != like.shape:
        raise RunError(
            f"`{name}` must be of the groups of this run.",
            found=f"{list(found.shape)} for {list(like.shape)}",
        )
    return found
