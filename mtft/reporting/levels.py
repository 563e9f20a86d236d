"""The colour level of a score: a whole number from -5 to 5, 0 where nothing is shown to differ."""

from __future__ import annotations

from bisect import bisect_right

from mtft.reporting.records import Comparison, Summary
from mtft.reporting.wording import LESS_IS_BETTER, Scales

CHANCE_EDGES = (0.05, 0.15, 0.30, 0.50, 0.75)
"""Shares of the way from chance to a perfect score where the levels 1 to 5 begin."""
GAIN_EDGES = (1.0, 5.0, 10.0, 20.0, 40.0)
"""Points gained over the base model where the levels 1 to 5 begin."""


def against_chance(row: Summary) -> int | None:
    """The level of a score against chance; None without a score or a chance level.

    The distance is (score - chance) / (1 - chance) above chance and (score - chance) / chance below it.
    A cell whose 95 % interval includes chance is level 0, however far its median lies from it.
    """
    if row.median is None or row.chance is None:
        return None
    if row.low is not None and row.high is not None and row.low <= row.chance <= row.high:
        return 0
    room = 1.0 - row.chance if row.median >= row.chance else row.chance
    return _signed_level((row.median - row.chance) / room if room > 0 else 0.0, CHANCE_EDGES)


def against_base(
    row: Summary, base: Summary | None, comparison: Comparison | None, scales: Scales
) -> int | None:
    """The level of a gain over the base model in points, of fewer errors too; None where either was not scored.

    Level 0 where the paired 95 % interval includes no difference.
    """
    if row.median is None or base is None or base.median is None:
        return None
    if _undecided(comparison):
        return 0
    gain = base.median - row.median if row.metric in LESS_IS_BETTER else row.median - base.median
    return _signed_level(scales.points(row.metric, gain), GAIN_EDGES)


def gained(row: Comparison) -> float:
    """The difference, above zero where the first model is better: of errors, where it makes fewer."""
    difference = row.difference or 0.0
    return -difference if row.metric in LESS_IS_BETTER else difference


def _undecided(comparison: Comparison | None) -> bool:
    if comparison is None or comparison.low is None or comparison.high is None:
        return False
    return comparison.low <= 0 <= comparison.high


def _signed_level(distance: float, edges: tuple[float, ...]) -> int:
    level = bisect_right(edges, abs(distance) + 1e-12)
    return level if distance >= 0 else -level
