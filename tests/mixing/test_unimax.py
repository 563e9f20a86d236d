"""UniMax by hand, against a brute-force reference, and its properties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import MixtureError
from mtft.mixing.rates import Rates, Unit, shares
from mtft.mixing.unimax import filled, unimax


def by_bisection(most: list[float], budget: float) -> np.ndarray:
    """Water filling: the level at which the groups, none over its bound, hold the budget together."""
    low, high = 0.0, max(budget, *most)
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if np.minimum(most, level).sum() < budget else (low, level)
    return np.minimum(most, high)


def test_worked_examples() -> None:
    assert unimax([6, 30, 150], 60).tolist() == [6, 27, 27]
    assert unimax([150, 6, 30], 90).tolist() == [54, 6, 30]
    assert unimax([100, 100, 100], 90).tolist() == [30, 30, 30]
    assert unimax([6, 30, 150], 186).tolist() == [6, 30, 150]
    assert unimax([np.inf, 2, np.inf], 10).tolist() == [4, 2, 4]
    # four languages of 10, 100, 1,000 and 10,000 rows, at most 4 epochs, 4,000 positions:
    # 1,000 each is over 40; 3,960 / 3 is over 400; 3,560 / 2 = 1,780 under 4,000 and 40,000
    assert unimax([40, 400, 4000, 40_000], 4000).tolist() == [40, 400, 1780, 1780]


bounds = st.lists(st.floats(0.5, 1e4), min_size=1, max_size=7)


@given(bounds, st.floats(0.01, 1.0))
def test_it_is_water_filling(most: list[float], part: float) -> None:
    budget = sum(most) * part
    found = unimax(most, budget)
    assert found == pytest.approx(by_bisection(most, budget), rel=1e-6)
    assert found.sum() == pytest.approx(budget)
    assert (found <= most).all()  # exactly
    free = found[found < np.array(most) * (1 - 1e-9)]
    if len(free):
        assert free == pytest.approx(free[0])
        assert free.min() >= found.max() * (1 - 1e-9)


@given(st.lists(st.floats(0.5, 1e4), min_size=1, max_size=4), st.floats(0.01, 1.0), st.floats(0.1, 100))
def test_order_and_scale_do_not_matter(most: list[float], part: float, scale: float) -> None:
    budget = sum(most) * part
    found = unimax(most, budget)
    for order in permutations(range(len(most))):
        assert unimax(np.array(most)[list(order)], budget) == pytest.approx(found[list(order)])
    assert unimax(np.array(most) * scale, budget * scale) == pytest.approx(found * scale)


def test_too_few_rows_are_refused_as_every_bound_is() -> None:
    with pytest.raises(MixtureError, match=r"187 positions, at most 186 allowed.*Raise `max_repetition`"):
        unimax([6, 30, 150], 187)


def test_filled_by_hand() -> None:
    assert filled(np.array([1.0, 1.0]), np.array([4.0, 50.0]), 16).tolist() == [4, 12]
    assert filled(np.array([1.0, 3.0]), np.array([40.0, 50.0]), 16).tolist() == [4, 12]
    assert filled(np.array([1.0, 3.0]), np.array([4.0, 5.0]), 9).tolist() == [4, 5]


def unit(rows: int, language: str, task: str = "a", cluster: str = "c", **more: float) -> Unit:
    return Unit(rows, task, cluster, language, **more)


def test_over_languages_rows_of_a_language_are_met_equally_often() -> None:
    units = [unit(900, "en"), unit(300, "en", "b"), unit(60, "yo"), unit(0, "sw"), unit(240, "de")]
    found = shares(units, Rates(kind="unimax", max_repetition=3), horizon=1500) * 1500
    # yo has at most 180 of 500, de 660 of 720, en the other 660: 495 and 165
    assert found == pytest.approx([495, 165, 180, 0, 660])
    assert shares(units, Rates(kind="unimax", max_repetition=1)) == pytest.approx(
        np.array([900, 300, 60, 0, 240]) / 1500
    )


def test_over_clusters_and_tasks_temperatures_act_within() -> None:
    units = [
        unit(900, "en", "a", "x"),
        unit(100, "yo", "a", "x"),
        unit(500, "en", "b", "y"),
        unit(500, "sw", "c", "y"),
    ]
    even = Rates(kind="unimax", unimax_by="cluster", max_repetition=8, temperature_language=2.0)
    assert shares(units, even) == pytest.approx([0.375, 0.125, 0.25, 0.25])
    by_task = Rates(kind="unimax", unimax_by="task", max_repetition=8, temperature_language=2.0)
    assert shares(units, by_task) == pytest.approx([0.25, 1 / 12, 1 / 3, 1 / 3])


def test_own_bounds_and_caps_keep_within_a_group() -> None:
    units = [unit(10, "en", weight=50.0), unit(90, "en", "b"), unit(1000, "de", "c")]
    found = shares(units, Rates(kind="unimax", max_repetition=2), horizon=300) * 300
    assert found == pytest.approx([20, 130, 150])  # the first would have more than twice its rows
    own = [unit(10, "en", max_repetition=1.0), *units[1:]]
    found = shares(own, Rates(kind="unimax", max_repetition=2), horizon=600) * 600
    assert found == pytest.approx([10, 180, 410])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "unimax"}, "how often a row may be met"),
        ({"kind": "unimax", "max_repetition": 2, "temperature_language": 2.0}, "no temperature"),
        (
            {"kind": "unimax", "max_repetition": 2, "unimax_by": "task", "temperature_task": 2.0},
            "each task goes",
        ),
        (
            {"kind": "unimax", "max_repetition": 2, "unimax_by": "cluster", "temperature_cluster": 2.0},
            "cluster goes",
        ),
        ({"kind": "unimax", "max_repetition": 2, "unimax_by": "words"}, "unimax_by"),
        ({"unimax_by": "task"}, "kind: unimax"),
    ],
)
def test_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        Rates(**wrong)  # type: ignore[arg-type]
