"""Resampling of item groups, shared by every cell, template and model that holds the same items."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mtft.statistics.intervals import FloatArray, Interval

# Summed statistics (..., d) → values (...).
Statistic = Callable[[FloatArray], FloatArray]
_CHUNK = 2048


def ratio(sums: FloatArray) -> FloatArray:
    """The quotient of summed statistics (..., 2) = (total, count); nan where the count is 0.

    Example: [[3, 4], [0, 0]] gives [0.75, nan].
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1], dtype=np.float64)


def resampling_weights(n_clusters: int, n_resamples: int = 1000, *, seed: int = 0) -> NDArray[np.uint8]:
    """How often each cluster stands in each resample: (n_resamples, n_clusters) Poisson(1) counts, uint8.

    Poisson counts are independent per cluster, so one matrix over all clusters of an evaluation serves every
    cell by taking columns: cells that share items are resampled together.

    Source: Hanley & MacGibbon 2006, "Creating non-parametric bootstrap samples using Poisson frequencies",
    Computer Methods and Programs in Biomedicine 83.
    """
    generator = np.random.default_rng(seed)
    drawn = np.empty((n_resamples, n_clusters), dtype=np.uint8)
    for row in drawn:  # numbers are drawn as int64: line by line they take an eighth, and are the same
        row[:] = generator.poisson(1.0, size=n_clusters)
    return drawn


def replicates(sums: FloatArray, weights: NDArray[np.uint8], statistic: Statistic = ratio) -> FloatArray:
    """The statistic in every resample, (B, ...).

    Args:
        sums: (G, ..., d) statistics summed per cluster.
        weights: (B, G) from `resampling_weights`, the columns in the order of `sums`.
        statistic: From summed statistics (..., d) to values (...).
    """
    flat = sums.reshape(len(sums), -1)
    total = np.zeros((len(weights), flat.shape[1]))
    # Counts are bytes: only as many as fit a cache are made floats at once.
    for start in range(0, len(flat), _CHUNK):
        total += weights[:, start : start + _CHUNK].astype(np.float64) @ flat[start : start + _CHUNK]
    return statistic(total.reshape(len(weights), *sums.shape[1:]))


def replicate_error(value: float, samples: FloatArray, n_clusters: float) -> float:
    """Standard error of an estimate, from its replicates (B,) over G clusters.

    The root of their mean squared distance from the estimate, so that where replicates lean to one side, as
    those of a median between unequal neighbours do, their bias counts; times sqrt(G / (G − 1)), since
    resampling varies like the clusters at hand, which lie closer to their own mean than to the true one.
    Infinite for one cluster, nan without replicates.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 10 (root mean square error);
    the factor: Hesterberg 2015, "What Teachers Should Know About the Bootstrap", The American Statistician 69.
    """
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return float("nan")
    if not n_clusters > 1:
        return float("inf")
    return float(np.sqrt(((finite - value) ** 2).mean() * n_clusters / (n_clusters - 1)))


def percentile_interval(
    value: float, samples: FloatArray, *, n_clusters: float = np.inf, level: float = 0.95
) -> Interval:
    """The estimate with the percentiles of its replicates; resamples without any item (nan) are left out.

    With G clusters the percentiles are those of a normal distribution where Student's limits lie: further
    out, since plain percentiles are too narrow for few clusters.

    Args:
        value: The estimate.
        samples: (B,) replicates.
        n_clusters: G; infinite for plain percentiles.
        level: Confidence level.

    Source: expanded percentiles: Hesterberg 2015, The American Statistician 69.
    """
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - level) / 2
    if 1 < n_clusters < np.inf:
        reach = stats.t.ppf(1 - tail, n_clusters - 1) * np.sqrt(n_clusters / (n_clusters - 1))
        tail = float(stats.norm.sf(reach))
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(value, min(float(low), value), max(float(high), value))


def median_over_templates(
    sums: FloatArray, weights: NDArray[np.uint8], statistic: Statistic = ratio
) -> tuple[float, FloatArray]:
    """The median template's value and its replicates.

    Every template is scored on the same resample of items, then the median is taken, as in the estimate
    itself.

    Args:
        sums: (G, T, d) statistics per cluster and template; zeros where a template lacks a cluster.
        weights: (B, G) of `resampling_weights`.
        statistic: From summed statistics to values.

    Returns:
        The median (nan without templates) and (B,) replicates.
    """
    if not sums.size:
        return float("nan"), np.full(len(weights), np.nan)
    return float(np.median(statistic(sums.sum(axis=0)))), _median(replicates(sums, weights, statistic))


def _median(table: FloatArray) -> FloatArray:
    """(B,) medians over the templates (B, T) that have a value in a resample."""
    known = np.isfinite(table)
    if known.all():
        return np.asarray(np.median(table, axis=1), dtype=np.float64)
    found = np.full(len(table), np.nan)
    some = known.any(axis=1)
    found[some] = np.nanmedian(np.where(known[some], table[some], np.nan), axis=1)
    return found
