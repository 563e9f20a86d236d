"""Confidence intervals for means of scores whose rows come in clusters."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

FloatArray = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with its confidence limits.

    Attributes:
        value: The estimate.
        low: Lower limit.
        high: Upper limit.
    """

    value: float
    low: float
    high: float


def normal_quantile(level: float = 0.95) -> float:
    """The two-sided quantile of the normal distribution: 1.96 at 95 %."""
    return float(stats.norm.ppf(0.5 + level / 2))


def wilson_interval(
    proportion: float, n: float, *, level: float = 0.95, quantile: float | None = None
) -> Interval:
    """Wilson's score interval of a proportion; never of zero width, and inside [0, 1].

    Args:
        proportion: Share of successes, in [0, 1].
        n: Number of trials; an effective number need not be whole.
        level: Confidence level.
        quantile: Two-sided quantile to use instead of the normal one, such as Student's.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22, eq.
    for p.
    """
    if n <= 0:
        return Interval(proportion, 0.0, 1.0)
    z2 = (normal_quantile(level) if quantile is None else quantile) ** 2
    centre = (proportion + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (proportion * (1 - proportion) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # Rounding must not push a limit past the estimate when that is 0 or 1.
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    return Interval(proportion, min(low, proportion), max(high, proportion))


def cluster_sums(values: ArrayLike, clusters: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the values and number of rows per cluster, clusters in sorted order.

    Args:
        values: (n,) or (n, d) float.
        clusters: (n,) labels of any sortable kind.

    Returns:
        (G,) or (G, d) float64 sums, and (G,) float64 counts.

    Example: values [1, 0, 1], clusters ["a", "b", "a"] give ([2, 0], [2, 1]).
    """
    rows = np.asarray(values, dtype=np.float64)
    _, position = np.unique(np.asarray(clusters), return_inverse=True)
    counts = np.bincount(position).astype(np.float64)
    columns = rows.reshape(len(rows), int(np.prod(rows.shape[1:]))).T
    sums = np.array([np.bincount(position, column, len(counts)) for column in columns], dtype=np.float64).T
    return sums.reshape(len(counts), *rows.shape[1:]), counts


def clustered_standard_error(values: ArrayLike, clusters: ArrayLike, *, correction: str = "CR1") -> float:
    """Standard error of the mean of `values` (n,) when rows of one cluster depend on each other.

    CR0 is sqrt(Σ_c (Σ_{i∈c} (s_i − s̄))²) / n; CR1 multiplies it by sqrt(G / (G − 1)) for G clusters. With
    one cluster CR1 is infinite, since nothing then tells how clusters differ.

    Source: Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640, section 2.2 (clustered standard
    errors), where the sum over pairs within a cluster equals the squared cluster sum used here.
    """
    rows = np.asarray(values, dtype=np.float64)
    sums, _ = cluster_sums(rows - rows.mean(), clusters)
    groups = len(sums)
    error = float(np.sqrt((sums**2).sum()) / len(rows))
    if correction == "CR0":
        return error
    return error * float(np.sqrt(groups / (groups - 1))) if groups > 1 else float("inf")


def clustered_interval(values: ArrayLike, clusters: ArrayLike, *, level: float = 0.95) -> Interval:
    """Interval of the mean of scores in [0, 1] whose rows come in clusters: see `error_interval`.

    Args:
        values: (n,) float in [0, 1].
        clusters: (n,) labels.
        level: Confidence level.

    Returns:
        The mean with its limits; (nan, nan, nan) without rows.

    Source: clustered errors: Miller 2024, arXiv 2411.00640, section 2.2.
    """
    rows = np.asarray(values, dtype=np.float64)
    if not len(rows):
        return Interval(float("nan"), float("nan"), float("nan"))
    groups = len(np.unique(np.asarray(clusters)))
    error = clustered_standard_error(rows, clusters)
    return error_interval(float(rows.mean()), error, groups, level=level)


def error_interval(value: float, error: float, n_clusters: float, *, level: float = 0.95) -> Interval:
    """Interval of a score in [0, 1] with a known standard error, such as a clustered or a bootstrap one.

    The error SE gives an effective number of rows n* = p(1 − p) / SE², which Wilson's interval uses with
    Student's quantile of G − 1 degrees of freedom. So the interval stays inside [0, 1], is asymmetric near
    the ends, and keeps its coverage at small n where p ± 1.96 SE does not. Where all clusters agree, SE says
    nothing: n* is then G, as if every cluster were one trial. The width is therefore never zero, at 0 and 1
    neither.

    Args:
        value: The estimate.
        error: Its standard error.
        n_clusters: G, the independent units it was made of.
        level: Confidence level.

    Source: Wilson's interval at the effective sample size with Student's quantile: Korn & Graubard 1998,
    Survey Methodology 24 (their adjustment, on Wilson's interval).
    """
    trials = effective_trials(value, error, n_clusters)
    return wilson_interval(value, trials, level=level, quantile=student_quantile(n_clusters, level))


def effective_trials(value: float, error: float, n_clusters: float) -> float:
    """n* = p(1 − p) / SE², the independent trials that would have this error; G where the error says nothing.

    Example: a share of 0.5 with an error of 0.05 is worth 100 trials.
    """
    spread = value * (1 - value)
    return spread / error**2 if np.isfinite(error) and error > 1e-12 and spread > 0 else float(n_clusters)


def detectable_score(
    chance: float, value: float, error: float, n_clusters: float, *, level: float = 0.95
) -> float | None:
    """The smallest score whose interval would lie above chance with as many effective trials as `value` has.

    Wilson's lower limit lies above c just where p > c + t sqrt(c(1 − c) / n*), so this is that bound: a
    model whose true score it is would be told apart from chance half of the time. None where even a perfect
    score would not be.

    Args:
        chance: The level that is to be beaten, in [0, 1].
        value: The score found.
        error: Its standard error.
        n_clusters: Independent units.
        level: Confidence level of the interval.

    Source: inversion of the score test: Wilson 1927, as above; minimum detectable effects: Miller 2024, arXiv
    2411.00640, section 5.
    """
    trials = effective_trials(value, error, n_clusters)
    bound = chance + student_quantile(n_clusters, level) * np.sqrt(chance * (1 - chance) / trials)
    return float(bound) if bound < 1 else None


@lru_cache(maxsize=4096)
def student_quantile(n_clusters: float, level: float = 0.95) -> float:
    """Student's two-sided quantile for G clusters; the normal one where there is a single cluster."""
    if n_clusters < 2:
        return normal_quantile(level)
    return float(stats.t.ppf(0.5 + level / 2, n_clusters - 1))
