"""The generalisation gap: the metric of single-task and multitask training at comparable training loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtft.statistics.intervals import FloatArray

POINTS = 50
DEVIATIONS = 2.0
NO_OVERLAP, ONE_SEED, POSITIVE, NEGATIVE, WITHIN = (
    "no overlap", "one seed", "positive", "negative", "within the band",
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """One run's way: its metric against its training loss.

    Attributes:
        losses: (points,) mean training loss above 0, in the order of steps.
        metrics: (points,) the development metric at the same steps.
        seed: The run's.
    """

    losses: FloatArray
    metrics: FloatArray
    seed: int = 0

    def falling(self) -> Curve:
        """Only the points whose loss is below all before them: each loss where it was first reached.

        A loss that rises again would give one loss several metrics; the first counts, as if a run had been looked at
        when it came there. Points that are no number, or of no positive loss, are left out.

        Example: losses [3, 2, 2.5, 1] keep [3, 2, 1].
        """
        kept: list[int] = []
        lowest = np.inf
        for number, (loss, metric) in enumerate(zip(self.losses, self.metrics, strict=True)):
            if np.isfinite(loss) and np.isfinite(metric) and 0 < loss < lowest:
                kept.append(number)
                lowest = loss
        return Curve(np.asarray(self.losses)[kept], np.asarray(self.metrics)[kept], self.seed)

    def at(self, losses: FloatArray) -> FloatArray:
        """The metric at these losses, linear in log loss between the points of a falling curve; (n,) float64."""
        return np.interp(np.log(losses), np.log(self.losses[::-1]), self.metrics[::-1])


@dataclass(frozen=True)
class Gap:
    """How much better multitask training generalises at the same training loss; nan where nothing is comparable.

    Attributes:
        low: Smallest loss that all curves reached.
        high: Largest loss that all curves had.
        losses: (points,) the common losses, falling, evenly spaced in log.
        single: (points,) mean over seeds of the single-task metric.
        multi: (points,) likewise of multitask training.
        single_deviation: (points,) sample standard deviation over seeds; nan for one seed.
        multi_deviation: (points,) likewise.
        deviations: How many of them make the band.
        mean: Mean over the points of multi - single.
        band: What `mean` must exceed in size to count: so many standard deviations over seeds of each side's mean
            over the points, added up.
        seeds: Different seeds of each side.
    """

    low: float
    high: float
    losses: FloatArray
    single: FloatArray
    multi: FloatArray
    single_deviation: FloatArray
    multi_deviation: FloatArray
    deviations: float
    mean: float
    band: float
    seeds: tuple[int, int]

    @property
    def at_points(self) -> FloatArray:
        """(points,) multi - single at each loss."""
        return self.multi - self.single

    @property
    def bands(self) -> FloatArray:
        """(points,) what the gap must exceed in size at each loss."""
        return self.deviations * (self.single_deviation + self.multi_deviation)

    @property
    def share_above(self) -> float:
        """Share of the points where multitask training is better by more than the band."""
        return float(np.mean(self.at_points > self.bands)) if len(self.losses) else np.nan

    @property
    def share_below(self) -> float:
        """Share of the points where it is worse by more than the band."""
        return float(np.mean(-self.at_points > self.bands)) if len(self.losses) else np.nan

    @property
    def counts(self) -> bool:
        """Whether the mean gap lies outside the band; never without a deviation over seeds."""
        return bool(abs(self.mean) > self.band)

    @property
    def verdict(self) -> str:
        """`positive`, `negative`, `within the band`, `one seed`, or `no overlap`."""
        if not len(self.losses):
            return NO_OVERLAP
        if min(self.seeds) < 2:
            return ONE_SEED
        if not self.counts:
            return WITHIN
        return POSITIVE if self.mean > 0 else NEGATIVE


def generalisation_gap(
    single: Sequence[Curve],
    multi: Sequence[Curve],
    *,
    points: int = POINTS,
    deviations: float = DEVIATIONS,
) -> Gap:
    """The gap of one task between runs that trained on it alone and runs that trained on it among others.

    Only losses that every curve passed are compared: nothing is extrapolated.

    Args:
        single: One curve per seed; a seed that comes twice is no second one.
        multi: Likewise.
        points: Losses to compare at.
        deviations: Standard deviations over seeds that make the band of each side; the gap counts where the bands do
            not overlap.

    Source: Mueller et al. 2024, arXiv 2408.14677: the generalization gap is the difference in test metric of two
        trajectories at comparable training loss; significant outside two standard deviations over seeds.
    """
    curves = [[curve.falling() for curve in side] for side in (single, multi)]
    seeds = (len({curve.seed for curve in single}), len({curve.seed for curve in multi}))
    every = [curve for side in curves for curve in side]
    low = max((curve.losses[-1] if len(curve.losses) else np.inf for curve in every), default=np.inf)
    high = min((curve.losses[0] if len(curve.losses) else -np.inf for curve in every), default=-np.inf)
    if not (all(seeds) and low < high):
        none = np.empty(0)
        return Gap(low, high, none, none, none, none, none, deviations, np.nan, np.nan, seeds)
    losses = np.geomspace(high, low, points)
    of_single, of_multi = (np.stack([curve.at(losses) for curve in side]) for side in curves)
    band = deviations * (_deviation(of_single.mean(axis=1)) + _deviation(of_multi.mean(axis=1)))
    return Gap(
        low=float(low),
        high=float(high),
        losses=losses,
        single=of_single.mean(axis=0),
        multi=of_multi.mean(axis=0),
        single_deviation=_deviation(of_single),
        multi_deviation=_deviation(of_multi),
        deviations=deviations,
        mean=float(of_multi.mean() - of_single.mean()),
        band=float(band),
        seeds=seeds,
    )


def _deviation(values: FloatArray) -> FloatArray:
    """The sample standard deviation over the first axis; nan for one value."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(values.std(axis=0, ddof=1))
