"""One number per run and factor, and the difference of two sides over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtft.statistics.intervals import FloatArray
from mtft.statistics.trajectories import DEVIATIONS

_TOP, _LAST = 10, 20


def top_mean(values: FloatArray, count: int) -> float:
    """The mean of the largest values, at most so many; nan without any number."""
    finite = np.sort(values[np.isfinite(values)])[::-1][:count]
    return float(finite.mean()) if len(finite) else np.nan


def last_mean(values: FloatArray, count: int) -> float:
    """The mean of the last values that are numbers, at most so many."""
    finite = values[np.isfinite(values)][-count:]
    return float(finite.mean()) if len(finite) else np.nan


# what one run's measurements, in the order of steps, become
SUMMARIES: Mapping[str, tuple[str, Callable[[FloatArray], float]]] = {
    "dev_metric": ("mean of the 10 best", lambda values: top_mean(values, _TOP)),
    "train_loss": ("least", lambda values: -top_mean(-values, 1)),
    "sharpness": ("mean of the last 20", lambda values: last_mean(values, _LAST)),
    "coherence": ("mean of the last 20", lambda values: last_mean(values, _LAST)),
    "fisher_trace": ("mean of the 20 largest", lambda values: top_mean(values, _LAST)),
    "conflict": ("mean", lambda values: last_mean(values, len(values))),
}


@dataclass(frozen=True)
class Difference:
    """Two sides' means over seeds.

    Attributes:
        single: Mean over the single-task runs.
        multi: Mean over the multitask runs.
        band: Two sample standard deviations of each side, added up; nan where a side has one run.
    """

    single: float
    multi: float
    band: float

    @property
    def value(self) -> float:
        """Multi - single."""
        return self.multi - self.single

    @property
    def counts(self) -> bool:
        """Whether the sides' bands do not overlap."""
        return bool(abs(self.value) > self.band)


def difference(single: Sequence[float], multi: Sequence[float]) -> Difference:
    """The difference of two sides, one number per run.

    Source: Mueller et al. 2024, arXiv 2408.14677: changes whose intervals of two standard deviations overlap are
        insignificant.
    """
    sides = [np.asarray([value for value in side if np.isfinite(value)]) for side in (single, multi)]
    means = [float(side.mean()) if len(side) else np.nan for side in sides]
    spread = [float(side.std(ddof=1)) if len(side) > 1 else np.nan for side in sides]
    return Difference(means[0], means[1], DEVIATIONS * sum(spread))
