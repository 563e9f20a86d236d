"""What rates come to along a run: one phase for ever, or several whose temperatures differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtft.mixing.phased_schedule import PhasedSchedule, exact_weights
from mtft.mixing.rates import Rates, Shares, Unit, quantised, refuse_bounded_annealing, shares
from mtft.mixing.schedule import Schedule


@dataclass(frozen=True)
class Phase:
    """A stretch of positions at constant rates.

    Attributes:
        start: Its first position.
        stop: The first after it; None where it never ends.
        temperatures: Those that change along the run.
        shares: (units,) float64 summing to 1.
    """

    start: int
    stop: int | None
    temperatures: dict[str, float]
    shares: Shares

    def positions(self, n: int) -> int:
        """How many of the first n positions are its own."""
        return max(min(n, n if self.stop is None else self.stop) - self.start, 0)


def phases_of(units: Sequence[Unit], rates: Rates, *, horizon: int | None = None) -> tuple[Phase, ...]:
    """The phases of a mixture; a single one where rates do not change.

    Args:
        units: The units.
        rates: The rules.
        horizon: Positions over which bounds hold and annealing goes on, where it does not say; by default one pass.

    Raises:
        MixtureError: As `shares`, or a unit has a bound on repetition where rates change.
    """
    if rates.anneal is None:
        return (Phase(0, None, {}, shares(units, rates, horizon=horizon)),)
    refuse_bounded_annealing(units)
    pass_ = sum(unit.rows for unit in units) if horizon is None else horizon
    found: list[Phase] = []
    for stop, temperatures in rates.anneal.stretches(pass_):
        start = found[-1].stop if found else 0
        now = replace(rates, anneal=None, **temperatures)  # type: ignore[arg-type]  # all are floats
        found.append(Phase(start or 0, stop, temperatures, shares(units, now)))
    return tuple(found)


def mean_shares(phases: Sequence[Phase], n: int) -> Shares:
    """Each unit's share of the first n positions, (units,) float64; exact where there is one phase."""
    if len(phases) == 1:
        return phases[0].shares
    parts = np.array([phase.positions(n) for phase in phases], dtype=np.float64)
    result: Shares = parts @ np.array([phase.shares for phase in phases]) / n
    return result


def scheduled(phases: Sequence[Phase]) -> Schedule | PhasedSchedule:
    """The order of the units over all phases."""
    if len(phases) == 1:
        return Schedule(quantised(phases[0].shares))
    lengths = [phase.stop - phase.start for phase in phases if phase.stop is not None]
    return PhasedSchedule(lengths, [exact_weights(phase.shares) for phase in phases])
