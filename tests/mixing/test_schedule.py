"""The schedule's bound, and that any position is computable alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.errors import MixtureError
from mtft.mixing.order import Order
from mtft.mixing.rates import quantised
from mtft.mixing.schedule import BLOCK, Schedule

weight_lists = st.lists(st.integers(0, 10**7), min_size=1, max_size=60).filter(lambda w: sum(w) > 0)
# Fibonacci weights make the deepest Huffman tree, so the largest error.
FIBONACCI = [1, 1]
while sum(FIBONACCI) + FIBONACCI[-1] < 2**28:
    FIBONACCI.append(FIBONACCI[-1] + FIBONACCI[-2])


def errors(weights: list[int], n: int) -> np.ndarray:
    """(n + 1, units) rows of each unit in each prefix, less what its rate promises."""
    units, _ = Schedule(weights).locate(np.arange(n))
    seen = np.zeros((n + 1, len(weights)))
    seen[1:] = np.cumsum(np.eye(len(weights))[units], axis=0)
    return seen - np.arange(n + 1)[:, None] * (np.array(weights) / sum(weights))


@settings(max_examples=60, deadline=None)
@given(weight_lists)
def test_every_prefix_is_within_two_rows_of_every_rate(weights: list[int]) -> None:
    assert np.abs(errors(weights, 1500)).max() <= 1.68


@pytest.mark.parametrize(
    "weights", [FIBONACCI, [1] * 257, [1] + [10**6] * 3, list(range(1, 100)), [2**k for k in range(28)]]
)
def test_the_bound_holds_for_hard_weights(weights: list[int]) -> None:
    assert np.abs(errors(weights, 6000)).max() <= 1.68


@settings(max_examples=60, deadline=None)
@given(weight_lists, st.integers(0, 2**50))
def test_local_numbers_count_up_without_gap_at_any_place(weights: list[int], start: int) -> None:
    schedule = Schedule(weights)
    units, local = schedule.locate(np.arange(start, start + 300))
    before = schedule.counts(start)
    for unit in range(len(weights)):
        got = local[units == unit]
        assert got.tolist() == list(range(before[unit], before[unit] + len(got)))
    assert (
        schedule.counts(start + 300).tolist()
        == (before + np.bincount(units, minlength=len(weights))).tolist()
    )
    assert before.sum() == start


@given(weight_lists, st.lists(st.integers(0, 2**55), min_size=1, max_size=20))
def test_counts_are_within_two_rows_far_out_and_in_exact_arithmetic(
    weights: list[int], ns: list[int]
) -> None:
    schedule, total = Schedule(weights), sum(weights)
    for n in ns:
        for count, weight in zip(schedule.counts(n).tolist(), weights, strict=True):
            assert (
                abs(count * total - n * weight) <= 1.68 * total
            )  # Python's integers: no rounding, no overflow


@settings(max_examples=25, deadline=None)
@given(
    units=st.integers(250, 2500),
    spread=st.floats(0.0, 4.0),
    start=st.integers(0, 10**8 - 2000),
    seed=st.integers(0, 2**32 - 1),
)
def test_with_hundreds_of_units_every_prefix_up_to_a_hundred_million_is_within_two_rows_of_its_share(
    units: int, spread: float, start: int, seed: int
) -> None:
    """Of the share itself: rounding it to an integer weight is part of the error."""
    share = np.random.default_rng(seed).lognormal(0.0, spread, units)
    share /= share.sum()
    schedule = Schedule(quantised(share))
    found, _ = schedule.locate(np.arange(start, start + 2000))
    seen = schedule.counts(start) + np.concatenate(
        [np.zeros((1, units), dtype=np.int64), np.cumsum(np.eye(units, dtype=np.int32)[found], axis=0)]
    )
    prefixes = np.arange(start, start + 2001)[:, None]
    assert np.abs(seen - prefixes * share).max() < 2


def test_blocks_leave_no_seam() -> None:
    schedule = Schedule(np.random.default_rng(5).integers(1, 10**6, 300))
    start = 10**8 - BLOCK // 2
    units, local = schedule.locate(np.arange(start, start + 2 * BLOCK + 7))
    for cut in (0, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 6):
        alone = schedule.locate(np.array([start + cut]))
        assert (units[cut], local[cut]) == (alone[0][0], alone[1][0])


def test_the_order_over_three_hundred_units_and_a_hundred_million_rows_needs_no_list_of_rows() -> None:
    """One pass is a permutation of each unit's rows, whichever stretch of it is asked for alone."""
    random = np.random.default_rng(7)
    sizes = np.maximum(random.lognormal(0, 2, 300), 1e-3)
    sizes = np.maximum(sizes / sizes.sum() * 10**8, 1).astype(np.int64)
    names = [f"unit {number}" for number in range(300)]
    order = Order(Schedule(quantised(sizes / sizes.sum())), sizes, names, seed=3)
    positions = np.concatenate([random.integers(0, 10**8, 3000), np.arange(7 * 10**7, 7 * 10**7 + 20_000)])
    unit, row, epoch = order.rows(np.unique(positions))
    assert (row < sizes[unit]).all()
    assert (row >= 0).all()
    triples = set(zip(unit.tolist(), row.tolist(), epoch.tolist(), strict=True))
    assert len(triples) == len(unit)
    again = order.rows(np.unique(positions)[::-1])
    assert all((a == b[::-1]).all() for a, b in zip((unit, row, epoch), again, strict=True))


@given(weight_lists, st.permutations(range(200)))
def test_random_access_equals_sequential(weights: list[int], order: list[int]) -> None:
    schedule = Schedule(weights)
    units, local = schedule.locate(np.arange(200))
    shuffled = np.array(order)
    again = schedule.locate(shuffled)
    assert (again[0] == units[shuffled]).all()
    assert (again[1] == local[shuffled]).all()
    one = schedule.locate(np.array([order[0]]))
    assert (one[0][0], one[1][0]) == (units[order[0]], local[order[0]])


def test_the_largest_total_neither_overflows_nor_rounds() -> None:
    weights = [2**31 - 1 - 2**29 - 7, 2**29, 7]
    n = 2**61 + 12345
    for count, weight in zip(Schedule(weights).counts(n).tolist(), weights, strict=True):
        assert abs(count * sum(weights) - n * weight) <= 1.68 * sum(weights)


def test_worked_example_of_the_docstring() -> None:
    units, local = Schedule([2, 1]).locate(np.arange(9))
    assert units.tolist() == [0, 1, 0, 0, 1, 0, 0, 1, 0]
    assert (units[4], local[4]) == (1, 1)


def test_zero_weights_never_occur_and_one_unit_is_enough() -> None:
    units, _ = Schedule([0, 3, 0, 1]).locate(np.arange(100))
    assert set(units.tolist()) == {1, 3}
    units, local = Schedule([5]).locate(np.arange(7))
    assert set(units.tolist()) == {0}
    assert local.tolist() == list(range(7))


@pytest.mark.parametrize("weights", [[], [0, 0], [3, -1], [2**31, 1]])
def test_bad_weights_are_refused(weights: list[int]) -> None:
    with pytest.raises(MixtureError, match="schedule's weights"):
        Schedule(weights)
