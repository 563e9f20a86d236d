"""A schedule whose rates change: its bound, and that any position is computable alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.errors import MixtureError
from mtft.mixing.phased_schedule import PhasedSchedule, counts_at_ends, exact_weights
from mtft.mixing.rates import RESOLUTION
from mtft.mixing.schedule import Schedule

BOUND = 2.68


@st.composite
def phased(draw: st.DrawFn, most_units: int = 40) -> tuple[list[int], list[np.ndarray]]:
    """Lengths of all phases but the last, and the weights of all."""
    units = draw(st.integers(1, most_units))
    lengths = draw(st.lists(st.integers(1, 200), min_size=1, max_size=12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.floats(0.0, 5.0))
    weights = []
    for _ in range(len(lengths) + 1):
        share = random.lognormal(0.0, spread, units) * (random.random(units) < 0.8)
        share[random.integers(units)] += 0.1  # not all zero
        weights.append(exact_weights(share / share.sum()))
    return lengths, weights


def sums_of_rates(lengths: list[int], weights: list[np.ndarray], n: int) -> np.ndarray:
    """(n + 1, units) what each prefix should hold."""
    phase = np.repeat(np.arange(len(weights)), [*lengths, max(n - sum(lengths), 0)])[:n]
    rates = np.array(weights)[phase] / RESOLUTION
    return np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(rates, axis=0)])


@settings(max_examples=80, deadline=None)
@given(phased())
def test_every_prefix_is_within_the_bound_of_the_sum_of_its_rates(
    made: tuple[list[int], list[np.ndarray]],
) -> None:
    lengths, weights = made
    n = sum(lengths) + 300
    units, _ = PhasedSchedule(lengths, weights).locate(np.arange(n))
    seen = np.zeros((n + 1, len(weights[0])))
    seen[1:] = np.cumsum(np.eye(len(weights[0]))[units], axis=0)
    assert np.abs(seen - sums_of_rates(lengths, weights, n)).max() <= BOUND


@settings(max_examples=80, deadline=None)
@given(phased(most_units=12))
def test_counts_at_ends_are_the_exact_sums_rounded_down_or_up(
    made: tuple[list[int], list[np.ndarray]],
) -> None:
    lengths, weights = made
    counts = counts_at_ends(lengths, np.array(weights[:-1]))
    assert counts.sum(axis=1).tolist() == np.cumsum(lengths).tolist()
    assert (np.diff(counts, axis=0) >= 0).all()
    sums = [Fraction(0)] * len(weights[0])  # rationals: no rounding
    for length, rates, found in zip(lengths, weights, counts.tolist(), strict=False):
        sums = [a + Fraction(length * int(w), RESOLUTION) for a, w in zip(sums, rates, strict=True)]
        assert all(abs(count - wanted) < 1 for count, wanted in zip(found, sums, strict=True))


def test_phases_of_one_position_over_equal_and_changing_rates() -> None:
    """The hardest case: nothing but ends of phases, and rates that jump."""
    random = np.random.default_rng(0)
    for units in (2, 3, 7, 50):
        weights = [exact_weights(random.dirichlet(np.full(units, 0.3))) for _ in range(400)]
        counts = counts_at_ends([1] * 400, np.array(weights))
        wanted = np.cumsum(np.array(weights) / RESOLUTION, axis=0)
        assert np.abs(counts - wanted).max() < 1 + 1e-9
    even = np.array([exact_weights(np.full(3, 1 / 3))] * 3)
    assert counts_at_ends([1, 1, 1], even).sum(axis=1).tolist() == [1, 2, 3]
    assert counts_at_ends([1, 1, 1], even)[2].tolist() == [1, 1, 1]


@settings(max_examples=60, deadline=None)
@given(phased(), st.integers(0, 2000), st.randoms(use_true_random=False))
def test_numbers_go_on_across_phases_and_positions_need_no_prefix(
    made: tuple[list[int], list[np.ndarray]], start: int, random: object
) -> None:
    schedule = PhasedSchedule(*made)
    positions = np.arange(start, start + 250)
    units, local = schedule.locate(positions)
    before = schedule.counts(start)
    for unit in range(len(before)):
        got = local[units == unit].tolist()
        assert got == list(range(before[unit], before[unit] + len(got)))
    assert before.sum() == start
    mixed = np.random.default_rng(start).permutation(positions)
    again = schedule.locate(mixed)
    assert (again[0] == units[mixed - start]).all()
    assert (again[1] == local[mixed - start]).all()
    one = schedule.locate(positions[7:8])
    assert (one[0][0], one[1][0]) == (units[7], local[7])


def test_far_out_the_last_rates_hold_and_long_phases_do_not_overflow() -> None:
    shares = [np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.1, 0.8]), np.array([1 / 3, 1 / 3, 1 / 3])]
    weights, length = [exact_weights(share) for share in shares], 2**31 - 1
    schedule = PhasedSchedule([length, length], weights)
    for n in (5, length - 1, length, length + 1, 2 * length, 2 * length + 2**50):
        parts = [min(n, length), min(max(n - length, 0), length), max(n - 2 * length, 0)]
        for unit, count in enumerate(schedule.counts(n).tolist()):
            wanted = sum(part * int(w[unit]) for part, w in zip(parts, weights, strict=True))
            assert abs(count * RESOLUTION - wanted) <= BOUND * RESOLUTION


def test_one_rate_throughout_is_within_the_bound_of_the_plain_schedule() -> None:
    weights = exact_weights(np.random.default_rng(1).dirichlet(np.ones(20)))
    same = PhasedSchedule([37, 100], [weights] * 3)
    for n in (1, 36, 37, 38, 137, 138, 5000):
        assert np.abs(same.counts(n) - n * weights / RESOLUTION).max() <= BOUND
        assert np.abs(same.counts(n) - Schedule(weights).counts(n)).max() <= BOUND + 1.68


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50).filter(lambda s: sum(s) > 1e-3))
def test_exact_weights_sum_exactly_and_never_lose_a_unit(values: list[float]) -> None:
    share = np.array(values) / sum(values)
    weights = exact_weights(share)
    assert weights.sum() == RESOLUTION
    assert ((weights > 0) == (share > 0)).all()
    assert np.abs(weights - share * RESOLUTION).max() <= len(values) + 1


@pytest.mark.parametrize("lengths", [[0], [-1], [2**31], [1, 1]])
def test_phases_that_cannot_be_are_refused(lengths: list[int]) -> None:
    weights = exact_weights(np.array([0.5, 0.5]))
    with pytest.raises(MixtureError, match="Every phase but the last"):
        PhasedSchedule(lengths, [weights, weights])


def test_weights_of_another_sum_are_refused() -> None:
    with pytest.raises(MixtureError, match="must sum to"):
        PhasedSchedule([5], [np.array([1, 1]), np.array([1, 1])])
