"""Temperatures that change along a run, as a list of stretches in which they stay the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Literal, get_args

from mtft.errors import MixtureError
from mtft.mixing.settings import Section

Shape = Literal["linear", "cosine", "steps"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
TEMPERATURES = ("temperature_language", "temperature_task", "temperature_cluster")
PHASES = 16
MOST_PHASES = 1024


@dataclass(frozen=True)
class Annealing:
    """From which temperatures to which, how, and over how many positions.

    Attributes:
        shape: `linear` or `cosine` from the first value to the second, or `steps` from value to value.
        over: Positions until the last value is reached and kept; None for the mixture's horizon.
        phases: Linear and cosine: equal stretches that the way is cut into; each has the temperature of its
            middle.
        until: Steps: where each value but the last ends, as parts of `over`; equal parts where it is empty.
        temperature_language: Values among the languages of a block; empty where it does not change.
        temperature_task: Among the tasks of a cluster, likewise.
        temperature_cluster: Among the clusters, likewise.

    Raises:
        MixtureError: A value is out of range, or does not go with the shape.

    Source: Wang et al. 2020, arXiv 2010.02523, for a temperature that rises linearly with training.
    """

    shape: Shape = "linear"
    over: int | None = None
    phases: int | None = None
    until: tuple[float, ...] = ()
    temperature_language: tuple[float, ...] = ()
    temperature_task: tuple[float, ...] = ()
    temperature_cluster: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise MixtureError(f"A shape must be one of {', '.join(SHAPES)}.", found=f"`{self.shape}`")
        if not self.values:
            raise MixtureError(
                "Annealing must change a temperature.",
                found="none",
                remedy=f"Give {', '.join(TEMPERATURES)}.",
            )
        if any(not 0 < value < math.inf for values in self.values.values() for value in values):
            raise MixtureError("Temperatures must be positive numbers.", found=self.values)
        (self._check_steps if self.shape == "steps" else self._check_way)()

    @property
    def values(self) -> dict[str, tuple[float, ...]]:
        """The temperatures that change."""
        return {name: values for name in TEMPERATURES if (values := getattr(self, name))}

    @classmethod
    def read(cls, section: Section) -> Annealing:
        """The settings of a mixture's file.

        Raises:
            MixtureError: They are malformed.
        """
        return cls(
            shape=section.text("shape", "linear"),  # type: ignore[arg-type]  # checked by the class
            over=section.whole("over"),
            phases=section.whole("phases"),
            until=section.numbers("until"),
            **{name: section.numbers(name) for name in TEMPERATURES},
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings that were given, as plain data."""
        return {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in fields(self)
            if (value := getattr(self, field.name)) not in ((), None)
        }

    def stretches(self, horizon: int) -> Iterator[tuple[int | None, dict[str, float]]]:
        """Where each stretch stops, and its temperatures; the last never stops and has the last values.

        Example: `steps` with `temperature_language` 1, 2 and 5 over 30 positions gives 1 until 10, 2 until 20, 5.
        """
        over = self.over or horizon
        if self.shape == "steps":
            ends, values = self._ends(), list(zip(*self.values.values(), strict=True))
        else:
            count = self.phases or PHASES
            ends = [(phase + 1) / count for phase in range(count)]
            values = [self._at((phase + 0.5) / count) for phase in range(count)] + [self._at(1.0)]
        before = 0
        for end, now in zip([*ends, None], values, strict=True):
            stop = None if end is None else round(over * end)
            if stop is None or stop > before:  # a run of few positions has fewer stretches
                yield stop, dict(zip(self.values, now, strict=True))
            before = stop or before

    def _at(self, part: float) -> tuple[float, ...]:
        """The temperatures at a part of the way."""
        gone = part if self.shape == "linear" else (1 - math.cos(math.pi * part)) / 2
        return tuple(start + (end - start) * gone for start, end in self.values.values())

    def _ends(self) -> Sequence[float]:
        count = len(next(iter(self.values.values())))
        return self.until or [(step + 1) / count for step in range(count - 1)]

    def _check_way(self) -> None:
        if self.until:
            raise MixtureError("`until` goes with `shape: steps` alone.", found=f"shape: {self.shape}")
        if not 1 <= (self.phases or PHASES) <= MOST_PHASES:
            raise MixtureError(f"`phases` must be in 1 … {MOST_PHASES}.", found=self.phases)
        for name, values in self.values.items():
            if len(values) != 2:
                raise MixtureError(
                    f"`shape: {self.shape}` goes from one value to another.",
                    found=f"{name}: {list(values)}",
                    remedy="Give two values, or `shape: steps`.",
                )

    def _check_steps(self) -> None:
        if self.phases is not None:
            raise MixtureError("`phases` goes with `shape: linear` or `cosine`.", found="shape: steps")
        counts = {name: len(values) for name, values in self.values.items()}
        if len(set(counts.values())) > 1 or not 2 <= max(counts.values()) <= MOST_PHASES:
            raise MixtureError(
                "Steps must have two values or more, as many for each temperature.", found=counts
            )
        ends = (0.0, *self.until, 1.0)
        wanted = max(counts.values()) - 1
        if self.until and (len(self.until) != wanted or any(a >= b for a, b in pairwise(ends))):
            raise MixtureError(
                f"`until` must hold {wanted} rising numbers between 0 and 1: where each value but the last ends.",
                found=list(self.until),
            )
