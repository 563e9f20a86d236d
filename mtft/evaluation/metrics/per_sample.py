"""Metrics of entities and rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import Rows, per_row
from mtft.evaluation.ranking import placements
from mtft.evaluation.sample_columns import IntArray, SampleRows
from mtft.statistics import FloatArray, ratio


def span_rows(samples: Sequence[Sample]) -> Rows:
    """Entities of each sample: found, invented, missed."""
    names = ("true_positives", "false_positives", "false_negatives")
    found = SampleRows.of(samples)
    return per_row(found, np.stack([found.score(name) for name in names], axis=1), 3)


def span_f1_value(sums: FloatArray) -> FloatArray:
    """2 TP / (2 TP + FP + FN) of summed (..., 3) counts; nan where there is no entity at all.

    Source: Tjong Kim Sang & De Meulder 2003, CoNLL-2003 shared task, section 2.4 (exact phrases,
    micro-averaged).
    """
    twice = 2 * sums[..., 0]
    return ratio(np.stack([twice, twice + sums[..., 1] + sums[..., 2]], axis=-1))


def per_query(
    measure: Callable[[Sequence[float], Sequence[float]], float],
) -> Callable[[Sequence[Sample]], Rows]:
    """One unit per item group: the measure over its candidates; queries without a relevant one are left
    out.
    """

    def rows(samples: Sequence[Sample]) -> Rows:
        found = SampleRows.of(samples)
        return _query_rows(
            measure, found.codes("item_group"), found.score("relevance"), found.score("margin")
        )

    return rows


def _query_rows(
    measure: Callable[[Sequence[float], Sequence[float]], float],
    groups: IntArray,
    relevance: FloatArray,
    margin: FloatArray,
) -> Rows:
    if not len(groups):  # split would still make one part
        return Rows(groups, groups, np.empty((0, 2)))
    order = np.argsort(groups, kind="stable")
    queries, starts = np.unique(groups[order], return_index=True)
    parts = np.split(order, starts[1:])
    values = np.array([measure(relevance[at], margin[at]) for at in parts], dtype=np.float64)  # type: ignore[arg-type]
    known = np.isfinite(values)
    statistics = np.stack([values[known], np.ones(known.sum())], axis=1)
    return Rows(queries[known], queries[known], statistics)


def overall_auc_rows(samples: Sequence[Sample]) -> Rows:
    """Per query what `overall_auc_value` needs, so that queries can be resampled together.

    Columns: the placements of its relevant candidates and their number, those of the others and their number,
    the AUC of all queries and 1.
    """
    found = SampleRows.of(samples)
    relevant = found.score("relevance") > 0
    if relevant.all() or not relevant.any():  # no pair to compare
        none = np.empty(0, dtype=np.int64)
        return Rows(none, none, np.empty((0, 6)))
    places = placements(relevant, found.score("margin"))
    table = np.stack([places * relevant, relevant, places * ~relevant, ~relevant], axis=1)
    queries, place_of = np.unique(found.codes("item_group"), return_inverse=True)
    sums = np.zeros((len(queries), 6))
    np.add.at(sums[:, :4], place_of, table)
    sums[:, 4:] = places[relevant].mean(), 1.0
    return Rows(queries, queries, sums)


def overall_auc_value(sums: FloatArray) -> FloatArray:
    """The AUC over all candidates of all queries, of summed (..., 6) statistics.

    Exact for all queries together; in resamples the first-order expansion around it, whose variance is that of
    clustered ROC data: mean placement of relevant candidates + that of the others - AUC.

    Source: Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", Biometrics 53.
    """
    parts = [ratio(sums[..., at : at + 2]) for at in (0, 2, 4)]
    return np.asarray(np.clip(parts[0] + parts[1] - parts[2], 0.0, 1.0), dtype=np.float64)
