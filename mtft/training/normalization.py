"""Loss normalisation: the weight of every example, so that a step's loss does not depend on how it was split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mtft.encoding import segment_target_tokens

NORMALIZATIONS = ("token", "target", "sample", "task")

SumOverProcesses = Callable[[Tensor], Tensor]
GatherDicts = Callable[[dict[str, int]], list[dict[str, int]]]
Batch = dict[str, Any]


def weigh_rows(
    batches: Sequence[Batch],
    kind: str,
    *,
    processes: int,
    sum_over_processes: SumOverProcesses,
    gather_dicts: GatherDicts,
) -> Tensor:
    """The step's denominator; `row_weights` of all micro-batches are scaled in place to match it.

    With n_i target tokens in example i and nll_it their losses, a step over all processes minimises

        token   sum_it nll_it / sum_i n_i
        target  sum_i (sum_t nll_it / n_i) / examples     BLOOMZ's choice
        sample  sum_i sum_t nll_it / examples
        task    the mean over the step's tasks of the task's own token mean

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

    Source: BLOOMZ's `--norm-target-loss`: Muennighoff et al. 2023, arXiv 2211.01786, section 3.2 ("loss only
        over targets", normalised per target).
    """
    if kind == "task":
        return _weigh_by_task(batches, processes, gather_dicts)
    amount = torch.zeros(())
    for batch in batches:
        present, tokens = batch["row_weights"], target_tokens(batch)
        amount = amount + ((present * tokens).sum() if kind == "token" else present.sum())
    denominator = sum_over_processes(amount).clamp(min=1.0)
    for batch in batches:
        per_example = target_tokens(batch).clamp(min=1) if kind == "target" else 1.0
        batch["row_weights"] = batch["row_weights"] * processes / (per_example * denominator.cpu())
    return denominator


def target_tokens(batch: Batch) -> Tensor:
    """Target tokens of each example, int64 in the shape of `row_weights`."""
    if "segments" in batch:
        return segment_target_tokens(batch)
    labels: Tensor = batch["labels"][:, 1:] if batch["shifted"] else batch["labels"]
    return (labels != -100).sum(dim=1)


def _weigh_by_task(batches: Sequence[Batch], processes: int, gather_dicts: GatherDicts) -> Tensor:
    """Every task of the step weighs alike, whatever its number of tokens."""
    totals = _merged(gather_dicts(_tokens_by_task(batches)))
    for batch in batches:
        weights = batch["row_weights"]
        share = torch.tensor([1.0 / max(totals.get(task, 1), 1) for task in batch["tasks"]])
        batch["row_weights"] = weights * share.view_as(weights) * processes / max(len(totals), 1)
    return torch.tensor(float(max(len(totals), 1)))


def _tokens_by_task(batches: Sequence[Batch]) -> dict[str, int]:
    """Target tokens of each task in this process's examples."""
    counts: dict[str, int] = {}
    for batch in batches:
        amounts = (target_tokens(batch).flatten().tolist(), batch["row_weights"].flatten().tolist())
        for task, tokens, weight in zip(batch["tasks"], *amounts, strict=True):
            if weight > 0:
                counts[task] = counts.get(task, 0) + tokens
    return counts


def _merged(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The processes' counts added up."""
    totals: dict[str, int] = {}
    for part in parts:
        for task, tokens in part.items():
            totals[task] = totals.get(task, 0) + tokens
    return totals
