from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.statistics import (
    above_chance,
    cluster_sums,
    clustered_interval,
    clustered_standard_error,
    macro_average,
    wilson_interval,
)


def test_wilson_by_hand() -> None:
    # n = 10, p = 0.5, z = 1.96: centre (0.5 + 0.19208) / 1.38416 = 0.5; half = 1.96 sqrt(0.025 + 0.009604) /
    # 1.38416.
    found = wilson_interval(0.5, 10, quantile=1.96)
    half = 1.96 * math.sqrt(0.025 + 1.96**2 / 400) / (1 + 1.96**2 / 10)
    assert found == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    # All successes: low = n / (n + z²), high = 1.
    assert wilson_interval(1.0, 10, quantile=1.96) == pytest.approx((1.0, 10 / (10 + 1.96**2), 1.0))


def test_clustered_error_by_hand() -> None:
    # Mean 0.5; residuals ±0.5; clusters a: +1.0, b: −1.0 → CR0 = sqrt(2) / 4, CR1 = that × sqrt(2).
    values, clusters = [1, 1, 0, 0], ["a", "a", "b", "b"]
    assert clustered_standard_error(values, clusters, correction="CR0") == pytest.approx(math.sqrt(2) / 4)
    assert clustered_standard_error(values, clusters) == pytest.approx(0.5)
    # Clusters of one row each: CR0 is the plain error with the population variance.
    assert clustered_standard_error(values, range(4), correction="CR0") == pytest.approx(0.25)


def test_clustered_error_is_the_sum_over_pairs() -> None:
    generator = np.random.default_rng(0)
    values, clusters = generator.random(40), generator.integers(0, 9, 40)
    residual = values - values.mean()
    pairs = (residual[:, None] * residual[None, :])[clusters[:, None] == clusters[None, :]].sum()
    assert clustered_standard_error(values, clusters, correction="CR0") == pytest.approx(
        math.sqrt(pairs) / 40
    )


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 4)), min_size=1, max_size=30))
def test_interval_is_never_of_zero_width(rows: list[tuple[float, int]]) -> None:
    values, clusters = [v for v, _ in rows], [c for _, c in rows]
    found = clustered_interval(values, clusters)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.05


def test_interval_ignores_the_order_of_rows() -> None:
    generator = np.random.default_rng(1)
    values, clusters = generator.random(50), generator.integers(0, 12, 50)
    order = generator.permutation(50)
    assert clustered_interval(values, clusters) == pytest.approx(
        clustered_interval(values[order], clusters[order])
    )


def test_repeated_rows_of_an_item_add_no_certainty() -> None:
    values = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 1], dtype=float)
    once = clustered_interval(values, np.arange(10))
    five_times = clustered_interval(np.tile(values, 5), np.tile(np.arange(10), 5))
    assert five_times == pytest.approx(once)
    assert clustered_interval(np.tile(values, 5), np.arange(50)).low > once.low


@pytest.mark.parametrize(("n", "p"), [(20, 0.9), (50, 0.5), (100, 0.97), (200, 0.333)])
def test_coverage_of_independent_rows(n: int, p: float) -> None:
    generator = np.random.default_rng(n)
    draws = generator.random((1500, n)) < p
    found = [clustered_interval(row.astype(float), np.arange(n)) for row in draws]
    assert np.mean([i.low <= p <= i.high for i in found]) > 0.93


def test_coverage_of_clustered_rows() -> None:
    generator, p, inside = np.random.default_rng(3), 0.7, []
    clusters = np.repeat(np.arange(40), 5)
    for _ in range(800):
        easy = generator.beta(0.7 * 2, 0.3 * 2, 40)  # mean .7, strongly different items
        values = (generator.random(200) < np.repeat(easy, 5)).astype(float)
        found = clustered_interval(values, clusters)
        inside.append(found.low <= p <= found.high)
    assert np.mean(inside) > 0.92


def test_cluster_sums() -> None:
    sums, counts = cluster_sums([[1, 2], [3, 4], [5, 6]], ["b", "a", "b"])
    assert sums.tolist() == [[3, 4], [6, 8]]
    assert counts.tolist() == [1, 2]


def test_averages_by_hand() -> None:
    assert macro_average([1, 0, 0.5], ["a", "a", "b"]) == pytest.approx(0.5)
    assert macro_average([[1, 2], [3, 4]], ["a", "b"]).tolist() == [2, 3]
    assert math.isnan(macro_average([], []))
    assert above_chance(0.75, 0.5) == pytest.approx(0.5)
    assert math.isnan(above_chance(1.0, 1.0))
