"""Small plots as inline SVG: before and after, spread over templates. One panel per task, one line per language."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mtft.reporting.markup import Html, el
from mtft.reporting.results import Cell, CellKey, Results, Summary
from mtft.reporting.wording import MARKS, SEEN, Scales, metric_name, words

WIDTH = 460
LABEL = 150
RIGHT = 46
TOP = 6
LINE = 20
BOTTOM = 22


@dataclass(frozen=True)
class Axis:
    """A linear horizontal axis in points."""

    low: float
    high: float

    def x(self, points: float) -> float:
        """Where a value stands, in pixels."""
        share = (points - self.low) / (self.high - self.low)
        return round(LABEL + share * (WIDTH - LABEL - RIGHT), 1)

    @property
    def ticks(self) -> list[float]:
        """Four to seven round values."""
        step = next(s for s in (2, 5, 10, 20, 25, 50, 100, 250, 1000) if (self.high - self.low) / s <= 6)
        first = math.ceil(self.low / step) * step
        return [first + step * n for n in range(int((self.high - first) / step + 1e-9) + 1)]


def axis_of(values: Iterable[float]) -> Axis:
    """An axis from the multiple of ten below the values to the one above them."""
    found = list(values) or [0.0, 100.0]
    low, high = math.floor(min(found) / 10) * 10, math.ceil(max(found) / 10) * 10
    return Axis(low, high if high > low else low + 10)


@dataclass(frozen=True)
class Panel:
    """One task's lines, by language in the report's order."""

    task: str
    metric: str
    keys: tuple[CellKey, ...]


def panels(results: Results) -> list[Panel]:
    """One panel per task and metric."""
    groups: dict[tuple[str, str], list[CellKey]] = {}
    for key in results.keys:
        groups.setdefault((key.task, key.metric), []).append(key)
    return [Panel(task, metric, tuple(keys)) for (task, metric), keys in groups.items()]


@dataclass(frozen=True)
class Plot:
    """What all panels of one plot share."""

    results: Results
    scales: Scales
    axes: dict[str, Axis]

    def x(self, metric: str, value: float) -> float:
        """Where a value of a metric stands, in pixels."""
        return self.axes[metric].x(self.scales.points(metric, value))


def plot_of(results: Results, scales: Scales) -> Plot:
    """A plot whose panels share one axis per metric, so that they can be compared."""
    values: dict[str, list[float]] = {}
    for row in results.summary:
        known = (row.median, row.low, row.high, row.chance, row.min, row.max)
        values.setdefault(row.metric, []).extend(scales.points(row.metric, v) for v in known if v is not None)
    for cell in results.cells:
        if cell.value is not None:
            values.setdefault(cell.metric, []).append(scales.points(cell.metric, cell.value))
    return Plot(results, scales, {metric: axis_of(found) for metric, found in values.items()})


def dumbbells(plot: Plot, panel: Panel) -> Html:
    """Base (hollow) to finetuned (filled) in each language, with the intervals of both."""
    lines = [_dumbbell(plot, key, TOP + LINE * n) for n, key in enumerate(panel.keys)]
    names = f"{plot.results.base} and {plot.results.focus}" if plot.results.base else plot.results.focus
    return _frame(plot, panel, lines, f"Scores of {names} per language")


def strips(plot: Plot, panel: Panel) -> Html:
    """One dot per template in each language, and a bar at their median."""
    by_key: dict[CellKey, list[Cell]] = {}
    for cell in plot.results.cells:
        if cell.model == plot.results.focus and cell.value is not None:
            by_key.setdefault(cell.key, []).append(cell)
    lines = [_strip(plot, key, by_key.get(key, []), TOP + LINE * n) for n, key in enumerate(panel.keys)]
    return _frame(plot, panel, lines, f"Scores of {plot.results.focus} per template")


def _frame(plot: Plot, panel: Panel, lines: Sequence[Html], what: str) -> Html:
    """The panel with its heading, axis and lines."""
    height = TOP + LINE * len(panel.keys) + BOTTOM
    name = f"{what}: {panel.task}, {metric_name(panel.metric)}"
    drawing = el(
        "svg",
        _axis(plot.axes[panel.metric], height),
        *lines,
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=name,
    )
    known = plot.results.tasks.get(panel.task, {})
    held_out = known.get("cluster_status") == "held_out"
    cluster = words(known.get("cluster") or "") + (" · held-out cluster" if held_out else "")
    heading = el("figcaption", el("b", panel.task), el("small", f"{metric_name(panel.metric)} · {cluster}"))
    return el("figure", heading, drawing, class_="panel")


def _axis(axis: Axis, height: float) -> Html:
    bottom = height - BOTTOM
    marks = []
    for tick in axis.ticks:
        x = axis.x(tick)
        marks.append(el("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="grid"))
        marks.append(el("text", f"{tick:.0f}", x=x, y=bottom + 14, class_="tick"))
    return el("g", *marks)


def _label(plot: Plot, key: CellKey, row: Summary | None, middle: float) -> list[Html]:
    """The language's name at the left, with the mark of how the cell was held out."""
    mark = MARKS.get(row.seen, "") if row else ""
    variants = [other for other in plot.results.keys if other[:2] == key[:2]]
    extra = " ".join(
        part for part in (key.config, key.prompt_language) if part and len(variants) > 1 and part != key.language
    )
    name = plot.results.language_name(key.language) + (f" ({extra})" if extra else "")
    shown = name if len(name) <= 22 else name[:21] + "…"
    return [
        el("text", mark, x=10, y=middle + 4, class_="mark"),
        el("text", shown, x=LABEL - 10, y=middle + 4, class_="name"),
    ]


def _chance(plot: Plot, row: Summary | None, middle: float) -> Html | None:
    if row is None or row.chance is None:
        return None
    x = plot.x(row.metric, row.chance)
    return el("line", x1=x, x2=x, y1=middle - 8, y2=middle + 8, class_="chance")


def _whisker(plot: Plot, row: Summary | None, middle: float, kind: str) -> Html | None:
    if row is None or row.low is None or row.high is None:
        return None
    left, right = plot.x(row.metric, row.low), plot.x(row.metric, row.high)
    return el("line", x1=left, x2=right, y1=middle, y2=middle, class_=f"whisker {kind}")


def _dot(plot: Plot, row: Summary | None, middle: float, kind: str) -> Html | None:
    if row is None or row.median is None:
        return None
    return el("circle", cx=plot.x(row.metric, row.median), cy=middle, r=4.5, class_=f"dot {kind}")


def _dumbbell(plot: Plot, key: CellKey, top: float) -> Html:
    middle = top + LINE / 2
    base, focus = plot.results.at(plot.results.base, key), plot.results.at(plot.results.focus, key)
    gain = _gain(base, focus)
    parts = [
        *_label(plot, key, focus or base, middle),
        _chance(plot, focus or base, middle),
        _whisker(plot, base, middle + 3, "before"),
        _whisker(plot, focus, middle - 3, "after"),
        _dot(plot, base, middle + 3, "before"),
        _dot(plot, focus, middle - 3, "after"),
        el("text", plot.scales.signed(key.metric, gain), x=WIDTH - 4, y=middle + 4, class_="gain")
        if gain is not None
        else None,
    ]
    return el("g", el("title", _dumbbell_words(plot, key, base, focus)), *parts, class_="row")


def _gain(base: Summary | None, focus: Summary | None) -> float | None:
    if base is None or focus is None or base.median is None or focus.median is None:
        return None
    return focus.median - base.median


def _dumbbell_words(plot: Plot, key: CellKey, base: Summary | None, focus: Summary | None) -> str:
    parts = [plot.results.language_name(key.language)]
    for row in (base, focus):
        if row is not None:
            interval = plot.scales.interval(key.metric, row.low, row.high)
            score = plot.scales.show(key.metric, row.median)
            parts.append(f"{row.model} {score}" + (f" ({interval})" if interval else ""))
    shown = focus or base
    return ", ".join(parts) + (f"; {SEEN.get(shown.seen, shown.seen)}" if shown else "")


def _strip(plot: Plot, key: CellKey, cells: Sequence[Cell], top: float) -> Html:
    middle = top + LINE / 2
    row = plot.results.at(plot.results.focus, key)
    dots = [_template_dot(plot, cell, middle) for cell in cells]
    return el("g", *_label(plot, key, row, middle), _chance(plot, row, middle), _median(plot, row, middle), *dots)


def _template_dot(plot: Plot, cell: Cell, middle: float) -> Html:
    name = f"{cell.template or cell.template_id}: {plot.scales.show(cell.metric, cell.value)}"
    x = plot.x(cell.metric, cell.value or 0.0)
    return el("circle", el("title", name), cx=x, cy=middle, r=3.5, class_="dot template")


def _median(plot: Plot, row: Summary | None, middle: float) -> Html | None:
    if row is None or row.median is None:
        return None
    x = plot.x(row.metric, row.median)
    return el("line", x1=x, x2=x, y1=middle - 7, y2=middle + 7, class_="median")
