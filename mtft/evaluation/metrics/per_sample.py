"""Metrics of entities and rankings."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import Rows, per_row
from mtft.statistics import FloatArray, ratio


def span_rows(samples: Sequence[Sample]) -> Rows:
    """Entities of each sample: found, invented, missed."""
    names = ("true_positives", "false_positives", "false_negatives")
    return per_row(samples, [[s.scores[n] for n in names] for s in samples], 3)


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
        queries: dict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            queries[sample.item_group].append(sample)
        values = {
            group: measure([s.scores["relevance"] for s in found], [s.scores["margin"] for s in found])
            for group, found in queries.items()
        }
        known = [group for group, value in values.items() if not math.isnan(value)]
        statistics = np.array([(values[g], 1.0) for g in known], dtype=np.float64).reshape(-1, 2)
        return Rows(known, known, statistics)

    return rows
