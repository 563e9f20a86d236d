"""The statistics agree with statsmodels and scipy on constructed cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mtft.statistics import (
    cluster_sums,
    clustered_standard_error,
    detectable_score,
    effective_trials,
    error_interval,
    holm,
    mcnemar_exact,
    paired_difference,
    sign_test,
    spread,
    wilson_interval,
    wins,
)

pytest.importorskip("statsmodels", reason="compares with statsmodels, which is not installed")


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 10), (50, 100), (83, 83), (499, 500)])
def test_wilson(right: int, n: int, level: float) -> None:
    from statsmodels.stats.proportion import proportion_confint

    expected = proportion_confint(right, n, alpha=1 - level, method="wilson")
    assert wilson_interval(right / n, n, level=level)[1:] == pytest.approx(expected, abs=1e-12)
    found = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    assert wilson_interval(right / n, n, level=level)[1:] == pytest.approx((found.low, found.high), abs=1e-12)


def clustered(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    clusters = generator.integers(0, 25, 200)
    values = generator.random(200) + generator.normal(0, 0.5, 25)[clusters]
    return values, clusters


@pytest.mark.parametrize("seed", range(5))
def test_clustered_errors_are_those_of_a_regression_on_a_constant(seed: int) -> None:
    from statsmodels.api import OLS

    values, clusters = clustered(seed)
    ones, options = np.ones((200, 1)), {"groups": clusters, "use_correction": False}
    plain = OLS(values, ones).fit(cov_type="cluster", cov_kwds=options)
    assert clustered_standard_error(values, clusters, correction="CR0") == pytest.approx(plain.bse[0])
    # statsmodels' correction also has (n - 1) / (n - k), which is 1 for a constant alone.
    corrected = OLS(values, ones).fit(
        cov_type="cluster", cov_kwds={**options, "use_correction": True}, use_t=True
    )
    assert clustered_standard_error(values, clusters) == pytest.approx(corrected.bse[0])


@pytest.mark.parametrize("seed", range(5))
def test_paired_differences_are_a_clustered_regression_of_differences(seed: int) -> None:
    from statsmodels.api import OLS

    values, clusters = clustered(seed)
    a, b = np.clip(values / 4 + 0.4, 0, 1), np.full(200, 0.5)
    fitted = OLS(a - b, np.ones((200, 1))).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "df_correction": True}, use_t=True
    )
    found = paired_difference(a, b, clusters)
    assert found.p_value == pytest.approx(fitted.pvalues[0])
    assert (found.low, found.high) == pytest.approx(tuple(fitted.conf_int()[0]))
    # One row per item: the ordinary paired t-test.
    alone = paired_difference(a, b, np.arange(200))
    assert alone.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)


@pytest.mark.parametrize(("a_only", "b_only"), [(0, 1), (1, 1), (5, 0), (12, 3), (40, 41), (100, 60)])
def test_mcnemar(a_only: int, b_only: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    expected = mcnemar([[7, a_only], [b_only, 9]], exact=True).pvalue
    assert mcnemar_exact(a_only, b_only) == pytest.approx(expected)
    assert mcnemar_exact(b_only, a_only) == pytest.approx(expected)


def test_mcnemar_without_an_item_that_only_one_gets_right() -> None:
    # statsmodels' own answer is 1 too; a formula that divides by their number has none.
    assert mcnemar_exact(0, 0) == 1.0


def test_wins_are_those_of_a_contingency_table() -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    generator = np.random.default_rng(0)
    a, b = generator.random(300) < 0.7, generator.random(300) < 0.6
    found = wins(a, b, np.arange(300))
    table = [[found.both, len(found.a_only)], [len(found.b_only), found.neither]]
    assert table == [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_items_are_won_by_more_points_over_their_templates() -> None:
    items = np.repeat(["x", "y", "z"], 3)
    a, b = [1, 1, 0, 0, 1, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1, 1, 1, 1]
    found = wins(a, b, items)
    assert (found.a_only.tolist(), found.b_only.tolist(), found.both, found.neither) == (["x"], ["y"], 1, 0)
    assert wins([1, 0], [1, 1], ["x", "x"]).b_only.tolist() == ["x"]
    assert wins([1 / 3, 1 / 3, 1 / 3], [1, 0, 0], ["x"] * 3).neither == 1  # equal but for rounding
    # Right under half of the templates of every item, and under all of half of the items: no difference.
    a, b = [1, 0] * 40, [1, 1] * 20 + [0, 0] * 20
    assert wins(a, b, np.repeat(np.arange(40), 2)).p_value == 1.0
    assert wins([], [], []).p_value == 1.0


def test_holm_against_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(2).random(40) ** 3
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_sign_test_against_statsmodels() -> None:
    from statsmodels.stats.descriptivestats import sign_test as expected

    differences = np.random.default_rng(4).normal(0.2, 1, 41)
    assert sign_test(differences, np.arange(41)) == pytest.approx(expected(differences)[1])


def test_spread_against_scipy() -> None:
    values = [0.2, 0.9, 0.4, 0.4, 0.7, float("nan")]
    found = spread(values)
    assert found.q3 - found.q1 == pytest.approx(stats.iqr(values, nan_policy="omit"))
    assert (found.minimum, found.median, found.maximum, found.n) == (0.2, 0.4, 0.9, 5)
    assert spread([float("nan")]).n == 0
    assert np.isnan(spread([]).median)


@pytest.mark.parametrize(("chance", "n"), [(0.5, 100), (1 / 3, 83), (0.25, 30)])
def test_a_score_is_told_apart_from_chance_just_above_the_detectable_one(chance: float, n: int) -> None:
    def low(score: float) -> float:
        return error_interval(score, float(np.sqrt(score * (1 - score) / n)), n).low

    bound = detectable_score(chance, 0.6, float(np.sqrt(0.24 / n)), n)
    assert bound is not None
    assert low(bound + 1e-6) > chance > low(bound - 1e-6)


def test_no_score_is_told_apart_where_items_are_too_few() -> None:
    assert detectable_score(0.9, 0.8, 0.2, 4) is None
    # 500 answers to 20 items that all stand together are 20 trials.
    values = np.repeat([1.0, 0.0], 250)
    error = clustered_standard_error(values, np.arange(500) // 25)
    assert effective_trials(0.5, error, 20) == pytest.approx(19)


def test_cluster_sums_are_those_of_a_loop() -> None:
    generator = np.random.default_rng(8)
    values, clusters = generator.random((50, 3)), generator.integers(0, 7, 50)
    sums, counts = cluster_sums(values, clusters)
    for at, label in enumerate(np.unique(clusters)):
        assert sums[at] == pytest.approx(values[clusters == label].sum(axis=0))
        assert counts[at] == (clusters == label).sum()
