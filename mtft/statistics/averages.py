"""Averages over cells, with the rule stated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mtft.statistics.intervals import FloatArray

MACRO_RULE = "mean over the cells of each task, then mean over tasks"


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


def above_chance(value: ArrayLike, chance: ArrayLike) -> FloatArray:
    """A score rescaled so that chance is 0 and perfect is 1: (value − chance) / (1 − chance).

    Where chance is 1 there is no room above it; the result is then nan.
    """
    room = 1.0 - np.asarray(chance, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = (np.asarray(value, dtype=np.float64) - np.asarray(chance, dtype=np.float64)) / room
    return np.asarray(np.where(room > 0, scaled, np.nan), dtype=np.float64)
