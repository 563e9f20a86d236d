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


def group_amounts(batch: Batch, kind: str, numbers: Tensor, groups: int, exponent: float = 0.0) -> Tensor:
    """What a group's share of the step is divided by, from one micro-batch: sum u_i n_i for `token`, else sum u_i.

    Args:
        batch: See `weigh_rows`.
        kind: `token`, `target` or `sample`.
        numbers: int64, the group of each example in the order of the flattened `row_weights`; of no example, any.
        groups: How many there are.
        exponent: Of the target lengths, see `weigh_rows`.

    Returns:
        (groups,) float64.
    """
    amounts = _length_weights(batch, exponent).double()
    if kind == "token":
        amounts = amounts * target_tokens(batch)
    return torch.zeros(groups, dtype=torch.float64).index_add_(0, numbers.clamp(min=0), amounts.flatten())


def group_shares(
    batch: Batch, kind: str, numbers: Tensor, denominators: Tensor, exponent: float = 0.0
) -> Tensor:
    """What multiplies each example's summed loss so that a group's sum over the step is the group's own mean.

    Args:
        batch: See `weigh_rows`.
        kind: `token`, `target` or `sample`.
        numbers: See `group_amounts`.
        denominators: (groups,) float64, `group_amounts` over all micro-batches and processes.
        exponent: Of the target lengths.

    Returns:
        Float64 in the shape of `row_weights`, 0 where there is no example.
    """
    weights = _length_weights(batch, exponent).double()
    if kind == "target":
        weights = weights / target_tokens(batch).clamp(min=1)
    per_row = torch.where(denominators > 0, denominators, 1.0)[numbers.clamp(min=0)]
    return weights / per_row.view_as(weights)


def _weigh_by_task(
    batches: Sequence[Batch], processes: int, gather_dicts: GatherDicts, exponent: float
) -> Tensor:
    """Every task of the step weighs alike, whatever its number of tokens; the tasks are those of the step."""
    names = sorted({name for batch in batches for name in _present_tasks(batch)})
    places = {name: place for place, name in enumerate(names)}
    numbers = [torch.tensor([places.get(name, 0) for name in batch["tasks"]]) for batch in batches]
    amounts = torch.zeros(len(names), dtype=torch.float64)
    for batch, found in zip(batches, numbers, strict=True):
        if names:
            amounts += group_amounts(batch, "token", found, len(names), exponent)
    totals = _merged(gather_dicts(dict(zip(names, amounts.tolist(), strict=True))))
    denominators = torch.tensor([totals[name] for name in names] or [1.0], dtype=torch.float64)
    for batch, found in zip(batches, numbers, strict=True):
        shares = group_shares(batch, "token", found, denominators, exponent)
        batch["row_weights"] = (shares * processes / max(len(totals), 1)).float()
    return torch.tensor(float(max(len(totals), 1)))


def _present_tasks(batch: Batch) -> set[str]:
    """The tasks of the examples in a micro-batch."""
    present = (batch["row_weights"].flatten() > 0).tolist()
    return {name for name, there in zip(batch["tasks"], present, strict=True) if there}


def _merged(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The processes' counts added up."""
    totals: dict[str, float] = {}
    for part in parts:
        for task, tokens in part.items():
            totals[task] = totals.get(task, 0.0) + tokens
    return totals
