"""The step plan: the same rows in every step, however they are dealt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.encoding import EMPTY, StepPlan, UnevenPlan, accumulation_for
from mtft.errors import ConfigError


@given(
    rows=st.integers(1, 40),
    total=st.integers(1, 200),
    processes=st.integers(1, 5),
    micro_batch=st.integers(1, 9),
    step=st.integers(0, 12),
)
def test_dealing_neither_loses_nor_repeats_a_row(
    rows: int, total: int, processes: int, micro_batch: int, step: int
) -> None:
    plan = StepPlan(rows, total)
    accumulation = accumulation_for(rows, processes=processes, micro_batch=micro_batch)
    dealt = plan.deal(step, processes=processes, accumulation=accumulation, micro_batch=micro_batch)
    assert dealt.shape == (accumulation, processes, micro_batch)
    assert dealt.dtype == np.int64
    assert sorted(dealt[dealt != EMPTY].tolist()) == plan.positions(step).tolist()


@given(rows=st.integers(1, 40), total=st.integers(1, 200))
def test_the_steps_cover_the_schedule_once(rows: int, total: int) -> None:
    plan = StepPlan(rows, total)
    assert plan.steps is not None
    positions = np.concatenate([plan.positions(step) for step in range(plan.steps)])
    assert positions.tolist() == list(range(total))
    assert len(plan.positions(plan.steps)) == 0


def test_a_short_step_is_spread_over_the_processes() -> None:
    dealt = StepPlan(8, total_rows=5).deal(0, processes=2, accumulation=2, micro_batch=2)
    assert dealt.tolist() == [[[0, 4], [1, EMPTY]], [[2, EMPTY], [3, EMPTY]]]


def test_an_endless_plan_has_no_last_step() -> None:
    plan = StepPlan(4)
    assert plan.steps is None
    assert plan.positions(10**9).tolist() == [4 * 10**9 + n for n in range(4)]


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one row"):
        StepPlan(0)
    with pytest.raises(ConfigError, match="2 x 1 x 2 = 4 < 8"):
        StepPlan(8).deal(0, processes=2, accumulation=1, micro_batch=2)


@given(
    held=st.lists(st.integers(0, 5), min_size=1, max_size=9).filter(any),
    processes=st.integers(1, 3),
    micro_batch=st.integers(1, 4),
)
def test_uneven_steps_hold_what_they_are_told_and_leave_the_other_slots_empty(
    held: list[int], processes: int, micro_batch: int
) -> None:
    plan = UnevenPlan(np.array([0, *np.cumsum(held)]), "told")
    assert (plan.rows_per_step, plan.steps, plan.identity) == (max(held), len(held), "told")
    accumulation = accumulation_for(max(held), processes=processes, micro_batch=micro_batch)
    found: list[int] = []
    for step, rows in enumerate(held):
        dealt = plan.deal(step, processes=processes, accumulation=accumulation, micro_batch=micro_batch)
        assert (dealt != EMPTY).sum() == rows
        found += sorted(dealt[dealt != EMPTY].tolist())
    assert found == list(range(sum(held)))
    assert plan.rows(len(held) + 2) == sum(held)
    assert len(plan.positions(len(held))) == 0


def test_steps_without_any_row_are_refused() -> None:
    with pytest.raises(ConfigError):
        UnevenPlan(np.zeros(4, dtype=np.int64), "none")
