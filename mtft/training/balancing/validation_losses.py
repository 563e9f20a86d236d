"""The validation losses of the groups, which CoBa weighs by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from mtft.encoding import Encoder, StepPlan
from mtft.errors import ConfigError
from mtft.modeling import weighted_target_loss
from mtft.training.balancing.step_sums import StepSums, SumUp
from mtft.training.groups import Groups
from mtft.training.step_data import ExampleSource, StepDataset
from mtft.training.steps import RowSteps

if TYPE_CHECKING:
    from mtft.training.arguments import MultitaskArguments

_NOT_FOR_THE_MODEL = ("positions", "tasks", "languages", "shifted", "dropped")


class ValidationLosses:
    """The same examples every time, in evaluation mode and without gradient, shared by the processes.

    All processes make the same number of forwards, as ZeRO-3 and FSDP need.

    Args:
        source: Examples of every group, at positions 0 to its length.
        encoder: Of the run.
        groups: Of the mixture.
        args: Micro-batch and processes.
        own_forward: See `weighted_target_loss`.

    Raises:
        ConfigError: A group has no example there that is within the encoder's limits.
    """

    def __init__(
        self,
        source: ExampleSource,
        encoder: Encoder,
        groups: Groups,
        args: MultitaskArguments,
        *,
        own_forward: bool,
    ) -> None:
        rows = _checked_length(source, encoder, groups)
        micro_batch, processes = args.per_device_train_batch_size, args.world_size
        data = StepDataset(
            source,
            encoder,
            RowSteps(StepPlan(rows, rows), encoder),
            steps=1,
            rank=args.process_index,
            processes=processes,
            accumulation=math.ceil(rows / (micro_batch * processes)),
            micro_batch=micro_batch,
        )
        self.own_forward = own_forward
        self.sums = StepSums(len(groups.names))
        self.batches = [_tensors(data[number], groups) for number in range(len(data))]

    @torch.no_grad()
    def __call__(self, model: nn.Module, prepare: Callable[[dict[str, Any]], Any], sum_up: SumUp) -> Tensor:
        """Nats per target token of each group, (groups,) float64 on the CPU.

        Args:
            model: As it trains, wrapped.
            prepare: Brings a batch to the device.
            sum_up: Adds numbers up over processes.
        """
        was_training = model.training
        model.eval()
        for batch in self.batches:
            inputs = dict(prepare(batch))
            numbers = inputs.pop("groups")
            output = weighted_target_loss(model, inputs, own_forward=self.own_forward)
            self.sums.add(numbers, inputs["row_weights"], output.row_losses, output.row_counts)  # type: ignore[arg-type]
        model.train(was_training)
        return self.sums.drain(sum_up).token_losses


def _tensors(batch: dict[str, Any], groups: Groups) -> dict[str, Any]:
    numbers = torch.tensor(groups.numbers(batch["tasks"], batch["languages"]))
    kept = {name: value for name, value in batch.items() if name not in _NOT_FOR_THE_MODEL}
    return {**kept, "groups": numbers.view_as(batch["row_weights"])}


def _checked_length(source: ExampleSource, encoder: Encoder, groups: Groups) -> int:
    """How many examples there are, once every group is known to have one that can be encoded."""
    rows = len(source) if isinstance(source, Sized) else 0
    examples = list(source.examples(np.arange(rows))) if rows else []
    numbers = groups.numbers([e.task for e in examples], [e.language for e in examples])
    encoded = encoder.encode_batch([e.inputs for e in examples], [e.target for e in examples])
    fit = Counter(n for n, row in zip(numbers, encoded, strict=True) if encoder.drop_reason(row) is None)
    missing = [name for number, name in enumerate(groups.names) if not fit[number]]
    if missing:
        raise ConfigError(
            f"CoBa needs validation examples of every {groups.by} that trains.",
            found=f"none within the limits for {', '.join(missing)}",
            remedy="Give the trainer a `validation` with them, or another --loss_balancing.",
        )
    return rows
