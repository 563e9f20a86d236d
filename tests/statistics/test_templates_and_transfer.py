from __future__ import annotations

import math

import numpy as np
import pytest

from mtft.statistics import (
    consistency,
    difference_interval,
    effective_clusters,
    macro_average,
    micro_average,
    percentile_interval,
    ratio_above_chance,
    replicate_error,
    transfer_gap,
)


def test_consistency_by_hand() -> None:
    alike = np.zeros((2, 3), dtype=int)
    assert consistency([[0, 0, 1], [2, 2, 2]], alike) == pytest.approx((1 + 3) / 6)
    # No answer, and choices that stand in another order, make no pair.
    assert consistency([[0, -1, 0]], np.zeros((1, 3))) == 1.0
    assert consistency([[0, 0, 1]], [[4, 4, 7]]) == 1.0
    assert math.isnan(consistency([[0]], [[0]]))
    assert math.isnan(consistency([[0, 1]], [[0, 1]]))


def test_macro_and_micro_averages_differ_by_the_size_of_test_sets() -> None:
    """XWinograd: 83 French items against 2,325 English ones."""
    values, items = [0.9, 0.5], [2325, 83]
    assert macro_average(values, ["xwinograd"] * 2) == pytest.approx(0.7)
    assert micro_average(values, items) == pytest.approx((0.9 * 2325 + 0.5 * 83) / 2408)
    assert math.isnan(micro_average([], []))


def test_effective_clusters() -> None:
    assert effective_clusters([1, 1], [10, 10]) == pytest.approx(19)
    assert effective_clusters([1, 0], [10, 500]) == pytest.approx(10)
    assert effective_clusters([0, 0], [10, 500]) == 10


def test_xtreme_transfer_gap_by_hand() -> None:
    assert float(transfer_gap(np.array(0.9), [np.array(0.6), np.array(0.4)])) == pytest.approx(0.4)
    # Replicates resample by resample.
    gaps = transfer_gap(np.array([0.9, 0.8]), [np.array([0.6, 0.8])])
    assert gaps.tolist() == pytest.approx([0.3, 0.0])


def test_the_share_of_skill_that_is_kept() -> None:
    assert ratio_above_chance(0.6, 0.8, 0.5, 0.5) == pytest.approx(1 / 3)
    assert ratio_above_chance(20.0, 40.0, None, None) == pytest.approx(0.5)
    assert math.isnan(ratio_above_chance(0.6, 0.5, 0.5, 0.5))
    # Commonest answers differ between languages, so each has its own chance.
    assert ratio_above_chance(0.6, 0.8, 0.4, 0.5) == pytest.approx(2 / 3)


def test_a_difference_is_never_certain_and_stays_in_range() -> None:
    same = difference_interval(0.0, np.zeros(100), 30)
    assert same.low < 0 < same.high
    large = difference_interval(0.95, np.array([0.8, 1.0] * 50), 10)
    assert large.high == 1.0
    chrf = difference_interval(5.0, np.array([4.0, 6.0] * 50), 50, top=100.0)
    assert 2.5 < chrf.low < 3.5 < 6.5 < chrf.high < 7.5
    assert math.isnan(difference_interval(0.1, np.full(10, np.nan), 5).low)
    assert difference_interval(0.1, np.array([0.1, 0.2]), 1).low < -0.5  # one item says nothing


def test_percentiles_reach_further_out_for_few_clusters() -> None:
    samples = np.random.default_rng(0).normal(0.5, 0.1, 20_000)
    plain, few = percentile_interval(0.5, samples), percentile_interval(0.5, samples, n_clusters=10)
    # Student's 2.262 with sqrt(10 / 9) instead of 1.96.
    assert (few.high - few.low) / (plain.high - plain.low) == pytest.approx(2.262 / 1.96 * 1.054, rel=0.05)


def test_the_error_of_replicates_counts_their_bias() -> None:
    samples = np.array([0.4, 0.6] * 50)
    assert replicate_error(0.5, samples, 5) == pytest.approx(0.1 * math.sqrt(5 / 4))
    assert replicate_error(0.6, samples, 1e12) == pytest.approx(math.sqrt(0.02))
    assert math.isinf(replicate_error(0.5, samples, 1))
    assert math.isnan(replicate_error(0.5, np.full(3, np.nan), 9))
