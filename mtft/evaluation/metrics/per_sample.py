"""Metrics of entities and rankings."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import Rows, per_row
from mtft.evaluation.ranking import placements
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


def overall_auc_rows(samples: Sequence[Sample]) -> Rows:
    """Per query what `overall_auc_value` needs, so that queries can be resampled together.

    Columns: the placements of its relevant candidates and their number, those of the others and their number,
    the AUC of all queries and 1.
    """
    relevant = np.array([s.scores["relevance"] > 0 for s in samples], dtype=bool)
    if relevant.all() or not relevant.any():  # no pair to compare
        return Rows([], [], np.empty((0, 6)))
    places = placements(relevant, np.array([s.scores["margin"] for s in samples], dtype=np.float64))
    table = np.stack([places * relevant, relevant, places * ~relevant, ~relevant], axis=1)
    queries, place_of = np.unique([s.item_group for s in samples], return_inverse=True)
    sums = np.zeros((len(queries), 6))
    np.add.at(sums[:, :4], place_of, table)
    sums[:, 4:] = places[relevant].mean(), 1.0
    names = [str(query) for query in queries]
    return Rows(names, names, sums)


def overall_auc_value(sums: FloatArray) -> FloatArray:
    """The AUC over all candidates of all queries, of summed (..., 6) statistics.

    Exact for all queries together; in resamples the first-order expansion around it, whose variance is that of
    clustered ROC data: mean placement of relevant candidates + that of the others - AUC.

    Source: Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", Biometrics 53.
    """
    parts = [ratio(sums[..., at : at + 2]) for at in (0, 2, 4)]
    return np.asarray(np.clip(parts[0] + parts[1] - parts[2], 0.0, 1.0), dtype=np.float64)
