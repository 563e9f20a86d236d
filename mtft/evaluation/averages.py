"""Averages over groups of cells, with the rule that makes them."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mtft.evaluation.aggregate import Place, percentiles
from mtft.evaluation.examples import EvalCell
from mtft.evaluation.metrics import METRICS
from mtft.evaluation.summaries import SummaryCell
from mtft.statistics import (
    MACRO_RULE,
    MICRO_RULE,
    FloatArray,
    Interval,
    above_chance,
    difference_interval,
    effective_clusters,
    error_interval,
    macro_average,
    micro_average,
    replicate_error,
)

CellOf = Mapping[tuple[str, str], EvalCell]
Holds = Callable[[EvalCell], bool]
Averaged = tuple[dict[str, Any], Sequence[SummaryCell]]
_LANGUAGES = ("trained", "pretrained_only", "unseen")
_CLUSTERS = {"trained": True, "held_out": False}


def _language(status: str) -> Holds:
    return lambda cell: cell.seen != "unknown" and cell.language_status == status


def _cluster(status: str) -> Holds:
    return lambda cell: cell.seen != "unknown" and cell.cluster_trained is _CLUSTERS[status]


def _crossed(language: str, cluster: str) -> Holds:
    return lambda cell: _language(language)(cell) and _cluster(cluster)(cell)


# Without a mixture nothing is known of languages and tasks, and only `all` has cells.
GROUPS: dict[str, Holds] = {
    "all": lambda cell: True,
    "seen": lambda cell: cell.seen == "seen",
    "held_out": lambda cell: cell.seen.startswith("held_out"),
    "held_out_language": lambda cell: cell.seen == "held_out_language",
    "held_out_pair": lambda cell: cell.seen == "held_out_pair",
    "held_out_cluster": lambda cell: cell.seen == "held_out_cluster",
    **{f"language_{status}": _language(status) for status in _LANGUAGES},
    **{f"cluster_{status}": _cluster(status) for status in _CLUSTERS},
    **{f"language_{one}_cluster_{two}": _crossed(one, two) for one in _LANGUAGES for two in _CLUSTERS},
}
NORMALISED = "accuracy_above_chance"
_RULE = f"medians over templates; {MACRO_RULE}; 95 % interval from resampled item groups"
_NORMALISED_RULE = f"(accuracy - chance) / (1 - chance) per cell; {_RULE}"


def averages(summaries: Sequence[SummaryCell], cell_of: CellOf) -> list[dict[str, Any]]:
    """Rows of `averages` in results: per model, group of cells and primary metric.

    Accuracy stands there twice, the second time rescaled so that chance is 0. `same_cells` says whether every
    model was averaged over the same cells: averages over different languages or tasks cannot be compared.
    """
    found: list[Averaged] = []
    for model in sorted({s.model for s in summaries}):
        usable = [s for s in summaries if s.model == model and _usable(s) and is_primary(s, cell_of)]
        for group, holds in GROUPS.items():
            inside = [s for s in usable if holds(_cell(s, cell_of))]
            for metric in sorted({s.place.metric for s in inside}):
                chosen = [s for s in inside if s.place.metric == metric]
                found.append((_average(model, group, metric, chosen), chosen))
                if metric == "accuracy":
                    found += _normalised(model, group, chosen)
    return _compared(found)


def _compared(found: Sequence[Averaged]) -> list[dict[str, Any]]:
    """The rows, each with whether all models have the same cells there."""
    cells: dict[tuple[str, str], set[frozenset[Place]]] = defaultdict(set)
    for row, chosen in found:
        cells[row["group"], row["metric"]].add(frozenset(s.place for s in chosen))
    return [{**row, "same_cells": len(cells[row["group"], row["metric"]]) == 1} for row, _ in found]


def is_primary(summary: SummaryCell, cell_of: CellOf) -> bool:
    """Whether the metric is the first of the cell's first scorer."""
    return primary_metric(cell_of[summary.place.task, summary.place.config]) == summary.place.metric


def primary_metric(cell: EvalCell) -> str:
    """The metric by which a cell is judged."""
    return METRICS[cell.metrics[0]][0].name


def _usable(summary: SummaryCell) -> bool:
    return bool(np.isfinite(summary.interval.value))


def _cell(summary: SummaryCell, cell_of: CellOf) -> EvalCell:
    return cell_of[summary.place.task, summary.place.config]


def _average(model: str, group: str, metric: str, chosen: Sequence[SummaryCell]) -> dict[str, Any]:
    values = [s.interval.value for s in chosen]
    return _row(model, group, metric, chosen, np.array(values), _replicates(chosen), _RULE)


def _normalised(model: str, group: str, chosen: Sequence[SummaryCell]) -> list[Averaged]:
    known = [s for s in chosen if s.chance is not None and s.chance < 1]
    if not known:
        return []
    chance = np.array([s.chance for s in known], dtype=np.float64)
    values = above_chance([s.interval.value for s in known], chance)
    replicates = above_chance(_replicates(known), chance[:, None])
    return [(_row(model, group, NORMALISED, known, values, replicates, _NORMALISED_RULE), known)]


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
    found = _interval(metric, values, replicates, chosen)
    return {
        "model": model,
        "group": group,
        "metric": metric,
        "averaging": "macro",
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n_cells": len(chosen),
        "n_tasks": len(set(tasks)),
        "rule": rule,
        "micro": micro_average(values, [_size(s) for s in chosen]),
        "micro_rule": MICRO_RULE,
    }


def _size(summary: SummaryCell) -> float:
    """Scored items per template."""
    return float(np.median([len(cell.rows.ids) for cell in summary.cells]))


def _interval(
    metric: str, values: FloatArray, replicates: FloatArray, chosen: Sequence[SummaryCell]
) -> Interval:
    """The macro average with its limits, as far out as the tasks' items allow.

    Means have them from the replicates' error, centred on the estimate: replicates of a median lean to one
    side, and in an average over many cells that would outweigh chance. Other metrics have percentiles.
    """
    tasks = np.array([s.place.task for s in chosen])
    groups, variances = [], []
    for task in np.unique(tasks):
        of = np.flatnonzero(tasks == task).tolist()
        groups.append(len(np.unique(np.concatenate([chosen[n].groups for n in of]))))
        variances.append(float(np.nanvar(replicates[of].mean(axis=0))))
    worth = effective_clusters(variances, groups)
    value = float(macro_average(values, tasks.tolist()))
    average = macro_average(replicates, tasks.tolist())
    if metric == NORMALISED:
        return difference_interval(value, average, worth)
    if chosen[0].metric.is_mean:
        return error_interval(value, replicate_error(value, average, worth), worth)
    return percentiles(chosen[0].metric, value, average, worth)
