"""DoReMi-style reweighting: what is furthest above a reference model's loss weighs more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.training.balancing.method import Measured


class DoReMi:
    """v_i <- v_i e^(eta x max(0, l_i - reference_i)), normalised, mixed with 1 / groups; the weight is groups x v_i.

    l_i is the group's loss in nats per target token. The paper clips each token's excess over the reference model's
    loss of that very token; here the group's mean excess is clipped, since the reference is one number per
    group. As in the authors' code, a group that is absent counts with its last excess; 0 before its first.

    Args:
        reference: (groups,) float64, nats per target token.
        step_size: eta.
        uniform: Share of the uniform weights.

    Source: Xie et al. 2023, NeurIPS, "DoReMi", arXiv 2305.10429; update as in the authors' code,
        github.com/sangmichaelxie/doremi, `doremi/trainer.py`.
    """

    remeasures = False

    def __init__(self, reference: Tensor, step_size: float, uniform: float) -> None:
        self.reference, self.step_size, self.uniform = reference, step_size, uniform
        self.shares = torch.full_like(reference, 1 / len(reference))
        self.excess = torch.zeros_like(reference)

    def weights(self, step: int) -> Tensor:
        """(groups,) float64 of mean 1."""
        return self.shares * len(self.shares)

    def update(self, measured: Measured) -> None:
        """One multiplicative step."""
        excess = (measured.token_losses - self.reference).clamp(min=0)
        self.excess = torch.where(measured.present, excess, self.excess)
        shares = (self.shares.log() + self.step_size * self.excess).softmax(0)
        self.shares = (1 - self.uniform) * shares + self.uniform / len(shares)

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {"shares": self.shares.tolist(), "excess": self.excess.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        for name in ("shares", "excess"):
            setattr(self, name, torch.tensor(state[name], dtype=torch.float64))
