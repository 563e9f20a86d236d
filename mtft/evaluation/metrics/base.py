"""What a metric is: statistics per unit that add up over item groups, a number from their sum, a signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mtft.evaluation.examples import Sample
from mtft.evaluation.sample_columns import IntArray, SampleRows
from mtft.statistics import FloatArray, Statistic, ratio

VARYING = -1  # samples with different numbers of references


class Rows(NamedTuple):
    """The scored units of a cell: rows, or queries in ranking.

    Attributes:
        ids: (units,) int64: what each unit is, equal across models: the row id's code, or that of the query's
            item group.
        groups: (units,) int64 code of each unit's item group.
        statistics: (units, d) float64, to be summed over any set of units.
    """

    ids: IntArray
    groups: IntArray
    statistics: FloatArray


class CorpusScore(NamedTuple):
    """A score with how it was made, in sacrebleu's form `nrefs:3|case:lc|tok:13a|…`."""

    value: float
    signature: str


def reference_count(samples: Sequence[Sample]) -> int:
    """How many references each sample has; `VARYING` where that differs."""
    found = SampleRows.of(samples)
    counts = np.unique(found.counts("targets"))
    return int(counts[0]) if len(counts) == 1 else VARYING


def said(samples: Sequence[Sample]) -> list[tuple[str, tuple[str, ...]]]:
    """The text and the references of each sample."""
    found = SampleRows.of(samples)
    columns = found.column("prediction"), found.column("targets")
    return [(text or "", tuple(targets)) for text, targets in zip(*columns, strict=True)]


def kept_signature(samples: Sequence[Sample]) -> str:
    """What the samples' scorer noted of itself, with the number of references; several where they differ."""
    made = " / ".join(filter(None, SampleRows.of(samples).distinct("signature")))
    if not made or made.startswith("nrefs:"):
        return made
    count = reference_count(samples)
    return f"nrefs:{'var' if count == VARYING else count}|{made}"


@dataclass(frozen=True)
class Metric:
    """One number per cell.

    Attributes:
        name: In results and reports.
        rows: Statistics of scored samples.
        value: From summed statistics (..., d) to values (...).
        top: The best value: 1, or 100 for chrF; the largest where less is better.
        is_mean: The value is a mean over units, each in [0, 1]: statistics are (value, 1).
        choice: Scored against chance.
        less_is_better: A rate of errors.
        by_query: One unit per query; a query for which it is undefined is unscored.
        signature: References, casing, tokenisation and version, from scored samples; empty where the name
            says it all.
    """

    name: str
    rows: Callable[[Sequence[Sample]], Rows]
    value: Statistic = ratio
    top: float = 1.0
    is_mean: bool = True
    choice: bool = False
    less_is_better: bool = False
    by_query: bool = False
    signature: Callable[[Sequence[Sample]], str] = kept_signature


def per_row(samples: Sequence[Sample], statistics: ArrayLike, width: int) -> Rows:
    """One unit per sample."""
    found = SampleRows.of(samples)
    table = np.asarray(statistics, dtype=np.float64).reshape(len(found), width)
    return Rows(found.codes("id"), found.codes("item_group"), table)


def mean_of(score: str) -> Callable[[Sequence[Sample]], Rows]:
    """The mean of one of the samples' scores."""

    def rows(samples: Sequence[Sample]) -> Rows:
        found = SampleRows.of(samples)
        found = found.take(np.isfinite(found.score(score)))  # older samples lack later scores
        return per_row(found, np.stack([found.score(score), np.ones(len(found))], axis=1), 2)

    return rows


def ratio_of(parts: Sequence[str], whole: str) -> Callable[[Sequence[Sample]], Rows]:
    """The sum of some of the samples' counts over the sum of another."""

    def rows(samples: Sequence[Sample]) -> Rows:
        found = SampleRows.of(samples)
        above = np.sum([found.score(part) for part in parts], axis=0)
        return per_row(found, np.stack([above, found.score(whole)], axis=1), 2)

    return rows
