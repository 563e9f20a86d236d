"""Loss normalisation: the weight of every row, so that a step's loss does not depend on how it was split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

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

    With n_i target tokens in row i and nll_it their losses, a step over all processes minimises

        token   sum_it nll_it / sum_i n_i
        target  sum_i (sum_t nll_it / n_i) / rows         BLOOMZ's choice
        sample  sum_i sum_t nll_it / rows
        task    the mean over the step's tasks of the task's own token mean

    Data parallelism averages gradients over processes, so weights carry a factor of their number. The sum of
    `TargetLoss.loss` over a process's micro-batches, averaged over processes, is then the step's loss.

    Args:
        batches: This process's micro-batches of one step: `labels`, `row_weights` (1, or 0 for an empty
            slot), `tasks` (names, one per row), `shifted` (whether position p is predicted from p - 1).
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
        per_row = target_tokens(batch).clamp(min=1) if kind == "target" else 1.0
        batch["row_weights"] = batch["row_weights"] * processes / (per_row * denominator.cpu())
    return denominator


def target_tokens(batch: Batch) -> Tensor:
    """Target tokens of each row, (rows,) int64."""
    labels: Tensor = batch["labels"][:, 1:] if batch["shifted"] else batch["labels"]
    return (labels != -100).sum(dim=1)


def _weigh_by_task(batches: Sequence[Batch], processes: int, gather_dicts: GatherDicts) -> Tensor:
    """Every task of the step weighs alike, whatever its number of tokens."""
    totals = _merged(gather_dicts(_tokens_by_task(batches)))
    for batch in batches:
        share = [1.0 / max(totals.get(task, 1), 1) for task in batch["tasks"]]
        batch["row_weights"] = batch["row_weights"] * torch.tensor(share) * processes / max(len(totals), 1)
    return torch.tensor(float(max(len(totals), 1)))


def _tokens_by_task(batches: Sequence[Batch]) -> dict[str, int]:
    """Target tokens of each task in this process's rows."""
    counts: dict[str, int] = {}
    for batch in batches:
        rows = zip(batch["tasks"], target_tokens(batch).tolist(), batch["row_weights"].tolist(), strict=True)
        for task, tokens, weight in rows:
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
