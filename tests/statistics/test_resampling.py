from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mtft.statistics import (
    bootstrap_p_value,
    clustered_standard_error,
    holm,
    median_over_templates,
    paired_difference,
    ratio,
    replicates,
    resampling_weights,
    sign_test,
    wilson_interval,
)


def test_weights_are_seeded_and_nested_per_cluster_set() -> None:
    one, two = resampling_weights(30, 50, seed=4), resampling_weights(30, 50, seed=4)
    assert (one == two).all()
    assert one.shape == (50, 30)
    assert not (one == resampling_weights(30, 50, seed=5)).all()


def test_replicates_by_hand() -> None:
    sums = np.array([[1.0, 1.0], [0.0, 1.0]])
    weights = np.array([[1, 1], [2, 0], [0, 3], [3, 1], [0, 0]], dtype=np.uint8)
    assert replicates(sums, weights)[:4].tolist() == [0.5, 1.0, 0.0, 0.75]
    assert math.isnan(replicates(sums, weights)[4])


def test_bootstrap_spread_equals_the_clustered_error() -> None:
    generator = np.random.default_rng(0)
    clusters = np.repeat(np.arange(60), 4)
    values = np.repeat(generator.random(60), 4) + generator.normal(0, 0.1, 240)
    sums = np.stack([values.reshape(60, 4).sum(1), np.full(60, 4.0)], axis=1)
    spread = replicates(sums, resampling_weights(60, 4000)).std()
    assert spread == pytest.approx(clustered_standard_error(values, clusters), rel=0.1)


def test_median_over_templates() -> None:
    sums = np.stack([np.stack([np.full(10, v), np.ones(10)], axis=1) for v in (0.1, 0.4, 0.9)], axis=1)
    weights = resampling_weights(10, 100)
    value, samples = median_over_templates(sums, weights)
    assert value == pytest.approx(0.4)
    assert np.nanmax(abs(samples - 0.4)) < 1e-12
    assert math.isnan(median_over_templates(np.empty((0, 0, 2)), weights[:, :0])[0])


def test_a_template_without_items_in_a_resample_is_left_out_of_the_median() -> None:
    # The second template has the first cluster only, which the second resample lacks.
    sums = np.array([[[1.0, 1.0], [0.5, 1.0]], [[0.0, 1.0], [0.0, 0.0]]])
    value, samples = median_over_templates(sums, np.array([[1, 1], [0, 2], [0, 0]], dtype=np.uint8))
    assert value == pytest.approx(0.5)
    assert samples[:2].tolist() == [0.5, 0.0]
    assert math.isnan(samples[2])


def test_paired_difference_by_hand() -> None:
    # Differences 1, 0, 0, 1 in four clusters: mean .5, CR1 error = sqrt(4 · .25) / 4 · sqrt(4/3) = .2887, t
    # = 1.732.
    found = paired_difference([1, 1, 0, 1], [0, 1, 0, 0], [0, 1, 2, 3])
    assert found.difference == 0.5
    assert found.p_value == pytest.approx(2 * stats.t.sf(math.sqrt(3), 3))
    assert found.low == pytest.approx(0.5 - stats.t.ppf(0.975, 3) / math.sqrt(12))
    assert found.high == 1.0  # a difference of scores in [0, 1] is at most 1
    assert (found.n, found.n_clusters) == (4, 4)


def test_pairing_uses_that_items_are_shared() -> None:
    generator = np.random.default_rng(2)
    b = (generator.random(220) < 0.5).astype(float)
    a = b.copy()
    a[np.flatnonzero(b == 0)[:12]] = 1.0
    paired = paired_difference(a, b, np.arange(220)).p_value
    unpaired = stats.ttest_ind(a, b).pvalue
    assert paired < 0.001 < unpaired


def test_all_items_alike_gives_neither_zero_width_nor_certainty() -> None:
    same = paired_difference([1] * 8, [1] * 8, range(8))
    assert same.difference == 0
    # at most as many items differ as Wilson's limit for none of 8 allows
    assert (-same.low, same.high) == (pytest.approx(wilson_interval(0.0, 8).high),) * 2
    assert same.p_value == 1.0
    better = paired_difference([1] * 8, [0] * 8, range(8))
    assert better.p_value == pytest.approx(2 * 0.5**8)
    assert better.low < 1 == better.high


def test_false_positive_rate_with_clusters() -> None:
    generator, p_values = np.random.default_rng(5), []
    clusters = np.repeat(np.arange(30), 6)
    for _ in range(600):
        effect = np.repeat(generator.normal(0, 0.3, 30), 6)  # differs per item, zero on average
        p_values.append(
            paired_difference(0.5 + effect + generator.normal(0, 0.1, 180), [0.5] * 180, clusters).p_value
        )
    assert np.mean(np.array(p_values) < 0.05) < 0.08


def test_sign_test_and_bootstrap_p_value() -> None:
    assert sign_test([1, 1, -1, 0], [0, 1, 2, 3]) == pytest.approx(1.0)
    assert bootstrap_p_value(np.full(999, 0.2)) == pytest.approx(2 / 1000)
    assert bootstrap_p_value(np.array([-1.0, 1.0])) == 1.0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert np.isnan(holm([0.02, float("nan")])).tolist() == [False, True]
    assert holm([]).tolist() == []


def test_ratio_without_rows_is_nan() -> None:
    assert math.isnan(float(ratio(np.zeros(2))))
