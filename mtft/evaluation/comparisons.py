"""Two models on the same items: paired differences, corrected for their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtft.evaluation.aggregate import Place, Resampling
from mtft.evaluation.sample_columns import IntArray
from mtft.evaluation.summaries import SummaryCell
from mtft.statistics import (
    FloatArray,
    Wins,
    bootstrap_p_value,
    cluster_sums,
    holm,
    paired_difference,
    percentile_interval,
    replicates,
    wins,
)

RULE = (
    "mean over items and templates of a - b, items clustered; McNemar per item, won by more points over its "
    "templates; p_holm within model pair and metric"
)
# Metrics of right and wrong, where McNemar's test has a meaning.
_RIGHT_OR_WRONG = frozenset({"accuracy", "exact_match"})


class Paired(NamedTuple):
    """Two models' units of one cell, template by template in the same order.

    Attributes:
        a: (n, d) statistics of the first.
        b: (n, d) statistics of the second.
        groups: (n,) codes of item groups.
        template: (n,) number of each unit's template.
    """

    a: FloatArray
    b: FloatArray
    groups: IntArray
    template: IntArray


def comparisons(summaries: Sequence[SummaryCell], resampling: Resampling) -> list[dict[str, Any]]:
    """Rows of `comparisons` in results: every pair of models in every cell they share, the later model as
    `a`.

    `base` comes first in a pair, so a positive difference is what finetuning gained.
    """
    rows = [
        {**a.place._asdict(), "a": a.model, "b": b.model, "rule": RULE, **_compared(a, paired, resampling)}
        for a, b in _pairs(summaries)
        if (paired := shared_units(a, b)) is not None
    ]
    return _corrected(rows)


def _pairs(summaries: Sequence[SummaryCell]) -> Iterator[tuple[SummaryCell, SummaryCell]]:
    by_place: dict[Place, list[SummaryCell]] = defaultdict(list)
    for summary in summaries:
        by_place[summary.place].append(summary)
    for _, found in sorted(by_place.items()):
        ordered = sorted(found, key=lambda s: (s.model != "base", s.model))
        yield from ((a, b) for at, b in enumerate(ordered) for a in ordered[at + 1 :])


def shared_units(a: SummaryCell, b: SummaryCell) -> Paired | None:
    """What both models have scored under the same template; None where that is nothing."""
    theirs = {cell.template_id: cell for cell in b.cells}
    parts = []
    for number, cell in enumerate(a.cells):
        if (other := theirs.get(cell.template_id)) is None:
            continue
        _, one, two = np.intersect1d(cell.rows.ids, other.rows.ids, return_indices=True)
        template = np.full(len(one), number)
        parts.append((cell.rows.statistics[one], other.rows.statistics[two], cell.rows.groups[one], template))
    if not any(len(part[0]) for part in parts):
        return None
    return Paired(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _wins(paired: Paired) -> Wins:
    return wins(paired.a[:, 0], paired.b[:, 0], paired.groups)


def _compared(a: SummaryCell, paired: Paired, resampling: Resampling) -> dict[str, Any]:
    table = _resampled(a, paired, resampling)
    if a.metric.is_mean:
        found = paired_difference(paired.a[:, 0], paired.b[:, 0], paired.groups)._asdict()
    else:
        found = _percentiles(a, paired, table)
    row = {**found, "p_bootstrap": bootstrap_p_value(table)}
    if a.metric.name in _RIGHT_OR_WRONG:
        won = _wins(paired)
        row |= {"mcnemar_p": won.p_value, "a_only": len(won.a_only), "b_only": len(won.b_only)}
    return row


def _resampled(a: SummaryCell, paired: Paired, resampling: Resampling) -> FloatArray:
    """(B,) replicates of a - b: of means over all units, of other metrics averaged over templates."""
    groups = np.unique(paired.groups)
    weights = resampling.weights(a.cells[0].samples.names("item_group", groups))
    if a.metric.is_mean:
        rows = np.stack([paired.a[:, 0] - paired.b[:, 0], np.ones(len(paired.groups))], axis=1)
        return replicates(cluster_sums(rows, paired.groups)[0], weights)
    sums = _by_template(paired, groups)
    table = replicates(sums, weights, a.metric.value)
    return np.asarray((table[:, 0] - table[:, 1]).mean(axis=1), dtype=np.float64)


def _by_template(paired: Paired, groups: IntArray) -> FloatArray:
    """(G, 2, T, d) statistics per item group, model and template."""
    templates = np.unique(paired.template)
    sums = np.zeros((len(groups), 2, len(templates), paired.a.shape[1]))
    for column, number in enumerate(templates):
        of = paired.template == number
        at = np.searchsorted(groups, np.unique(paired.groups[of]))
        for side, statistics in enumerate((paired.a, paired.b)):
            sums[at, side, column] = cluster_sums(statistics[of], paired.groups[of])[0]
    return sums


def _percentiles(a: SummaryCell, paired: Paired, table: FloatArray) -> dict[str, Any]:
    """The difference of a metric that is no mean, averaged over templates."""
    groups = np.unique(paired.groups)
    value = a.metric.value(_by_template(paired, groups).sum(axis=0))
    difference = float((value[0] - value[1]).mean())
    _, low, high = percentile_interval(difference, table, n_clusters=len(groups))
    return {
        "difference": difference,
        "low": low,
        "high": high,
        "p_value": bootstrap_p_value(table),
        "n": len(paired.groups),
        "n_clusters": len(groups),
    }


def _corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with Holm's p-values, corrected over all cells of one pair of models and metric."""
    families: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        families[row["a"], row["b"], row["metric"]].append(row)
    for family in families.values():
        for name, corrected in (("p_value", "p_holm"), ("mcnemar_p", "mcnemar_p_holm")):
            known = [row for row in family if name in row]
            adjusted = holm([row[name] for row in known])
            for row, p_value in zip(known, adjusted.tolist(), strict=True):
                row[corrected] = p_value
    return rows
