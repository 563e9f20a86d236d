"""Loss normalisation: the weight of every example, so that a step's loss does not depend on how it was split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mtft.encoding import segment_target_tokens
from mtft.errors import ConfigError

NORMALIZATIONS = ("token", "target", "sample", "task")
LARGEST_EXPONENT = 2.0

SumOverProcesses = Callable[[Tensor], Tensor]
GatherDicts = Callable[[dict[str, float]], list[dict[str, float]]]
Batch = dict[str, Any]


def weigh_rows(
    batches: Sequence[Batch],
    kind: str,
    *,
    processes: int,
    sum_over_processes: SumOverProcesses,
    gather_dicts: GatherDicts,
    target_length_exponent: float = 0.0,
) -> Tensor:
    """The step's denominator; `row_weights` of all micro-batches are scaled in place to match it.

    With n_i target tokens in example i, S_i the sum of their losses and u_i = n_i ** `target_length_exponent`
    (1 for all by default), a step over all processes minimises

        token   sum_i u_i S_i / sum_i u_i n_i
        target  sum_i u_i S_i / n_i / sum_i u_i           BLOOMZ's choice
        sample  sum_i u_i S_i / sum_i u_i
        task    the mean over the step's tasks of the task's own token mean, weighted as in `token`

    Above 0, long targets gain weight: `target` with 1 is `token` with 0, half-way between them stands 0.5;
    `token` with -1 is `target` with 0.

    Data parallelism averages gradients over processes, so weights carry a factor of their number. The sum of
    `TargetLoss.loss` over a process's micro-batches, averaged over processes, is then the step's loss.

    Args:
        batches: This process's micro-batches of one step: `labels`, `row_weights` (1, or 0 where there is no
            example; (rows,), or (packs, segments) of packed examples), `tasks` (names, in the order of the
            flattened weights), `shifted` (whether position p is predicted from p - 1).
        kind: One of `NORMALIZATIONS`.
        processes: Data-parallel processes.
        sum_over_processes: Adds a tensor up over processes.
        gather_dicts: Collects one dict per process.
        target_length_exponent: See above and `check_exponent`.

    Source: BLOOMZ's `--norm-target-loss`: Muennighoff et al. 2023, arXiv 2211.01786, section 3.2 ("loss only
        over targets", normalised per target).
    """
    if kind == "task":
        return _weigh_by_task(batches, processes, gather_dicts, target_length_exponent)
    amount = torch.zeros(())
    for batch in batches:
        weights = _length_weights(batch, target_length_exponent)
        amount = amount + ((weights * target_tokens(batch)).sum() if kind == "token" else weights.sum())
    total = sum_over_processes(amount)
    denominator = torch.where(total > 0, total, 1.0)
    for batch in batches:
        weights = _length_weights(batch, target_length_exponent)
        per_example = target_tokens(batch).clamp(min=1) if kind == "target" else 1.0
        batch["row_weights"] = weights * processes / (per_example * denominator.cpu())
    return denominator


def check_exponent(exponent: float) -> None:
    """Refuse an exponent of target lengths that cannot be meant, or that overflows.

    Raises:
        ConfigError: It does not lie between -2 and 2.
    """
    if not -LARGEST_EXPONENT <= exponent <= LARGEST_EXPONENT:
        raise ConfigError(
            f"`target_length_exponent` must lie between {-LARGEST_EXPONENT:g} and {LARGEST_EXPONENT:g}.",
            found=exponent,
            remedy="0 is no weighting by length; 1 turns `target` into `token`.",
        )


def _length_weights(batch: Batch, exponent: float) -> Tensor:
    """u_i of each example and 0 where there is none, float32 in the shape of `row_weights`."""
    present: Tensor = batch["row_weights"]
    return present * target_tokens(batch).clamp(min=1) ** float(exponent)


def target_tokens(batch: Batch) -> Tensor:
    """Target tokens of each example, int64 in the shape of `row_weights`."""
    if "segments" in batch:
        return segment_target_tokens(batch)
    labels: Tensor = batch["labels"][:, 1:] if batch["shifted"] else batch["labels"]
    return (labels != -100).sum(dim=1)


def _weigh_by_task(
    batches: Sequence[Batch], processes: int, gather_dicts: GatherDicts, exponent: float
) -> Tensor:
    """Every task of the step weighs alike, whatever its number of tokens."""
    totals = _merged(gather_dicts(_tokens_by_task(batches, exponent)))
    for batch in batches:
        weights = _length_weights(batch, exponent)
        share = torch.tensor([1.0 / (totals.get(task) or 1.0) for task in batch["tasks"]])
        batch["row_weights"] = weights * share.view_as(weights) * processes / max(len(totals), 1)
    return torch.tensor(float(max(len(totals), 1)))


def _tokens_by_task(batches: Sequence[Batch], exponent: float) -> dict[str, float]:
    """Target tokens of each task in this process's examples, each times its example's weight by length."""
    counts: dict[str, float] = {}
    for batch in batches:
        weights = _length_weights(batch, exponent)
        tokens = weights.double() * target_tokens(batch)
        found = zip(batch["tasks"], tokens.flatten().tolist(), weights.flatten().tolist(), strict=True)
        for task, amount, weight in found:
            if weight > 0:
                counts[task] = counts.get(task, 0.0) + amount
    return counts


def _merged(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The processes' counts added up."""
    totals: dict[str, float] = {}
    for part in parts:
        for task, tokens in part.items():
            totals[task] = totals.get(task, 0.0) + tokens
    return totals
