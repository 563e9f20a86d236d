"""Simulated evaluations with known truth: 95 % intervals hold it in 95 % of them, up to Monte-Carlo error.

Items differ in difficulty, and an item's templates and languages share that difficulty: a Gaussian copula
with a given correlation, so that every template and language has exactly its true accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from mtft.statistics import (
    FloatArray,
    Interval,
    clustered_interval,
    difference_interval,
    error_interval,
    macro_average,
    mcnemar_exact,
    median_over_templates,
    paired_difference,
    percentile_interval,
    replicate_error,
    replicates,
    resampling_weights,
    wins,
)

N, RESAMPLES, LEVEL = 1000, 300, 0.95
ERROR = 3.3 * math.sqrt(LEVEL * (1 - LEVEL) / N)  # three Monte-Carlo errors and a little
CORRELATIONS = pytest.mark.parametrize("correlation", [0.2, 0.8])


def answers(n_items: int, truth: ArrayLike, correlation: float, generator: np.random.Generator) -> FloatArray:
    """(items, ...) right or wrong, each of the true accuracies `truth` (...)."""
    thresholds = stats.norm.ppf(np.asarray(truth))
    item = generator.normal(size=(n_items, *(1,) * thresholds.ndim))
    own = generator.normal(size=(n_items, *thresholds.shape))
    return (math.sqrt(correlation) * item + math.sqrt(1 - correlation) * own < thresholds).astype(float)


def sums_of(right: FloatArray) -> FloatArray:
    return np.stack([right, np.ones_like(right)], axis=-1)


def coverage(truth: float, interval: Callable[[np.random.Generator], Sequence[float]]) -> float:
    """The share of simulations whose limits hold the truth."""
    generator = np.random.default_rng(1)
    found = [interval(generator)[-2:] for _ in range(N)]
    return float(np.mean([low <= truth <= high for low, high in found]))


def median_of(right: FloatArray, weights: np.typing.NDArray[np.uint8]) -> tuple[float, FloatArray]:
    return median_over_templates(sums_of(right), weights)


@CORRELATIONS
@pytest.mark.parametrize(("n_items", "accuracy"), [(40, 0.6), (200, 0.9)])
def test_means_over_languages_of_the_same_items(n_items: int, accuracy: float, correlation: float) -> None:
    items = np.repeat(np.arange(n_items), 8)

    def interval(generator: np.random.Generator) -> Interval:
        right = answers(n_items, np.full(8, accuracy), correlation, generator)
        return clustered_interval(right.ravel(), items)

    assert coverage(accuracy, interval) == pytest.approx(LEVEL, abs=ERROR)


def test_errors_that_ignore_items_are_far_too_small() -> None:
    """The trap that clustering avoids: pooled over 8 languages, the interval misses the truth often."""

    def interval(generator: np.random.Generator) -> Interval:
        right = answers(100, np.full(8, 0.6), 0.8, generator).ravel()
        return clustered_interval(right, np.arange(len(right)))

    assert coverage(0.6, interval) < 0.8


@CORRELATIONS
@pytest.mark.parametrize("n_items", [40, 150])
@pytest.mark.parametrize("truth", [(0.4, 0.5, 0.6, 0.7, 0.8), (0.3, 0.55, 0.65, 0.9), (0.85,)])
def test_the_median_over_templates(truth: tuple[float, ...], n_items: int, correlation: float) -> None:
    weights = resampling_weights(n_items, RESAMPLES)

    def interval(generator: np.random.Generator) -> Interval:
        value, samples = median_of(answers(n_items, truth, correlation, generator), weights)
        return error_interval(value, replicate_error(value, samples, n_items), n_items)

    # Not too narrow anywhere; a little too wide for few items, whose resampled templates change places.
    assert LEVEL - ERROR < coverage(float(np.median(truth)), interval) < LEVEL + 1.5 * ERROR


def test_the_median_of_templates_that_are_equally_good_is_never_too_certain() -> None:
    """Resampling cannot tell that they are equal: its interval is somewhat too wide, not too narrow."""
    weights = resampling_weights(100, RESAMPLES)

    def interval(generator: np.random.Generator) -> Interval:
        value, samples = median_of(answers(100, [0.6] * 5, 0.3, generator), weights)
        return error_interval(value, replicate_error(value, samples, 100), 100)

    assert LEVEL - 0.02 < coverage(0.6, interval) <= 1


@CORRELATIONS
def test_paired_differences_of_models(correlation: float) -> None:
    truth, items = np.array([[0.6, 0.7, 0.8], [0.5, 0.65, 0.6]]), np.repeat(np.arange(80), 3)

    def interval(generator: np.random.Generator) -> Sequence[float]:
        right = answers(80, truth, correlation, generator)
        return paired_difference(right[:, 0].ravel(), right[:, 1].ravel(), items)[1:3]

    assert coverage(float(truth[0].mean() - truth[1].mean()), interval) == pytest.approx(LEVEL, abs=ERROR)


@CORRELATIONS
@pytest.mark.parametrize("n_items", [40, 150])
def test_the_gap_between_parallel_languages(n_items: int, correlation: float) -> None:
    english, other = (0.7, 0.75, 0.85), (0.45, 0.55, 0.65)
    weights = resampling_weights(n_items, RESAMPLES)

    def interval(generator: np.random.Generator) -> Interval:
        right = answers(n_items, [english, other], correlation, generator)
        one, two = (median_of(right[:, side], weights) for side in (0, 1))
        return difference_interval(one[0] - two[0], one[1] - two[1], n_items)

    assert coverage(0.75 - 0.55, interval) == pytest.approx(LEVEL, abs=ERROR)


def test_the_gap_between_languages_that_share_no_items() -> None:
    weights = resampling_weights(180, RESAMPLES)

    def interval(generator: np.random.Generator) -> Interval:
        one = median_of(answers(60, [0.8], 0.5, generator), weights[:, :60])
        two = median_of(answers(120, [0.6], 0.5, generator), weights[:, 60:])
        return difference_interval(one[0] - two[0], one[1] - two[1], 60)

    assert coverage(0.2, interval) == pytest.approx(LEVEL, abs=ERROR)


def test_macro_averages_of_medians() -> None:
    """Ten languages of one task, skewed templates: percentiles of replicated medians would lean to one side."""
    truth = np.tile([0.5, 0.55, 0.6, 0.7, 0.9], (10, 1))
    weights = resampling_weights(100, RESAMPLES)

    def interval(generator: np.random.Generator) -> Interval:
        right = answers(100, truth, 0.5, generator)
        samples = np.median(replicates(sums_of(right), weights), axis=2).T
        value = float(macro_average(np.median(right.mean(axis=0), axis=1), ["task"] * 10))
        error = replicate_error(value, macro_average(samples, ["task"] * 10), 100)
        return error_interval(value, error, 100)

    assert coverage(0.6, interval) == pytest.approx(LEVEL, abs=ERROR)


@pytest.mark.parametrize("n_items", [15, 60])
def test_ratios_of_counts(n_items: int) -> None:
    """Right over all entities, as many as a sentence happens to have: percentiles, expanded for few items."""
    weights = resampling_weights(n_items, RESAMPLES)

    def interval(generator: np.random.Generator) -> Interval:
        count = 1 + generator.poisson(3, n_items)
        right = generator.binomial(count, generator.beta(6, 3, n_items))
        sums = np.stack([right, count], axis=1).astype(float)
        value = float(right.sum() / count.sum())
        return percentile_interval(value, replicates(sums, weights), n_clusters=n_items)

    assert coverage(2 / 3, interval) == pytest.approx(LEVEL, abs=ERROR)


def test_mcnemar_per_item_holds_its_level_where_answers_as_units_do_not() -> None:
    """Two equally good models whose items favour one or the other, each item under six templates."""
    generator, per_item, per_answer = np.random.default_rng(3), [], []
    items = np.repeat(np.arange(60), 6)
    for _ in range(N):
        lean = np.repeat(generator.choice([-0.3, 0.3], 60), 6)  # which model the item suits
        a, b = ((generator.random(360) < 0.5 + sign * lean).astype(float) for sign in (1, -1))
        per_item.append(wins(a, b, items).p_value < 0.05)
        per_answer.append(mcnemar_exact(int((a > b).sum()), int((b > a).sum())) < 0.05)
    assert np.mean(per_item) < 0.05 + ERROR
    assert np.mean(per_answer) > 0.15
