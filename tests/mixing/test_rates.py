"""Shares by hand, step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import MixtureError
from mtft.mixing.rates import (
    RESOLUTION,
    Rates,
    Unit,
    bounded,
    capped,
    quantised,
    shares,
    size_of,
    tempered,
)


def unit(size: int, task: str = "a", cluster: str = "c", language: str = "en", **more: float) -> Unit:
    return Unit(size, task, cluster, language, **more)


def test_proportional_and_cap() -> None:
    units = [unit(100), unit(300, "b"), unit(600, "c")]
    assert shares(units, Rates()) == pytest.approx([0.1, 0.3, 0.6])
    assert shares(units, Rates(cap=100)) == pytest.approx([1 / 3] * 3)
    assert capped(np.array([10.0, 300.0]), 100).tolist() == [10, 100]


def prompted(rows: int, templates: int, *fewer: int) -> Unit:
    """A unit whose templates prompt every row, but for some that leave rows out."""
    counts = (*(rows for _ in range(templates - len(fewer))), *fewer)
    return Unit(rows, "a", "c", "en", prompted=counts, templates=templates)


def test_xp3_counts_prompted_rows_up_to_a_cap_per_template() -> None:
    rates = Rates(unit="examples", cap_per_template=100_000)
    # 363,846 rows under 6 templates: 6 x 100,000. 3,668 rows under 7: all 25,676. One template of three
    # leaves rows out: 100,000 + 100,000 + 40,000.
    units = [prompted(363_846, 6), prompted(3_668, 7), prompted(120_000, 3, 40_000)]
    assert [size_of(u, rates) for u in units] == [600_000, 25_676, 240_000]
    assert shares(units, rates) == pytest.approx(np.array([600_000, 25_676, 240_000]) / 865_676)


def test_p3_counts_a_large_dataset_once_and_a_small_one_per_template() -> None:
    rates = Rates(unit="examples", cap_per_dataset=500_000)
    # T0: over 500,000 rows each of n templates counts 500,000 // n; at or below, each counts all rows. So
    # 3,600,000 rows under 9 templates are 9 x 55,555, and 400,000 rows under 10 are 4,000,000.
    units = [prompted(3_600_000, 9), prompted(400_000, 10), prompted(500_000, 2), prompted(500_001, 2)]
    assert [size_of(u, rates) for u in units] == [499_995, 4_000_000, 1_000_000, 500_000]


def test_caps_on_examples_go_together_and_before_the_overall_cap() -> None:
    both = Rates(unit="examples", cap_per_template=40_000, cap_per_dataset=500_000)
    assert size_of(prompted(600_000, 10), both) == 400_000
    assert size_of(prompted(600_000, 20), both) == 500_000
    capped_after = Rates(unit="examples", cap_per_template=100, cap=150)
    assert shares([prompted(300, 2), prompted(50, 1)], capped_after) == pytest.approx([0.75, 0.25])


def test_rows_stay_the_default_and_refuse_caps_on_examples() -> None:
    assert size_of(prompted(300, 5), Rates()) == 300
    with pytest.raises(MixtureError, match="unit: examples"):
        Rates(cap_per_template=100)
    with pytest.raises(MixtureError, match="unit: examples"):
        Rates(cap_per_dataset=100)


def test_task_weights_multiply_capped_sizes() -> None:
    units = [unit(100, weight=3.0), unit(300, "b")]
    assert shares(units, Rates()) == pytest.approx([0.5, 0.5])


def test_explicit_weights_ignore_sizes_between_tasks_and_keep_them_within() -> None:
    units = [unit(10, "a", language="en", weight=2), unit(30, "a", language="de", weight=2), unit(9000, "b")]
    assert shares(units, Rates(kind="weights")) == pytest.approx([2 / 12, 6 / 12, 1 / 3])


def test_explicit_weights_with_language_temperature_keep_the_tasks_total() -> None:
    units = [unit(16, "a", language="en", weight=2), unit(4, "a", language="de", weight=2), unit(9, "b")]
    got = shares(units, Rates(kind="weights", temperature_language=2.0))
    assert got == pytest.approx([2 / 3 * 4 / 6, 2 / 3 * 2 / 6, 1 / 3])


def test_tempered_example_of_the_docstring() -> None:
    got = tempered(np.array([16.0, 3.0, 1.0]), ["a", "b", "b"], 2.0)
    assert got == pytest.approx([40 / 3, 5, 5 / 3])


def test_language_temperature_evens_languages_within_a_cluster_and_keeps_the_cluster() -> None:
    units = [
        unit(900, "a", "sentiment", "en"),
        unit(100, "a", "sentiment", "yo"),
        unit(500, "b", "qa", "en"),
        unit(500, "b", "qa", "sw"),
    ]
    assert shares(units, Rates(temperature_language=2.0)) == pytest.approx([0.375, 0.125, 0.25, 0.25])
    assert shares(units, Rates(temperature_language=1e9)) == pytest.approx([0.25] * 4, abs=1e-6)


def test_cluster_temperature_evens_clusters_and_keeps_proportions_inside() -> None:
    units = [unit(1500, "a", "x"), unit(100, "b", "x"), unit(400, "c", "y")]
    got = shares(units, Rates(temperature_cluster=2.0))
    assert got == pytest.approx([2 / 3 * 15 / 16, 2 / 3 / 16, 1 / 3])


def test_a_unit_without_rows_gets_nothing() -> None:
    units = [unit(0, "a", language="om"), unit(10, "a", language="am")]
    for rates in (Rates(), Rates(kind="weights"), Rates(temperature_language=3.0, temperature_cluster=2.0)):
        assert shares(units, rates).tolist() == [0.0, 1.0]
    with pytest.raises(MixtureError, match="at least one row"):
        shares([unit(0)], Rates())


def test_maximum_repetition_over_a_horizon_by_hand() -> None:
    # 8 and 16 rows at equal rates: 16 positions without repetition leave all at rate, 24 do not.
    units = [unit(8, weight=2.0), unit(16, "b")]
    assert shares(units, Rates(max_repetition=1), horizon=16) == pytest.approx([0.5, 0.5])
    assert shares(units, Rates(max_repetition=1), horizon=24) == pytest.approx([1 / 3, 2 / 3])
    assert shares(units, Rates(max_repetition=2), horizon=24) == pytest.approx([0.5, 0.5])


def test_maximum_repetition_without_a_horizon_is_for_one_pass() -> None:
    units = [unit(10, weight=100.0), unit(90, "b")]
    assert shares(units, Rates(max_repetition=3)) == pytest.approx([0.3, 0.7])
    assert shares(
        [unit(10, weight=100.0, max_repetition=2), unit(90, "b")], Rates(max_repetition=3)
    ) == pytest.approx([0.2, 0.8])


def test_the_rates_say_over_how_many_positions_repetition_is_bounded() -> None:
    units = [unit(8, weight=2.0), unit(16, "b")]
    for kind in ("proportional", "unimax"):
        bound = Rates(kind, max_repetition=2, unimax_by="task" if kind == "unimax" else "language")
        for over in (24, 40):
            assert shares(units, replace(bound, over=over)) == pytest.approx(
                shares(units, bound, horizon=over)
            )
    assert shares(units, replace(bound, over=40)) == pytest.approx([0.4, 0.6])
    with pytest.raises(MixtureError, match=r"fewer positions as `over`"):
        shares(units, Rates(max_repetition=1, over=25))
    with pytest.raises(MixtureError, match="positive numbers"):
        Rates(max_repetition=1, over=0)


def test_a_horizon_beyond_all_repetition_is_refused() -> None:
    with pytest.raises(MixtureError, match=r"25 positions, at most 24 allowed.*Raise `max_repetition`"):
        shares([unit(8), unit(16, "b")], Rates(max_repetition=1), horizon=25)


@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.floats(1, 50)), min_size=1, max_size=12),
    st.floats(0.05, 1.0),
)
def test_bounded_keeps_the_sum_the_bounds_and_the_order_of_the_free(
    pairs: list[tuple[float, float]], part: float
) -> None:
    share = np.array([p for p, _ in pairs])
    share /= share.sum()
    most = np.array([m for _, m in pairs])
    horizon = max(1, int(most.sum() * part))
    got = bounded(share, most, horizon)
    assert got.sum() == pytest.approx(1)
    assert (got * horizon <= most * (1 + 1e-9)).all()
    free = got * horizon < most * (1 - 1e-9)
    if free.any():
        assert got[free] / share[free] == pytest.approx((got[free] / share[free])[0])


def test_quantised_weights_are_integers_and_never_lose_a_unit() -> None:
    weights = quantised(np.array([1e-12, 0.0, 0.5, 0.5]))
    assert weights.dtype == np.int64
    assert weights.tolist() == [1, 0, RESOLUTION // 2, RESOLUTION // 2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "even"},
        {"unit": "tokens"},
        {"cap": 0},
        {"unit": "examples", "cap_per_template": 0},
        {"temperature_language": 0},
        {"max_repetition": -1},
    ],
)
def test_rates_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MixtureError, match="Rates must be"):
        Rates(**wrong)  # type: ignore[arg-type]
    with pytest.raises(MixtureError, match="cluster temperature"):
        Rates(kind="weights", temperature_cluster=2.0)


def test_task_temperature_evens_tasks_out_within_their_cluster() -> None:
    units = [
        Unit(16, "a", "said", "en"),
        Unit(3, "b", "said", "en"),
        Unit(1, "b", "said", "de"),
        Unit(20, "c", "told", "en"),
    ]
    found = shares(units, Rates(temperature_task=2.0))
    assert found == pytest.approx(np.array([40 / 3, 5, 5 / 3, 20]) / 40)
    with pytest.raises(MixtureError, match="without a task temperature"):
        Rates(kind="weights", temperature_task=2.0)
