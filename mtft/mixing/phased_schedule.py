"""The order of a mixture whose rates change: schedules one after the other, with exact counts carried over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mtft.errors import MixtureError
from mtft.mixing.rates import RESOLUTION
from mtft.mixing.schedule import MAX_TOTAL, Integers, Schedule


class PhasedSchedule:
    """An endless sequence of units over phases, each with rates of its own; the last phase never ends.

    A phase of L positions holds unit u exactly d_u times, integers that sum to L; its order is the `Schedule` with
    the weights d, which after L positions has reached each exactly. What all earlier phases held of a unit is
    added to its numbers, so these count up without gap over the whole sequence, and a row's epochs go on.

    **The bound.** Let I_u(n) be the sum of u's rates over the first n positions. At every end of a phase the
    count is I_u rounded down or up (`counts_at_ends`), so it is less than 1 off. Within a phase the rate is
    constant: the line from one end to the next stays less than 1 off I_u, and the schedule within 1.68 of the
    line. So every prefix is within 2.68 rows of its rates' sum, however many phases there are.

    Args:
        lengths: Positions of each phase but the last, each below 2**31.
        weights: (phases, units) int64, the rates of each phase; each row sums to 2**30 (`exact_weights`).

    Raises:
        MixtureError: A phase is empty or too long, or weights cannot be scheduled.

    Source: ours; docs/decisions/0014-changing-rates.md has the proof.
    """

    def __init__(self, lengths: Sequence[int], weights: Sequence[Integers]) -> None:
        if len(weights) != len(lengths) + 1 or any(not 0 < length < MAX_TOTAL for length in lengths):
            raise MixtureError(
                f"Every phase but the last must have 1 … {MAX_TOTAL - 1} positions.",
                found=list(lengths)[:20],
                remedy="Cut a longer stretch into more phases.",
            )
        if any(int(row.sum()) != RESOLUTION or row.min() < 0 for row in weights):
            raise MixtureError(f"A phase's weights must not be negative and must sum to {RESOLUTION}.")
        self.phase_weights = np.array(weights, dtype=np.int64)
        self.stops = np.cumsum(lengths, dtype=np.int64)
        done = counts_at_ends(lengths, self.phase_weights[:-1])
        self._carried = np.concatenate([np.zeros_like(self.phase_weights[:1]), done])
        self._starts = np.concatenate([[0], self.stops])
        inside = [Schedule(held) for held in np.diff(self._carried, axis=0)]
        self._phases = [*inside, Schedule(self.phase_weights[-1])]

    def locate(self, positions: Integers) -> tuple[Integers, Integers]:
        """The unit at each position and its number within that unit, counted from zero; all (n,) int64."""
        positions = np.asarray(positions, dtype=np.int64)
        phase = np.searchsorted(self.stops, positions, side="right")
        unit, local = np.empty((2, len(positions)), dtype=np.int64)
        for number in np.unique(phase).tolist():
            here = np.flatnonzero(phase == number)
            found, nth = self._phases[number].locate(positions[here] - self._starts[number])
            unit[here], local[here] = found, nth + self._carried[number][found]
        return unit, local

    def counts(self, n: int) -> Integers:
        """How often each unit occurs among the first n positions, (units,) int64; they sum to n."""
        phase = int(np.searchsorted(self.stops, n, side="right"))
        start = int(self._starts[phase])
        result: Integers = self._carried[phase] + self._phases[phase].counts(n - start)
        return result

    def rates(self) -> list[list[int]]:
        """Each unit's weight of every phase, as plain data."""
        found: list[list[int]] = self.phase_weights.T.tolist()
        return found


def exact_weights(share: npt.NDArray[np.float64]) -> Integers:
    """Integers in proportion to the shares that sum to 2**30, (units,), at least 1 where a share is positive."""
    scaled = share * (RESOLUTION / share.sum())
    weights = np.floor(scaled).astype(np.int64)
    weights = np.where(share > 0, np.maximum(weights, 1), 0)
    missing = RESOLUTION - int(weights.sum())
    if missing > 0:  # those furthest below their share first
        weights[np.argsort(weights - scaled, kind="stable")[:missing]] += 1
    else:  # what units raised to 1 have too much, the largest can spare
        weights[np.argmax(weights)] += missing
    return weights


def counts_at_ends(lengths: Sequence[int], weights: Integers) -> Integers:
    """What each unit has had by the end of each phase: the sum of its rates, rounded down or up, never falling.

    Each row of a unit is a job: its number j may be given once the unit's sum of rates has passed j - 1 and must be
    by the end at which it has reached j. Phases serve, of the jobs that may be given, those first whose last end
    comes first. Such numbers exist (bounds on the phases' totals and on the units' sums are two laminar families,
    so the rates themselves can be rounded), and if any order keeps all ends, this one does.

    Example: phases of 1, 1 and 1 positions at rates 1/3 each give one row to each unit in turn.

    Args:
        lengths: (phases,) positions.
        weights: (phases, units) int64 whose rows sum to 2**30.

    Returns:
        (phases, units) int64; row k sums to the positions until the end of phase k.

    Source: Tijdeman 1980, The chairman assignment problem, for such sequences; Jackson 1955 for the order.
    """
    whole, rest = _sums(lengths, weights)
    upper = whole + (rest > 0)
    done, result = np.zeros(weights.shape[1], dtype=np.int64), np.empty_like(whole)
    for end, length in enumerate(lengths):
        before = done
        done = np.maximum(before, whole[end])
        room = int(length - (done - before).sum())
        last_end = np.where((whole > done).any(axis=0), (whole > done).argmax(axis=0), len(lengths))
        order = np.lexsort((-rest[end], last_end))
        done[order[done[order] < upper[end][order]][:room]] += 1
        result[end] = done
    return result


def _sums(lengths: Sequence[int], weights: Integers) -> tuple[Integers, Integers]:
    """Each unit's sum of rates at each end: whole rows, and what is over in parts of 2**30; both (phases, units)."""
    whole, rest = np.zeros_like(weights), np.zeros_like(weights)
    carried = np.zeros((2, weights.shape[1]), dtype=np.int64)
    for end, length in enumerate(lengths):  # within 64 bits: a length is below 2**31, a weight at most 2**30
        more, over = np.divmod(carried[1] + int(length) * weights[end], RESOLUTION)
        carried = np.array([carried[0] + more, over])
        whole[end], rest[end] = carried
    return whole, rest
