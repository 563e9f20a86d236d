"""Learning curves: scores and losses over training steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from mtft.reporting.axes import STEPS, Plot, axis_of
from mtft.reporting.markup import Html, breakable, el, join
from mtft.reporting.records import CurvePoint
from mtft.reporting.results import Results
from mtft.reporting.wording import metric_name

WIDTH, HEIGHT = 390, 210
LEFT, RIGHT, TOP, BOTTOM = 38, 14, 10, 34
Points = Sequence[tuple[float, float]]


def curve_of(results: Results) -> tuple[CurvePoint, ...]:
    """The given curve, else one from the scores where one model was scored at three steps of its way or more."""
    if results.curve:
        return results.curve
    stepped = [model for model in results.models if model.step is not None]
    steps = {model.name: model.step for model in stepped}
    one_way = len({model.family for model in stepped if model.family}) < 2 and len(
        set(steps.values())
    ) == len(steps)
    if len(steps) < 3 or not one_way:
        return ()
    return tuple(
        CurvePoint(**s.key._asdict(), model="", step=steps[s.model], value=s.median, low=s.low, high=s.high)
        for s in results.summary
        if s.primary and s.model in steps
    )


def curve_panels(plot: Plot) -> list[Html]:
    """One panel per task and metric: a thin line per language, their mean as a thick one."""

    def of(row: CurvePoint) -> tuple[object, ...]:
        return (plot.results.task_order(row.task), row.metric)

    known = [row for row in curve_of(plot.results) if row.step is not None and row.value is not None]
    groups = [list(found) for _, found in groupby(sorted(known, key=of), key=of)]
    return [_curve_panel(plot, found) for found in groups if len({row.step for row in found}) > 1]


def _curve_panel(plot: Plot, found: Sequence[CurvePoint]) -> Html:
    first = found[0]
    lines: dict[tuple[str, str, str, str], dict[float, float]] = {}
    for row in found:
        value = plot.scales.points(first.metric, row.value or 0.0)
        key = (row.model, row.language, row.config, row.prompt_language)
        lines.setdefault(key, {})[row.step or 0.0] = value
    frame = Frame([points for line in lines.values() for points in line.items()])
    drawn = []
    for (model, language, *_), line in sorted(lines.items()):
        name = ", ".join(part for part in (plot.results.language_name(language), model) if part)
        drawn.append(frame.line(sorted(line.items()), "thin", name, language=language))
    for model in sorted({key[0] for key in lines}):
        of_model = [line for key, line in lines.items() if key[0] == model]
        drawn.append(frame.line(mean_line(of_model), "mean", f"mean of {len(of_model)} languages, {model}"))
    metric = metric_name(first.metric)
    return frame.panel(drawn, first.task, metric, f"{metric} of {first.task} over steps", first.task)


def mean_line(lines: Sequence[Mapping[float, float]]) -> Points:
    """The mean at every step that all lines have, so that it never moves because a line is missing."""
    shared = sorted(set.intersection(*(set(line) for line in lines)))
    return [(step, sum(line[step] for line in lines) / len(lines)) for step in shared]


def loss_panel(training: Any) -> Html | None:
    """The training loss over steps, where the results have its history."""
    rows = training.get("history") if isinstance(training, Mapping) else None
    points = sorted(_losses(rows if isinstance(rows, list) else []))
    if len(points) < 3:
        return None
    frame = Frame(points, from_zero=False)
    drawn = [frame.line(points, "mean", "training loss", dots=False)]
    return frame.panel(drawn, "Training loss", "over steps", "Training loss over steps")


def _losses(rows: Iterable[Any]) -> Iterable[tuple[float, float]]:
    for row in rows:
        if isinstance(row, Mapping):
            step, loss = row.get("step"), row.get("loss")
            if isinstance(step, (int, float)) and isinstance(loss, (int, float)) and math.isfinite(loss):
                yield float(step), float(loss)


class Frame:
    """Two linear axes around some points.

    Args:
        points: (step, value) of all lines.
        from_zero: Whether the vertical axis keeps to tens; else it fits its values.
    """

    def __init__(self, points: Points, *, from_zero: bool = True) -> None:
        steps, values = [p[0] for p in points], [p[1] for p in points]
        self.first, self.last = min(steps), max(steps)
        if from_zero:
            axis = axis_of(values)
            self.low, self.high = axis.low, axis.high
        else:
            self.low, self.high = min(0.0, *values), max(values)
        self.high += 1e-9 if self.high == self.low else 0.0

    def x(self, step: float) -> float:
        """Where a step stands, in pixels."""
        share = (step - self.first) / ((self.last - self.first) or 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Where a value stands, in pixels."""
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def line(self, points: Points, kind: str, name: str, *, language: str = "", dots: bool = True) -> Html:
        """One line with its points, named on hover."""
        places = [(self.x(step), self.y(value), step, value) for step, value in points]
        path = el("polyline", points=" ".join(f"{x},{y}" for x, y, *_ in places))
        marks = [
            el("circle", el("title", f"{name}, step {step:,.0f}: {value:.1f}"), cx=x, cy=y)
            for x, y, step, value in places
        ]
        return el(
            "g",
            el("title", name),
            path,
            join(marks) if dots else None,
            class_=f"curve {kind}",
            data_language=language or None,
        )

    def panel(self, drawn: Sequence[Html], title: str, subtitle: str, what: str, task: str = "") -> Html:
        """The figure with both axes."""
        drawing = el(
            "svg", self._axes(), *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=what
        )
        heading = el("figcaption", el("b", breakable(title)), el("small", subtitle))
        return el("figure", heading, drawing, class_="panel", data_task=task or None)

    def _axes(self) -> Html:
        marks = []
        for value in _ticks(self.low, self.high):
            y = self.y(value)
            marks.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
            shown = f"{value:g}".replace("-", "\u2212")
            marks.append(el("text", shown, x=LEFT - 6, y=y + 4, class_="gain"))
        for step in _ticks(self.first, self.last, steps=(1, 2, 5), most=5):
            marks.append(el("text", f"{step:,.0f}", x=self.x(step), y=HEIGHT - BOTTOM + 15, class_="tick"))
        middle = (LEFT + WIDTH - RIGHT) / 2
        return el("g", *marks, el("text", "training step", x=middle, y=HEIGHT - 4, class_="tick"))


def _ticks(low: float, high: float, steps: Sequence[float] = STEPS, most: int = 6) -> list[float]:
    """Round values from low to high, at most `most + 1`; `steps` are repeated for every power of ten if few."""
    candidates = sorted(s * 10**power for s in steps for power in (range(12) if len(steps) < 4 else (0,)))
    step = next((s for s in candidates if (high - low) / s <= most), candidates[-1])
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 6) for n in range(first, math.floor(high / step + 1e-9) + 1)]
