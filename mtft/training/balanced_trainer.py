"""The library's trainer with all backward passes of a step in one place, where gradients are balanced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer

from mtft.training.gradient_balancer import GradientBalancer
from mtft.training.grouped_steps import Batch


class BalancedTrainer(Trainer):  # type: ignore[misc]
    """With a balancer, a step's last micro-batch stands for all of them (see `GroupedSteps`).

    The library counts micro-batches, clips, schedules and logs as ever.

    Attributes:
        gradient_balancer: Set where gradients are balanced.
    """

    gradient_balancer: GradientBalancer | None = None

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The loss, its gradient in the parameters; with a balancer, of the whole step at its last micro-batch."""
        if self.gradient_balancer is None:
            return super().training_step(model, inputs, num_items_in_batch)  # type: ignore[no-any-return]
        if not inputs["micro_batches"]:
            return torch.zeros((), device=self.args.device)
        # without DDP around it: processes hold different groups, so forward passes do not come in pairs
        inner, own = self.accelerator.unwrap_model(model), super().training_step
        return self.gradient_balancer.step(
            self.state.global_step,
            inputs["micro_batches"],
            lambda batch: own(inner, batch, num_items_in_batch),
        )

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """The library's estimate, of all micro-batches."""
        parts = inputs.get("micro_batches", [inputs])
        return sum(super(BalancedTrainer, self).floating_point_ops(part) for part in parts)

    def _track_num_input_tokens(self, inputs: dict[str, Any]) -> None:
        for part in inputs.get("micro_batches", [inputs]):
            super()._track_num_input_tokens(part)


def loss_scale(accelerator: Any) -> float:
    """What Accelerate multiplies losses by: 1 but for float16."""
    scaler = getattr(accelerator, "scaler", None)
    return float(scaler.get_scale()) if scaler is not None else 1.0


def micro_batches(items: Sequence[dict[str, Any]]) -> list[Batch]:
    """The micro-batches in the items of one step."""
    return [batch for item in items for batch in item["micro_batches"]]


def as_items(batches: list[Batch], count: int) -> list[dict[str, Any]]:
    """So many items for the library to count, the last with all micro-batches."""
    return [*({"micro_batches": []} for _ in range(count - 1)), {"micro_batches": batches}]
