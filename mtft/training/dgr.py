"""Dummy Gradient norm Regularization in a training: what a forward is given, and the step's share of the penalty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mtft.modeling import TargetLoss
from mtft.modeling.dgr import DgrBatch
from mtft.modeling.dummy_heads import DummyHeads
from mtft.training.dgr_settings import DgrSettings


class DummyRegularizer:
    """Adds the penalty to each micro-batch's loss, and says how large it was; without a weight it does nothing.

    The penalty is a micro-batch's own: it is quadratic in the batch, so that of a split batch is not that of the
    parts. A step's penalty is the mean over all its micro-batches that hold an example, of all processes.

    Args:
        settings: Checked.
        seed: Of the random heads.
        processes: Data-parallel processes, over which gradients are averaged.
    """

    def __init__(self, settings: DgrSettings, seed: int, processes: int) -> None:
        self.settings, self.seed, self.processes = settings, seed, processes
        self._heads = self._drawn(None)
        self._share = 0.0
        self._steps = 0
        self._pending: list[Tensor] = []

    @property
    def on(self) -> bool:
        """Whether there is a penalty."""
        return self.settings.dgr_weight > 0

    def begin(
        self, batches: Sequence[dict[str, Any]], sum_over_processes: Callable[[Tensor], Tensor], step: int
    ) -> None:
        """Begin a step.

        Args:
            batches: This process's micro-batches, with `positions`.
            sum_over_processes: Adds a tensor up over processes.
            step: Optimiser steps done before it.
        """
        if not self.on:
            return
        held = sum(any(position >= 0 for position in batch["positions"]) for batch in batches)
        total = float(sum_over_processes(torch.tensor(float(held))))
        self._share = self.processes / max(total, 1.0)
        self._steps += 1
        if self.settings.dgr_resample:
            self._heads = self._drawn(step)

    def batch(self, tasks: Sequence[str], positions: Sequence[int]) -> dict[str, DgrBatch]:
        """What a micro-batch's forward is given besides: `dgr`, or nothing.

        Args:
            tasks: A name per example, in the order of the flattened `row_weights`.
            positions: Likewise; -1 where there is no example.
        """
        if not self.on:
            return {}
        return {"dgr": DgrBatch(self._heads, tasks, positions, self.settings.dgr_positions)}

    def add(self, output: TargetLoss) -> Tensor:
        """The micro-batch's loss with its share of the penalty, () with gradient; the output stays as it is."""
        loss = output.loss
        assert loss is not None
        if output.penalty is None:
            return loss
        share = output.penalty * self._share
        self._pending.append(share.detach())
        return loss + self.settings.dgr_weight * share

    def drain(self, loss: float, add_up: Callable[[list[float]], list[float]]) -> dict[str, float]:
        """The values of a log line: `dgr_penalty`, the steps' mean before its weight, and `loss` without it.

        Args:
            loss: Of the log line, penalty included.
            add_up: Adds lists of numbers up over processes.
        """
        if not self.on or not self._steps:
            return {}
        here = float(torch.stack(self._pending).sum()) if self._pending else 0.0
        penalty = add_up([here])[0] / (self.processes * self._steps)
        self._pending.clear()
        self._steps = 0
        return {"loss": loss - self.settings.dgr_weight * penalty, "dgr_penalty": penalty}

    def _drawn(self, step: int | None) -> DummyHeads:
        return DummyHeads(self.seed, self.settings.dgr_dummies, self.settings.dgr_classes, step)
