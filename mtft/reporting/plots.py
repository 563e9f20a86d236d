"""Small plots as inline SVG: before and after, spread over templates; a panel per task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mtft.reporting.markup import Html, breakable, el
from mtft.reporting.results import Cell, CellKey, Results, Summary
from mtft.reporting.tables import group_order
from mtft.reporting.wording import MARKS, SEEN, Scales, metric_name, words

SHORT = {
    "all": "all cells",
    "seen": "finetuned on",
    "held_out": "all held out",
    "unseen": "all held out",
    "held_out_language": "other languages",
    "held_out_cluster": "other tasks",
    "held_out_pair": "other pairs",
}
"""Names of the groups of averages that fit a plot; the table beside it has them in full."""

WIDTH = 390
LABEL = 150
RIGHT = 46
MAX_NAME = 20
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
    for average in results.averages:
        found = (average.value, average.low, average.high)
        points = (scales.points(average.metric, v) for v in found if v is not None)
        values.setdefault(average.metric, []).extend(points)
    return Plot(results, scales, {metric: axis_of(found) for metric, found in values.items()})


@dataclass(frozen=True)
class Mark:
    """A score with its interval, of one model."""

    model: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Line:
    """One line of a before-and-after panel."""

    metric: str
    label: str
    seen: str
    before: Mark | None
    after: Mark | None
    chance: float | None


def dumbbells(plot: Plot, panel: Panel) -> Html:
    """Base (hollow) to finetuned (filled) in each language, with the intervals of both."""
    results = plot.results
    lines = []
    for key in panel.keys:
        before, after = results.at(results.base, key), results.at(results.focus, key)
        shown = after or before
        seen, chance = (shown.seen, shown.chance) if shown else ("", None)
        lines.append(Line(key.metric, _name(results, key), seen, _mark(before), _mark(after), chance))
    drawn = [_dumbbell(plot, line, TOP + LINE * n) for n, line in enumerate(lines)]
    return _task_frame(plot, panel, drawn, f"Scores of {_models(results)} per language")


def average_dumbbells(plot: Plot) -> list[Html]:
    """The same for the averages, one panel per metric and averaging rule."""
    groups: dict[tuple[str, str], dict[str, dict[str, Mark]]] = {}
    for row in plot.results.averages:
        mark = Mark(row.model, row.value, row.low, row.high)
        groups.setdefault((row.metric, row.rule), {}).setdefault(row.group, {})[row.model] = mark
    return [_average_panel(plot, metric, rule, groups[metric, rule]) for metric, rule in sorted(groups)]


def _average_panel(plot: Plot, metric: str, rule: str, groups: dict[str, dict[str, Mark]]) -> Html:
    base, focus = plot.results.base or "", plot.results.focus or ""
    lines = []
    for number, group in enumerate(sorted(groups, key=group_order)):
        marks = groups[group]
        line = Line(metric, SHORT.get(group, words(group)), group, marks.get(base), marks.get(focus), None)
        lines.append(_dumbbell(plot, line, TOP + LINE * number))
    rules = {row.rule for row in plot.results.averages if row.metric == metric}
    subtitle = rule if len(rules) > 1 else "average over cells"
    return _frame(
        plot, metric, lines, metric_name(metric), subtitle, f"Average {metric_name(metric)} per group"
    )


def _models(results: Results) -> str:
    return " and ".join(name for name in (results.base, results.focus) if name)


def _mark(row: Summary | None) -> Mark | None:
    return Mark(row.model, row.median, row.low, row.high) if row is not None else None


def strips(plot: Plot, panel: Panel) -> Html:
    """One dot per template in each language, and a bar at their median."""
    by_key: dict[CellKey, list[Cell]] = {}
    for cell in plot.results.cells:
        if cell.model == plot.results.focus and cell.value is not None:
            by_key.setdefault(cell.key, []).append(cell)
    lines = [_strip(plot, key, by_key.get(key, []), TOP + LINE * n) for n, key in enumerate(panel.keys)]
    return _task_frame(plot, panel, lines, f"Scores of {plot.results.focus} per template")


def _task_frame(plot: Plot, panel: Panel, lines: Sequence[Html], what: str) -> Html:
    known = plot.results.tasks.get(panel.task, {})
    held_out = plot.results.cluster_status(panel.task) == "held_out"
    cluster = words(known.get("cluster") or "") + (" · held-out cluster" if held_out else "")
    name = f"{what}: {panel.task}, {metric_name(panel.metric)}"
    return _frame(plot, panel.metric, lines, panel.task, f"{metric_name(panel.metric)} · {cluster}", name)


def _frame(plot: Plot, metric: str, lines: Sequence[Html], title: str, subtitle: str, name: str) -> Html:
    """The panel with its heading, axis and lines."""
    height = TOP + LINE * len(lines) + BOTTOM
    axis = _axis(plot.axes.get(metric) or axis_of(()), height)
    drawing = el("svg", axis, *lines, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=name)
    heading = el("figcaption", el("b", breakable(title)), el("small", subtitle))
    return el("figure", heading, drawing, class_="panel")


def _axis(axis: Axis, height: float) -> Html:
    bottom = height - BOTTOM
    marks = []
    for tick in axis.ticks:
        x = axis.x(tick)
        marks.append(el("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="grid"))
        marks.append(el("text", f"{tick:.0f}".replace("-", "\u2212"), x=x, y=bottom + 14, class_="tick"))
    return el("g", *marks)


def _name(results: Results, key: CellKey) -> str:
    """The language, with what tells apart several cells of one task and language."""
    rivals = [other for other in results.keys if other[:2] == key[:2] and other.metric == key.metric]
    apart = [
        getattr(key, name)
        for name in ("config", "prompt_language")
        if len({getattr(other, name) for other in rivals}) > 1
    ]
    return results.language_name(key.language) + (f" ({' '.join(apart)})" if apart else "")


def _label(name: str, seen: str, middle: float) -> list[Html]:
    """The line's name, with the mark of how the cell was held out."""
    shown = name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
    return [
        el("text", MARKS.get(seen, ""), x=LABEL - 16, y=middle + 4, class_="mark"),
        el("text", shown, x=LABEL - 26, y=middle + 4, class_="name"),
    ]


def _chance(plot: Plot, metric: str, chance: float | None, middle: float) -> Html | None:
    if chance is None:
        return None
    x = plot.x(metric, chance)
    return el("line", x1=x, x2=x, y1=middle - 8, y2=middle + 8, class_="chance")


def _point(plot: Plot, metric: str, mark: Mark | None, middle: float, kind: str) -> list[Html]:
    """A whisker and a dot."""
    drawn = []
    if mark and mark.low is not None and mark.high is not None:
        left, right = plot.x(metric, mark.low), plot.x(metric, mark.high)
        drawn.append(el("line", x1=left, x2=right, y1=middle, y2=middle, class_=f"whisker {kind}"))
    if mark and mark.value is not None:
        x = plot.x(metric, mark.value)
        drawn.append(el("circle", cx=x, cy=middle, r=4.2, class_=f"dot {kind}", data_value=repr(mark.value)))
    return drawn


def _dumbbell(plot: Plot, line: Line, top: float) -> Html:
    middle = top + LINE / 2
    parts = [
        *_label(line.label, line.seen, middle),
        _chance(plot, line.metric, line.chance, middle),
        *_change(plot, line, middle),
        *_point(plot, line.metric, line.before, middle + 2.5, "before"),
        *_point(plot, line.metric, line.after, middle - 2.5, "after"),
    ]
    return el("g", el("title", _dumbbell_words(plot, line)), *parts, class_="row")


def _change(plot: Plot, line: Line, middle: float) -> list[Html]:
    """The bar from before to after, and the difference in figures."""
    before = line.before.value if line.before else None
    after = line.after.value if line.after else None
    if before is None or after is None:
        return []
    left, right = plot.x(line.metric, before), plot.x(line.metric, after)
    gain = plot.scales.signed(line.metric, after - before)
    return [
        el("line", x1=left, x2=right, y1=middle + 2.5, y2=middle - 2.5, class_="change"),
        el("text", gain, x=WIDTH - 2, y=middle + 4, class_="gain"),
    ]


def _dumbbell_words(plot: Plot, line: Line) -> str:
    parts = [line.label]
    for mark in (line.before, line.after):
        if mark is not None:
            interval = plot.scales.interval(line.metric, mark.low, mark.high)
            score = plot.scales.show(line.metric, mark.value)
            parts.append(f"{mark.model} {score}" + (f" ({interval})" if interval else ""))
    return ", ".join(parts) + (f"; {SEEN[line.seen]}" if line.seen in SEEN else "")


def _strip(plot: Plot, key: CellKey, cells: Sequence[Cell], top: float) -> Html:
    middle = top + LINE / 2
    row = plot.results.at(plot.results.focus, key)
    label = _label(_name(plot.results, key), row.seen if row else "", middle)
    chance = _chance(plot, key.metric, row.chance if row else None, middle)
    dots = [_template_dot(plot, cell, middle) for cell in cells]
    return el("g", *label, chance, *dots, _median(plot, row, middle), _range(plot, cells, middle))


def _range(plot: Plot, cells: Sequence[Cell], middle: float) -> Html | None:
    """The distance from worst to best template, in figures."""
    values = [cell.value for cell in cells if cell.value is not None]
    if len(values) < 2:
        return None
    shown = plot.scales.show(cells[0].metric, max(values) - min(values))
    return el("text", shown, x=WIDTH - 2, y=middle + 4, class_="gain")


def _template_dot(plot: Plot, cell: Cell, middle: float) -> Html:
    name = f"{cell.template or cell.template_id}: {plot.scales.show(cell.metric, cell.value)}"
    x = plot.x(cell.metric, cell.value or 0.0)
    return el(
        "circle",
        el("title", name),
        cx=x,
        cy=middle,
        r=3.6,
        class_="dot template",
        data_value=repr(cell.value),
    )


def _median(plot: Plot, row: Summary | None, middle: float) -> Html | None:
    if row is None or row.median is None:
        return None
    x = plot.x(row.metric, row.median)
    return el("line", x1=x, x2=x, y1=middle - 7, y2=middle + 7, class_="median")
