"""Metrics of entities and rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import Rows, per_row
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
    order = np.argsort(groups, kind="stable")
    queries, starts = np.unique(groups[order], return_index=True)
    parts = np.split(order, starts[1:])
    values = np.array([measure(relevance[at], margin[at]) for at in parts], dtype=np.float64)  # type: ignore[arg-type]
    known = np.isfinite(values)
    statistics = np.stack([values[known], np.ones(known.sum())], axis=1)
    return Rows(queries[known], queries[known], statistics)
