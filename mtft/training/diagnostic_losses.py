"""The training loss of each task on its fixed examples, in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import nn

from mtft.encoding import Collator
from mtft.modeling import weighted_target_loss
from mtft.training.diagnostic_subset import TaskExamples

# (task, language) to the sum of negative log-likelihoods, target tokens, examples
LossTotals = dict[tuple[str, str], tuple[float, int, int]]
Gather = Callable[[list[Any]], list[Any]]


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """No dropout; every module's own mode is put back afterwards, also where they differ."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def measure_losses(
    model: nn.Module,
    tasks: Sequence[TaskExamples],
    collator: Collator,
    *,
    own_forward: bool,
    batch_size: int,
    device: torch.device,
    rank: int = 0,
    processes: int = 1,
    gather: Gather = gather_object,
) -> LossTotals:
    """The summed loss of every (task, language), equal in every process.

    Every process makes the same number of forward passes, so partitioned weights can be gathered in each.

    Args:
        model: As it trains, possibly wrapped; in evaluation mode.
        tasks: Their examples.
        collator: Pads them.
        own_forward: See `weighted_target_loss`.
        batch_size: Examples of one forward.
        device: Of the model.
        rank: This process.
        processes: All processes.
        gather: Collects all processes' lists into one.
    """
    examples = [(task, number) for task in tasks for number in range(len(task.rows))]
    starts = range(0, len(examples), batch_size)
    found: list[tuple[str, str, float, int]] = []
    for turn in range(-(-len(starts) // processes)):
        mine = turn * processes + rank
        start = starts[min(mine, len(starts) - 1)]
        part = examples[start : start + batch_size]
        losses = _row_losses(model, part, collator, own_forward=own_forward, device=device)
        if mine < len(starts):
            found += losses
    totals: LossTotals = {}
    for name, language, loss, tokens in gather(found):
        before = totals.get((name, language), (0.0, 0, 0))
        totals[name, language] = (before[0] + loss, before[1] + tokens, before[2] + 1)
    return totals


@torch.no_grad()
def _row_losses(
    model: nn.Module,
    part: Sequence[tuple[TaskExamples, int]],
    collator: Collator,
    *,
    own_forward: bool,
    device: torch.device,
) -> list[tuple[str, str, float, int]]:
    """Task, language, summed loss in nats and target tokens of each example."""
    batch = collator([task.rows[number] for task, number in part])
    output = weighted_target_loss(
        model, {name: tensor.to(device) for name, tensor in batch.items()}, own_forward=own_forward
    )
    assert output.row_losses is not None and output.row_counts is not None  # noqa: PT018
    values = zip(output.row_losses.tolist(), output.row_counts.tolist(), strict=True)
    return [
        (task.name, task.languages[number], loss, tokens)
        for (task, number), (loss, tokens) in zip(part, values, strict=True)
    ]
