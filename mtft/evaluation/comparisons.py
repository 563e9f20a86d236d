"""Two models on the same items: paired differences, corrected for their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from mtft.evaluation.aggregate import Place, Resampling, SummaryCell, TemplateCell
from mtft.statistics import (
    FloatArray,
    bootstrap_p_value,
    cluster_sums,
    holm,
    paired_difference,
    percentile_interval,
    replicates,
)

RULE = "mean over items and templates of a - b, items clustered; p_holm within model pair and metric"


def comparisons(summaries: Sequence[SummaryCell], resampling: Resampling) -> list[dict[str, Any]]:
    """Rows of `comparisons` in results: every pair of models in every cell they share, the later model as
    `a`.

    `base` comes first in a pair, so a positive difference is what finetuning gained.
    """
    by_place: dict[Place, list[SummaryCell]] = defaultdict(list)
    for summary in summaries:
        by_place[summary.place].append(summary)
    rows = []
    for place, found in sorted(by_place.items()):
        ordered = sorted(found, key=lambda s: (s.model != "base", s.model))
        for at, b in enumerate(ordered):
            rows += [row for a in ordered[at + 1 :] if (row := _compare(place, a, b, resampling)) is not None]
    return _corrected(rows)


def _compare(place: Place, a: SummaryCell, b: SummaryCell, resampling: Resampling) -> dict[str, Any] | None:
    shared = _shared(a, b)
    if not shared:
        return None
    row = {**place._asdict(), "a": a.model, "b": b.model, "rule": RULE}
    if a.metric.is_mean:
        values = np.concatenate(
            [np.stack([x.statistics[:, 0], y.statistics[:, 0]]) for x, y in shared], axis=1
        )
        groups = [group for x, _ in shared for group in x.groups]
        return {**row, **paired_difference(values[0], values[1], groups)._asdict()}
    return {**row, **_resampled(a, shared, resampling)}


class _Side:
    """The units of one template that both models have, in the same order."""

    def __init__(self, cell: TemplateCell, ids: Sequence[str]) -> None:
        place = {unit: at for at, unit in enumerate(cell.rows.ids)}
        at = [place[unit] for unit in ids]
        self.statistics: FloatArray = cell.rows.statistics[at]
        self.groups = [cell.rows.groups[n] for n in at]


def _shared(a: SummaryCell, b: SummaryCell) -> list[tuple[_Side, _Side]]:
    """Per template, both models' statistics on the units both have scored."""
    theirs = {cell.template_id: cell for cell in b.cells}
    found = []
    for cell in a.cells:
        other = theirs.get(cell.template_id)
        ids = sorted(set(cell.rows.ids) & set(other.rows.ids)) if other is not None else []
        if other is not None and ids:
            found.append((_Side(cell, ids), _Side(other, ids)))
    return found


def _resampled(
    a: SummaryCell, shared: Sequence[tuple[_Side, _Side]], resampling: Resampling
) -> dict[str, Any]:
    """The difference of a metric that is no mean, from shared resamples, averaged over templates."""
    values, tables, groups = [], [], set()
    for sides in shared:
        names = sorted(set(sides[0].groups))
        groups |= set(names)
        weights = resampling.weights(names)
        one, two = (cluster_sums(side.statistics, side.groups)[0] for side in sides)
        values.append(float(a.metric.value(one.sum(axis=0)) - a.metric.value(two.sum(axis=0))))
        tables.append(replicates(one, weights, a.metric.value) - replicates(two, weights, a.metric.value))
    table = np.mean(tables, axis=0)
    found = percentile_interval(float(np.mean(values)), table)
    return {
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "p_value": bootstrap_p_value(table),
        "n": sum(len(sides[0].groups) for sides in shared),
        "n_clusters": len(groups),
    }


def _corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with `p_holm`, corrected over all cells of one pair of models and metric."""
    families: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        families[row["a"], row["b"], row["metric"]].append(row)
    for family in families.values():
        adjusted = holm([row["p_value"] for row in family])
        for row, p_value in zip(family, adjusted.tolist(), strict=True):
            row["p_holm"] = p_value
    return rows
