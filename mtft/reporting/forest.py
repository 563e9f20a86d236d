"""Differences around a line: the gap to English, one run against another, answers too long or too short."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from mtft.reporting.axes import (
    LINE,
    TOP,
    Axis,
    Panel,
    Plot,
    axis_of,
    figure_at_end,
    line_name,
    point,
    row,
    task_frame,
    upright,
)
from mtft.reporting.levels import gained
from mtft.reporting.markup import Html
from mtft.reporting.records import CellKey, Length, Transfer


@dataclass(frozen=True)
class Difference:
    """One dot of a panel, with its interval, in points of the axis."""

    model: str
    value: float | None
    low: float | None = None
    high: float | None = None
    words: str = ""
    kind: str = "after"


@dataclass(frozen=True)
class Forest:
    """Panels of differences that share one axis and one line of no difference."""

    plot: Plot
    axis: Axis
    zero: float
    what: str

    def panel(self, panel: Panel, found: dict[CellKey, list[Difference]]) -> Html:
        """One task's differences, a line per language."""
        lines = [self._line(key, found[key], TOP + LINE * n) for n, key in enumerate(panel.keys)]
        return task_frame(self.plot, panel, lines, self.what, self.axis)

    def _line(self, key: CellKey, differences: Sequence[Difference], top: float) -> Html:
        middle, results = top + LINE / 2, self.plot.results
        marks = [upright(self.axis.x(self.zero), middle, 10, "chance")]
        shift = 2.5 if len(differences) > 1 else 0.0
        for at, each in enumerate(differences):
            marks.append(
                point(self.axis, each.value, each.low, each.high, middle + shift * (1 - 2 * at), each.kind)
            )
        name = line_name(results, key)
        about = ", ".join([name, *(f"{each.model} {each.words}" for each in differences)])
        shown = results.at(results.focus, key)
        end = figure_at_end(differences[-1].words.partition(" ")[0], middle)
        return row(name, shown.seen if shown else "", top, *marks, end, language=key.language, about=about)


def _panels(plot: Plot, found: dict[CellKey, list[Difference]]) -> Iterable[Panel]:
    results = plot.results

    def place(key: CellKey) -> tuple[Any, ...]:
        return results.task_order(key.task), key.metric, results.language_order(key.language), key

    for (task, metric), of_task in groupby(sorted(found, key=place), key=lambda k: (k.task, k.metric)):
        yield Panel(task, metric, tuple(of_task))


def _drawn(forest: Forest, found: dict[CellKey, list[Difference]]) -> list[tuple[int, Html]]:
    return [(len(p.keys), forest.panel(p, found)) for p in _panels(forest.plot, found)]


def _collected(plot: Plot, made: Iterable[tuple[CellKey, Difference]]) -> dict[CellKey, list[Difference]]:
    """Differences by cell, the base model's before the finetuned one's; other models are left to the tables."""
    kinds = {plot.results.base: "before", plot.results.focus: "after"}
    found: dict[CellKey, list[Difference]] = {}
    for key, each in sorted(made, key=lambda pair: pair[1].model == plot.results.focus):
        if each.model in kinds:
            found.setdefault(key, []).append(replace(each, kind=kinds[each.model]))
    return found


def transfer_panels(plot: Plot) -> list[tuple[int, Html]]:
    """Every language's distance from English on the same task, one panel per task, with its number of lines."""
    found = _collected(plot, (_transfer(plot, t) for t in plot.results.transfer if t.language != "en"))
    return _drawn(Forest(plot, _axis_of(found), 0.0, "Distance from English"), found)


def _transfer(plot: Plot, found: Transfer) -> tuple[CellKey, Difference]:
    value, low, high = behind(found)
    at, left, right = plot.points(found.metric, value, low, high)
    return found.key, Difference(found.model, at, left, right, plot.scales.signed(found.metric, value))


def behind(found: Transfer) -> tuple[float | None, float | None, float | None]:
    """Language minus English with its interval, below zero where the language is behind; a `gap` is the reverse."""

    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    if found.gap is None and found.english is not None and found.value is not None:
        return found.value - found.english, None, None
    return minus(found.gap), minus(found.gap_high), minus(found.gap_low)


def comparison_panels(plot: Plot) -> list[tuple[int, Html]]:
    """Last run minus first run in each cell, with the paired interval."""
    found: dict[CellKey, list[Difference]] = {}
    for key in plot.results.keys:
        each = plot.results.comparison(key)
        if each is not None and each.difference is not None:
            value, low, high = plot.points(key.metric, each.difference, each.low, each.high)
            words = plot.scales.signed(key.metric, each.difference)
            kind = "before" if _undecided(low, high) else "after" if gained(each) > 0 else "worse"
            found[key] = [Difference(each.a, value, low, high, words, kind)]
    return _drawn(Forest(plot, _axis_of(found), 0.0, "Paired differences"), found)


def _undecided(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low <= 0 <= high


def length_panels(plot: Plot) -> list[tuple[int, Html]]:
    """Length of the answers against the references', on an axis of doublings."""
    found = _collected(plot, (_length(row) for row in plot.results.lengths if row.ratio and row.ratio > 0))
    values = [abs(d.value) for each in found.values() for d in each if d.value is not None]
    reach = max(1, math.ceil(max(values, default=1.0)))
    return _drawn(Forest(plot, Axis(-reach, reach), 0.0, "Length of answers"), found)


def _length(found: Length) -> tuple[CellKey, Difference]:
    ratio = found.ratio or 1.0
    return found.key, Difference(found.model, math.log2(ratio), words=f"{ratio:.2f}× the references' length")


def _axis_of(found: dict[CellKey, list[Difference]]) -> Axis:
    values = [v for each in found.values() for d in each for v in (d.value, d.low, d.high) if v is not None]
    return axis_of([0.0, *values])
