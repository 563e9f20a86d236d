"""CoBa: validation losses converge at one pace, and what diverges is held back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mtft.training.balancing.method import Measured

_TINY = 1e-300  # losses that stand still have no slope to divide by
_LEAST = 1e-6  # nats; what a first loss counts as at least, where it is divided by
_KEPT = ("first", "losses", "slopes", "whole", "measurements")


class CoBa:
    """Weights from the slopes of validation losses, each relative to its group's first.

    With K groups and L_i(1..t) group i's validation losses so far, each divided by its first, at measurement t and of
    window N:

        a_i    slope of the least-squares line through the last min(t, N) of L_i
        a      the same of max_i L_i
        RCS_i  softmax over groups of K a_i / sum_j |a_j|
        ACS_i  softmax over groups of -n a_i / (sum of |a_i| over the last n slopes)
        DF     m x the last entry of softmax(-tau m a / sum |a|) over the m slopes since the warm-up
        v      softmax(K (DF x RCS + (1 - DF) x ACS))

    Where an entry of v is below 1 / (10 K), v becomes (1 - 1/10) v + 1 / (10 K). The weight is K x v, and 1
    until there are `warmup` measurements. n counts the slopes since the warm-up, at most N - warmup + 1.
    Dividing makes a group's pace what counts, not the size of its loss: without it, of two groups that fall by the same
    share at every measurement the one with the larger loss would be held back.

    Args:
        groups: K.
        warmup: Measurements before the first weights; the authors' is 100.
        history: N; the authors' is 200.
        tau: Sharpness of the divergence factor; the authors' is 5.

    Source: Gong et al. 2024, EMNLP, "CoBa: Convergence Balancer for Multitask Finetuning of Large Language Models",
        arXiv 2410.06741; formulas from the authors' code, github.com/codefuse-ai/MFTCoder,
        `mftcoder_accelerate/src/utils/loss_utils.py`, class `CoBaStatus`. It divides by `valid_task_loss_begining`,
        which it leaves at 1; here that is the first measurement, as the name says. The paper's text was not read.
    """

    remeasures = False

    def __init__(self, groups: int, warmup: int, history: int, tau: float) -> None:
        self.warmup, self.history, self.tau = warmup, history, tau
        self.first: list[float] = []  # nats
        self.losses: list[list[float]] = []  # the last N, relative to the first
        self.slopes: list[list[float]] = []  # the last N - warmup + 1
        self.whole: list[float] = []  # all since the warm-up
        self.measurements = 0
        self.found = torch.ones(groups, dtype=torch.float64)

    def weights(self, step: int) -> Tensor:
        """(groups,) float64 of mean 1."""
        return self.found

    def update(self, measured: Measured) -> None:
        """Take up a measurement, at the steps that have one."""
        if measured.validation is None:
            return
        self.first = self.first or measured.validation.clamp(min=_LEAST).tolist()
        relative = measured.validation / torch.tensor(self.first, dtype=torch.float64)
        self.losses = [*self.losses, relative.tolist()][-self.history :]
        self.measurements += 1
        if self.measurements >= self.warmup:
            self._weigh()

    def _weigh(self) -> None:
        losses = torch.tensor(self.losses, dtype=torch.float64)
        slopes = slopes_of(torch.cat([losses, losses.amax(dim=1, keepdim=True)], dim=1))
        self.slopes = [*self.slopes, slopes[:-1].tolist()][-(self.history - self.warmup + 1) :]
        self.whole.append(float(slopes[-1]))
        own = torch.tensor(self.slopes, dtype=torch.float64)
        groups = own.shape[1]
        relative = _scaled(own[-1], groups).softmax(0)
        absolute = -torch.stack([_scaled(each, len(each))[-1] for each in own.T])
        whole = torch.tensor(self.whole, dtype=torch.float64)
        factor = (-self.tau * _scaled(whole, len(whole))).softmax(0)[-1] * len(whole)
        shares = (groups * (factor * relative + (1 - factor) * absolute.softmax(0))).softmax(0)
        least = 1 / (10 * groups)
        if bool((shares < least).any()):
            shares = shares * (1 - least * groups) + least
        self.found = groups * shares

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {**{name: getattr(self, name) for name in _KEPT}, "found": self.found.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        for name in _KEPT:
            setattr(self, name, state[name])
        self.found = torch.tensor(state["found"], dtype=torch.float64)


def slopes_of(values: Tensor) -> Tensor:
    """Slopes of the least-squares lines through each column, (columns,); 0 of a single row.

    Args:
        values: (rows, columns) float64, one row per unit of time.

    Example: `[[3.0, 0.0], [2.0, 2.0]]` has slopes -1 and 2.
    """
    time = torch.arange(len(values), dtype=values.dtype)
    time = time - time.mean()
    return time @ (values - values.mean(dim=0)) / (time**2).sum().clamp(min=_TINY)


def _scaled(slopes: Tensor, times: int) -> Tensor:
    """So many times the slopes' shares of the sum of their absolute values."""
    return times * slopes / slopes.abs().sum().clamp(min=_TINY)
