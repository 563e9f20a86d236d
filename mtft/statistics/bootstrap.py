"""Resampling of item groups, shared by every cell, template and model that holds the same items."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mtft.statistics.intervals import FloatArray, Interval

# Summed statistics (..., d) → values (...).
Statistic = Callable[[FloatArray], FloatArray]


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
    return generator.poisson(1.0, size=(n_resamples, n_clusters)).astype(np.uint8)


def replicates(sums: FloatArray, weights: NDArray[np.uint8], statistic: Statistic = ratio) -> FloatArray:
    """The statistic in every resample, (B,).

    Args:
        sums: (G, d) statistics summed per cluster.
        weights: (B, G) from `resampling_weights`, the columns in the order of `sums`.
        statistic: From summed statistics to values.
    """
    return statistic(weights.astype(np.float64) @ sums)


def percentile_interval(value: float, samples: FloatArray, *, level: float = 0.95) -> Interval:
    """The estimate with the percentiles of its replicates; resamples without any item (nan) are left out."""
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, min(float(low), value), max(float(high), value))


def median_over_templates(
    sums: Sequence[FloatArray], weights: Sequence[NDArray[np.uint8]], statistic: Statistic = ratio
) -> tuple[float, FloatArray]:
    """The median template's value and its replicates.

    Every template is scored on the same resample of items, then the median is taken, as in the estimate
    itself.

    Args:
        sums: Per template, (G_t, d) statistics per cluster.
        weights: Per template, the (B, G_t) columns of one matrix of `resampling_weights`.
        statistic: From summed statistics to values.

    Returns:
        The median (nan without templates) and (B,) replicates.
    """
    if not sums:
        return float("nan"), np.empty(0)
    values = np.array([float(statistic(s.sum(axis=0))) for s in sums])
    table = np.stack([replicates(s, w, statistic) for s, w in zip(sums, weights, strict=True)])
    return float(np.median(values)), np.asarray(np.median(table, axis=0), dtype=np.float64)
