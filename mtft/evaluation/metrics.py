"""Metrics: from the samples of a cell to statistics that add up over item groups, and from their sum to a
number.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mtft.evaluation.character_f import chrf_counts, chrf_score
from mtft.evaluation.examples import Sample
from mtft.evaluation.ranking import ndcg, reciprocal_rank
from mtft.statistics import FloatArray, Statistic, ratio


class Rows(NamedTuple):
    """The scored units of a cell: rows, or queries in ranking.

    Attributes:
        ids: What each unit is, equal across models: row id, or the query's item group.
        groups: Item group of each unit.
        statistics: (units, d) float64, to be summed over any set of units.
    """

    ids: list[str]
    groups: list[str]
    statistics: FloatArray


@dataclass(frozen=True)
class Metric:
    """One number per cell.

    Attributes:
        name: In results and reports.
        rows: Statistics of scored samples.
        value: From summed statistics (..., d) to values (...).
        top: The best value: 1, or 100 for chrF.
        is_mean: The value is a mean over units: statistics are (value, 1).
        choice: Scored against chance.
    """

    name: str
    rows: Callable[[Sequence[Sample]], Rows]
    value: Statistic = ratio
    top: float = 1.0
    is_mean: bool = True
    choice: bool = False


def _mean_of(score: str) -> Callable[[Sequence[Sample]], Rows]:
    def rows(samples: Sequence[Sample]) -> Rows:
        return _per_row(samples, [(s.scores[score], 1.0) for s in samples], 2)

    return rows


def _per_row(samples: Sequence[Sample], statistics: Sequence[Sequence[float]], width: int) -> Rows:
    table = np.array(statistics, dtype=np.float64).reshape(len(samples), width)
    return Rows([s.id for s in samples], [s.item_group for s in samples], table)


def _spans(samples: Sequence[Sample]) -> Rows:
    names = ("true_positives", "false_positives", "false_negatives")
    return _per_row(samples, [[s.scores[n] for n in names] for s in samples], 3)


def span_f1_value(sums: FloatArray) -> FloatArray:
    """2 TP / (2 TP + FP + FN) of summed (..., 3) counts; nan where there is no entity at all.

    Source: Tjong Kim Sang & De Meulder 2003, CoNLL-2003 shared task, section 2.4 (exact phrases,
    micro-averaged).
    """
    twice = 2 * sums[..., 0]
    return ratio(np.stack([twice, twice + sums[..., 1] + sums[..., 2]], axis=-1))


def _chrf_rows(*, words: bool) -> Callable[[Sequence[Sample]], Rows]:
    def rows(samples: Sequence[Sample]) -> Rows:
        counts = [chrf_counts(s.prediction or "", s.targets, words=words) for s in samples]
        return _per_row(samples, counts, 24 if words else 18)

    return rows


def _per_query(
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


# What each scorer's samples are summed up to; the first is the primary one.
METRICS: dict[str, tuple[Metric, ...]] = {
    "accuracy": (Metric("accuracy", _mean_of("accuracy"), choice=True),),
    "ndcg": (
        Metric("ndcg", _per_query(ndcg), choice=True),
        Metric("mrr", _per_query(reciprocal_rank), choice=True),
    ),
    "chrf": (
        Metric("chrf", _chrf_rows(words=False), chrf_score, top=100.0, is_mean=False),
        Metric("chrf_pp", _chrf_rows(words=True), chrf_score, top=100.0, is_mean=False),
    ),
    "span_f1": (
        Metric("span_f1", _spans, span_f1_value, is_mean=False),
        Metric("malformed_rate", _mean_of("malformed")),
    ),
    "qa": (Metric("f1", _mean_of("f1")), Metric("exact_match", _mean_of("exact_match"))),
}


def majority_share(samples: Sequence[Sample]) -> float:
    """The share of the commonest answer, by wording or by place among the choices, whichever is larger.

    What the best constant answer would score; choices that differ from item to item have only places.
    """
    if not samples:
        return float("nan")
    wordings = Counter(t for s in samples for t in set(s.targets) & set(s.choices))
    places = Counter(n for s in samples for n, c in enumerate(s.choices) if c in s.targets)
    return max(max(c.values(), default=0) for c in (wordings, places)) / len(samples)


def chance_level(metric: Metric, samples: Sequence[Sample]) -> float | None:
    """What scores without understanding: max(1/K, majority share); for rankings, a random order's expected
    value.

    None for metrics of generated text.
    """
    if not metric.choice or not samples:
        return None
    if metric.name == "accuracy":
        blind = [len([c for c in s.choices if c in s.targets]) / len(s.choices) for s in samples]
        return max(float(np.mean(blind)), majority_share(samples))
    level = [_indifferent(sample) for sample in samples]
    rows = metric.rows(level)
    return float(metric.value(rows.statistics.sum(axis=0))) if len(rows.ids) else None


def _indifferent(sample: Sample) -> Sample:
    """The sample as a model would leave it that ranks nothing: a tie, which counts as every order alike."""
    return Sample(**{**vars(sample), "scores": {**sample.scores, "margin": 0.0}})
