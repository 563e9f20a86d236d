"""Confidence intervals for means of scores whose rows come in clusters."""

from __future__ import annotations

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

    def widened(self, other: Interval) -> Interval:
        """This estimate with the limits that hold both intervals."""
        return Interval(self.value, min(self.low, other.low), max(self.high, other.high))


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
    sums = np.zeros((len(counts), *rows.shape[1:]), dtype=np.float64)
    np.add.at(sums, position, rows)
    return sums, counts


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


def clustered_interval(
    values: ArrayLike, clusters: ArrayLike, *, level: float = 0.95, at: float | None = None
) -> Interval:
    """Interval of the mean of scores in [0, 1] whose rows come in clusters.

    The clustered standard error SE gives an effective number of rows n* = p(1 − p) / SE², which Wilson's
    interval uses with Student's quantile of G − 1 degrees of freedom. So the interval stays inside [0, 1],
    is asymmetric near the ends, and keeps its coverage at small n where p ± 1.96 SE does not. Where all
    clusters agree, SE says nothing: n* is then G, as if every cluster were one trial. The width is therefore
    never zero, at 0 and 1 neither.

    Args:
        values: (n,) float in [0, 1].
        clusters: (n,) labels.
        level: Confidence level.
        at: An estimate other than the mean, such as a median over templates of which these rows are the
            middle one; it is given the width that n* means there.

    Returns:
        The estimate with its limits; (nan, nan, nan) without rows.

    Source: clustered errors: Miller 2024, arXiv 2411.00640, section 2.2. Wilson's interval at the effective
    sample size with Student's quantile: Korn & Graubard 1998, Survey Methodology 24 (their adjustment, on
    Wilson's interval).
    """
    rows = np.asarray(values, dtype=np.float64)
    if not len(rows):
        return Interval(float("nan"), float("nan"), float("nan"))
    mean, groups = float(rows.mean()), len(np.unique(np.asarray(clusters)))
    error = clustered_standard_error(rows, clusters)
    spread = mean * (1 - mean)
    known = np.isfinite(error) and error > 1e-12 and spread > 0
    effective = spread / error**2 if known else float(groups)
    estimate = mean if at is None else at
    return wilson_interval(estimate, effective, level=level, quantile=_student(groups, level))


def _student(groups: int, level: float) -> float:
    """Student's two-sided quantile for `groups` clusters; the normal one where there is a single cluster."""
    return float(stats.t.ppf(0.5 + level / 2, groups - 1)) if groups > 1 else normal_quantile(level)
