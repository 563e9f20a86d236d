"""Several tasks in one number: relative gains over single-task models, mean ranks, differences over seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from scipy import stats

from mtft.statistics.intervals import FloatArray


class SeededDifference(NamedTuple):
    """The mean over seeds of a paired difference.

    Attributes:
        difference: The mean.
        low: Lower confidence limit.
        high: Upper confidence limit.
        p_value: Two-sided, against no difference.
        item_error: Standard error that comes from the items.
        seed_error: Standard error that comes from the seeds; nan with one seed.
        n_seeds: How many.
    """

    difference: float
    low: float
    high: float
    p_value: float
    item_error: float
    seed_error: float
    n_seeds: int


def relative_gain(scores: ArrayLike, baseline: ArrayLike, less_is_better: ArrayLike = False) -> FloatArray:
    """How much better scores are than their baseline, as a share of it; positive is better for error rates too.

    Example: accuracy .60 over .50 is .2; an error rate of .30 over .40 is .25. A baseline of 0 gives nan.

    Args:
        scores: (..., K) a score per task.
        baseline: (..., K) the single-task models' scores.
        less_is_better: (K,) whether the task's metric is a rate of errors.

    Source: Maninis, Radosavovic & Kokkinos 2019, arXiv 1904.08918, section 5, whose mean over tasks is Delta_m.
    """
    ours, theirs = np.asarray(scores, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    sign = np.where(np.asarray(less_is_better, dtype=bool), -1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(theirs != 0, sign * (ours - theirs) / theirs, np.nan), dtype=np.float64)


def mean_relative_gain(
    scores: ArrayLike, baseline: ArrayLike, less_is_better: ArrayLike = False
) -> FloatArray:
    """Delta_m: the mean over tasks (the last axis) of `relative_gain`; nan where a task has none.

    So all that is compared is a mean over the same tasks; `gainful` says which have a gain.

    Example: gains of .2 and -.1 give .05; of .2 and nan, nan.

    Source: as `relative_gain`.
    """
    gains = relative_gain(scores, baseline, less_is_better)
    if not gains.shape[-1]:
        return np.full(gains.shape[:-1], np.nan)
    return np.asarray(gains.mean(axis=-1), dtype=np.float64)


def gainful(scores: ArrayLike, baseline: ArrayLike) -> npt.NDArray[np.bool_]:
    """(K,) the tasks with a relative gain in every seed: both scores known, the baseline not 0.

    Deciding it once keeps a mean over tasks from being one over other tasks in every seed or resample.

    Example: baselines [[.5, 0], [.4, .1]] give [True, False].

    Args:
        scores: (S, K) of S seeds on K tasks.
        baseline: Likewise.
    """
    ours, theirs = np.asarray(scores, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    found: npt.NDArray[np.bool_] = (np.isfinite(ours) & np.isfinite(theirs) & (theirs != 0)).all(axis=0)
    return found


def mean_rank(scores: ArrayLike, less_is_better: ArrayLike = False) -> FloatArray:
    """(M,) each method's rank averaged over tasks, 1 for the best; methods that are equal share their ranks' mean.

    Example: [[.9, .2], [.8, .4], [.9, .3]] gives [2.25, 2.0, 1.75].

    Args:
        scores: (M, K) of M methods on K tasks; a task that any method lacks is left out.
        less_is_better: (K,) whether the task's metric is a rate of errors.

    Source: Navon et al. 2022, arXiv 2202.01017, section 6 (mean rank, MR).
    """
    table = np.asarray(scores, dtype=np.float64)
    sign = np.where(np.asarray(less_is_better, dtype=bool), 1.0, -1.0)
    oriented = table * sign
    whole = np.isfinite(oriented).all(axis=0)
    if not whole.any():
        return np.full(len(table), np.nan)
    return np.asarray(stats.rankdata(oriented[:, whole], axis=0).mean(axis=1), dtype=np.float64)


def seeded_difference(
    by_seed: ArrayLike, item_error: float, n_items: float, *, level: float = 0.95
) -> SeededDifference:
    """The mean of paired differences, one per seed, with limits that know both items and seeds.

    All seeds answer the same items, so what the items add does not shrink with more seeds, and what the seeds
    add is their own variance over their number. The squared errors add up; the degrees of freedom are
    Satterthwaite's. With one seed only the items count, and nothing is said of other seeds. An error that is not
    known leaves limits and p-value nan.

    Args:
        by_seed: (S,) differences; those that are not finite are left out.
        item_error: Standard error of their mean over resamples of the items.
        n_items: Item groups.
        level: Confidence level.

    Source: Satterthwaite 1946, "An Approximate Distribution of Estimates of Variance Components", Biometrics
        Bulletin 2.
    """
    given = np.asarray(by_seed, dtype=np.float64)
    known = given[np.isfinite(given)]
    nan = float("nan")
    if not len(known):
        return SeededDifference(nan, nan, nan, nan, item_error, nan, 0)
    mean, n_seeds = float(known.mean()), len(known)
    seed_error = float(known.std(ddof=1) / np.sqrt(n_seeds)) if n_seeds > 1 else nan
    parts = [(item_error, n_items - 1)] + ([(seed_error, n_seeds - 1)] if n_seeds > 1 else [])
    error, freedom = _together(parts)
    if not np.isfinite(error):  # one item, or no resample that has a difference
        return SeededDifference(mean, nan, nan, nan, item_error, seed_error, n_seeds)
    if not error > 0:  # nothing varied
        return SeededDifference(mean, mean, mean, 1.0 if mean == 0 else nan, item_error, seed_error, n_seeds)
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return SeededDifference(mean, mean - half, mean + half, p_value, item_error, seed_error, n_seeds)


def _together(parts: list[tuple[float, float]]) -> tuple[float, float]:
    """The root of the summed squared errors, and Satterthwaite's degrees of freedom."""
    total = sum(error**2 for error, _ in parts)
    spread = sum(error**4 / max(freedom, 1e-12) for error, freedom in parts)
    return float(np.sqrt(total)), float(total**2 / spread) if spread > 0 else np.inf
