"""What is lost between languages: a score and the score it falls short of, on the same resamples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtft.statistics.bootstrap import replicate_error
from mtft.statistics.intervals import FloatArray, Interval, student_quantile, wilson_interval


def difference_interval(
    difference: float, samples: FloatArray, n_clusters: float, *, top: float = 1.0, level: float = 0.95
) -> Interval:
    """Interval of the difference of two scores of at most `top`, from its replicates.

    Difference ± Student's quantile of G − 1 degrees of freedom × standard error of the replicates, inside
    [−top, top]. Where all resamples agree, the error says nothing: the limits are then Wilson's of
    (d + 1) / 2 with G trials, so the width is never zero.

    Args:
        difference: The estimate.
        samples: (B,) replicates, both scores taken on the same resample of items.
        n_clusters: Items that either score was made of; for unequal numbers the smaller.
        top: The largest value a score can have.
        level: Confidence level.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 12 (Student's interval with
    the bootstrap's standard error).
    """
    error = replicate_error(difference, samples, n_clusters)
    if not np.isfinite(difference) or np.isnan(error):
        return Interval(difference, float("nan"), float("nan"))
    if not np.isfinite(error) or error < 1e-9 * top:
        share = min(max((difference / top + 1) / 2, 0.0), 1.0)
        limits = wilson_interval(share, n_clusters, level=level)
        low, high = (2 * limits.low - 1) * top, (2 * limits.high - 1) * top
    else:
        half = student_quantile(n_clusters, level) * error
        low, high = difference - half, difference + half
        if abs(difference) <= top:  # error rates and scores above chance may lie outside
            low, high = max(-top, low), min(top, high)
    return Interval(difference, min(low, difference), max(high, difference))


def transfer_gap(source: FloatArray, targets: Sequence[FloatArray]) -> FloatArray:
    """The source language's score less the mean of the target languages': positive where transfer loses.

    Args:
        source: (...) score of the source language; replicates as well as estimates.
        targets: (...) scores of each other language.

    Example: English 0.9, Swahili 0.6, Thai 0.4: 0.4.

    Source: Hu et al. 2020, "XTREME", arXiv 2003.11080 (cross-lingual transfer gap).
    """
    return np.asarray(source - np.mean(targets, axis=0), dtype=np.float64)


def ratio_above_chance(
    value: float, reference: float, chance: float | None, reference_chance: float | None
) -> float:
    """(value − chance) / (reference − its chance): the share of the reference's skill that is kept.

    Scores without a chance level count from 0. nan where the reference does not exceed its chance: of no skill
    there is no share.

    Example: 0.6 of 0.8, both at a chance of 0.5: 1/3.
    """
    above, whole = value - (chance or 0.0), reference - (reference_chance or 0.0)
    return float(above / whole) if whole > 0 else float("nan")
