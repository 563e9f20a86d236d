"""Paired comparison of two models on the items both answered."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from mtft.statistics.intervals import FloatArray, cluster_sums, clustered_standard_error, wilson_interval
from mtft.statistics.mcnemar import mcnemar_exact


class PairedDifference(NamedTuple):
    """The mean of a − b over shared rows.

    Attributes:
        difference: Mean difference.
        low: Lower confidence limit.
        high: Upper confidence limit.
        p_value: Two-sided, against no difference.
        n: Rows.
        n_clusters: Item groups.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n: int
    n_clusters: int


def paired_difference(
    a: ArrayLike, b: ArrayLike, clusters: ArrayLike, *, level: float = 0.95
) -> PairedDifference:
    """The mean difference a − b with item-clustered interval and p-value.

    The differences' clustered standard error (CR1) and Student's distribution with G − 1 degrees of freedom
    give limits and p-value. Where every cluster shows the same difference d the error is 0 and says nothing:
    Wilson's limit u for none of G clusters then bounds the share of clusters that would differ, by at most
    d + 1 downwards and 1 - d upwards; the p-value comes from the exact sign test over clusters.

    Args:
        a: (n,) scores of the first model, in [0, 1].
        b: (n,) scores of the second on the same rows.
        clusters: (n,) item groups.
        level: Confidence level.

    Source: Miller 2024, arXiv 2411.00640, section 4.2 (paired differences), with the clustered errors of its
    section 2.2.
    """
    rows = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    if not len(rows):
        return PairedDifference(*(float("nan"),) * 4, 0, 0)
    groups = len(np.unique(np.asarray(clusters)))
    mean, error = float(rows.mean()), clustered_standard_error(rows, clusters)
    if not np.isfinite(error) or error < 1e-12:
        other = wilson_interval(0.0, groups, level=level).high
        limits = mean - other * (mean + 1), mean + other * (1 - mean)
        return PairedDifference(mean, *limits, sign_test(rows, clusters), len(rows), groups)
    half = float(stats.t.ppf(0.5 + level / 2, groups - 1)) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, groups - 1))
    low, high = max(-1.0, mean - half), min(1.0, mean + half)
    return PairedDifference(mean, min(low, mean), max(high, mean), p_value, len(rows), groups)


def sign_test(differences: ArrayLike, clusters: ArrayLike) -> float:
    """Two-sided p-value of the exact sign test over clusters; clusters without a difference do not count."""
    sums, _ = cluster_sums(differences, clusters)
    positive, negative = int((sums > 0).sum()), int((sums < 0).sum())
    return mcnemar_exact(positive, negative)


def bootstrap_p_value(differences: FloatArray) -> float:
    """Two-sided p-value from replicates (B,) of a difference: twice the smaller tail, at least 1 / (B + 1).

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (inverting the percentile
    interval); one is added to numerator and denominator so that no finite number of resamples gives 0.
    """
    finite = differences[np.isfinite(differences)]
    if not len(finite):
        return float("nan")
    tail = min(int((finite <= 0).sum()), int((finite >= 0).sum()))
    return float(min(1.0, 2 * (tail + 1) / (len(finite) + 1)))


def holm(p_values: ArrayLike) -> FloatArray:
    """P-values adjusted for all comparisons of a family, in the given order; nan stays nan.

    Example: [0.01, 0.04, 0.03] gives [0.03, 0.06, 0.06].

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6.
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(given.shape, np.nan)
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * factors))
    return adjusted
