"""Averages over groups of cells, with the rule that makes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mtft.evaluation.aggregate import SummaryCell
from mtft.evaluation.examples import EvalCell
from mtft.evaluation.metrics import METRICS
from mtft.statistics import (
    MACRO_RULE,
    FloatArray,
    above_chance,
    macro_average,
    percentile_interval,
    wilson_interval,
)

CellOf = Mapping[tuple[str, str], EvalCell]
GROUPS: dict[str, Callable[[str], bool]] = {
    "all": lambda seen: True,
    "seen": lambda seen: seen == "seen",
    "held_out": lambda seen: seen.startswith("held_out"),
    "held_out_language": lambda seen: seen == "held_out_language",
    "held_out_pair": lambda seen: seen == "held_out_pair",
    "held_out_cluster": lambda seen: seen == "held_out_cluster",
}
NORMALISED = "accuracy_above_chance"
_CERTAIN = 1e-9  # narrower than this, all resamples agree
_RULE = f"medians over templates; {MACRO_RULE}; 95 % interval from resampled item groups"
_NORMALISED_RULE = f"(accuracy - chance) / (1 - chance) per cell; {_RULE}"


def averages(summaries: Sequence[SummaryCell], cell_of: CellOf) -> list[dict[str, Any]]:
    """Rows of `averages` in results: per model, group of cells and primary metric.

    Accuracy stands there twice, the second time rescaled so that chance is 0.
    """
    rows = []
    for model in sorted({s.model for s in summaries}):
        for group, holds in GROUPS.items():
            inside = [s for s in summaries if s.model == model and _usable(s) and holds(_seen(s, cell_of))]
            for metric in sorted({s.place.metric for s in inside if is_primary(s, cell_of)}):
                chosen = [s for s in inside if s.place.metric == metric and is_primary(s, cell_of)]
                rows.append(_average(model, group, metric, chosen))
                if metric == "accuracy":
                    rows += _normalised(model, group, chosen)
    return rows


def is_primary(summary: SummaryCell, cell_of: CellOf) -> bool:
    """Whether the metric is the first of the cell's first scorer."""
    return primary_metric(cell_of[summary.place.task, summary.place.config]) == summary.place.metric


def primary_metric(cell: EvalCell) -> str:
    """The metric by which a cell is judged."""
    return METRICS[cell.metrics[0]][0].name


def _usable(summary: SummaryCell) -> bool:
    return bool(np.isfinite(summary.interval.value))


def _seen(summary: SummaryCell, cell_of: CellOf) -> str:
    return cell_of[summary.place.task, summary.place.config].seen


def _average(model: str, group: str, metric: str, chosen: Sequence[SummaryCell]) -> dict[str, Any]:
    values = [s.interval.value for s in chosen]
    return _row(model, group, metric, chosen, np.array(values), _replicates(chosen), _RULE)


def _normalised(model: str, group: str, chosen: Sequence[SummaryCell]) -> list[dict[str, Any]]:
    known = [s for s in chosen if s.chance is not None and s.chance < 1]
    if not known:
        return []
    chance = np.array([s.chance for s in known], dtype=np.float64)
    values = above_chance([s.interval.value for s in known], chance)
    replicates = above_chance(_replicates(known), chance[:, None])
    return [_row(model, group, NORMALISED, known, values, replicates, _NORMALISED_RULE)]


def _replicates(chosen: Sequence[SummaryCell]) -> FloatArray:
    """(cells, resamples); a resample that lacks a cell's items takes the cell's own median."""
    table = np.stack([s.replicates for s in chosen])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)
        return np.where(np.isfinite(table), table, np.nanmedian(table, axis=1, keepdims=True))


def _row(
    model: str,
    group: str,
    metric: str,
    chosen: Sequence[SummaryCell],
    values: FloatArray,
    replicates: FloatArray,
    rule: str,
) -> dict[str, Any]:
    tasks = [s.place.task for s in chosen]
    found = percentile_interval(float(macro_average(values, tasks)), macro_average(replicates, tasks))
    if found.high - found.low < _CERTAIN * chosen[0].metric.top and 0 <= found.value <= chosen[0].metric.top:
        top, groups = chosen[0].metric.top, {g for s in chosen for c in s.cells for g in c.groups}
        _, low, high = wilson_interval(found.value / top, len(groups))
        found = found._replace(low=low * top, high=high * top)
    return {
        "model": model,
        "group": group,
        "metric": metric,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n_cells": len(chosen),
        "n_tasks": len(set(tasks)),
        "rule": rule,
    }
