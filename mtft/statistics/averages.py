"""Averages over cells, with the rule stated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mtft.statistics.intervals import FloatArray

MACRO_RULE = "macro average: mean over the cells of each task, then mean over tasks"
MICRO_RULE = "micro average: mean over cells, each weighted by its scored items"


def macro_average(values: ArrayLike, tasks: Sequence[str]) -> FloatArray:
    """Mean over the cells of each task, then mean over tasks: a task of many languages counts once.

    Args:
        values: (cells, ...) float; trailing axes, such as resamples, are kept.
        tasks: The task of each cell.

    Returns:
        (...) float64.

    Example: values [1, 0, 0.5], tasks ["a", "a", "b"] give 0.5.
    """
    rows, names = np.asarray(values, dtype=np.float64), np.asarray(tasks)
    if not len(rows):
        return np.full(rows.shape[1:], np.nan)
    means = [rows[names == name].mean(axis=0) for name in np.unique(names)]
    return np.asarray(np.mean(means, axis=0), dtype=np.float64)


def micro_average(values: ArrayLike, weights: ArrayLike) -> float:
    """Mean over cells weighted by their items: a large test set counts more than a small one.

    Args:
        values: (cells,) float.
        weights: (cells,) scored items of each.

    Example: values [1, 0], weights [30, 10] give 0.75; their macro average is 0.5.
    """
    size = np.asarray(weights, dtype=np.float64)
    if not size.sum() > 0:
        return float("nan")
    return float(np.asarray(values, dtype=np.float64) @ size / size.sum())


def effective_clusters(variances: ArrayLike, clusters: ArrayLike) -> float:
    """How many clusters a sum of independent estimates is worth: Satterthwaite's degrees of freedom plus one.

    Args:
        variances: (tasks,) variance of each estimate.
        clusters: (tasks,) clusters it was made of.

    Example: equal variances of two estimates over 10 clusters each are worth 19; an estimate of no variance
    counts for nothing.

    Source: Satterthwaite 1946, "An Approximate Distribution of Estimates of Variance Components", Biometrics
    Bulletin 2.
    """
    variance, number = np.asarray(variances, dtype=np.float64), np.asarray(clusters, dtype=np.float64)
    if not variance.sum() > 0:
        return float(number.min())
    freedom = np.maximum(number - 1, 1)
    return float(1 + variance.sum() ** 2 / (variance**2 / freedom).sum())


def above_chance(value: ArrayLike, chance: ArrayLike) -> FloatArray:
    """A score rescaled so that chance is 0 and perfect is 1: (value − chance) / (1 − chance).

    Where chance is 1 there is no room above it; the result is then nan.
    """
    room = 1.0 - np.asarray(chance, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = (np.asarray(value, dtype=np.float64) - np.asarray(chance, dtype=np.float64)) / room
    return np.asarray(np.where(room > 0, scaled, np.nan), dtype=np.float64)
