"""What all panels share: the axis, the frame with its heading, names and marks of lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mtft.reporting.markup import Html, breakable, el, join
from mtft.reporting.records import CellKey
from mtft.reporting.results import Results
from mtft.reporting.wording import MARKS, Scales, metric_name, words

WIDTH = 390
LABEL = 150
RIGHT = 46
MAX_NAME = 20
TOP = 6
LINE = 20
BOTTOM = 22
STEPS = (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 25, 50, 100, 250, 1000)


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
        step = next((s for s in STEPS if (self.high - self.low) / s <= 6), (self.high - self.low) / 5)
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

    def points(self, metric: str, *values: float | None) -> list[float | None]:
        """Values of a metric in points of its axis."""
        return [None if value is None else self.scales.points(metric, value) for value in values]


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
    for score in results.published:
        if score.comparable and score.value is not None:
            values.setdefault(score.metric, []).append(scales.points(score.metric, score.value))
    return Plot(results, scales, {metric: axis_of(found) for metric, found in values.items()})


def task_frame(plot: Plot, panel: Panel, lines: Sequence[Html], what: str, axis: Axis | None = None) -> Html:
    """A task's panel, on the metric's common axis unless given one of its own."""
    known = plot.results.tasks.get(panel.task, {})
    held_out = plot.results.cluster_status(panel.task) == "held_out"
    cluster = words(known.get("cluster") or "") + (" · held-out cluster" if held_out else "")
    metric = metric_name(panel.metric)
    below = " · ".join(part for part in (metric, cluster) if part)
    chosen = axis or plot.axes.get(panel.metric) or axis_of(())
    return frame(chosen, lines, panel.task, below, f"{what}: {panel.task}, {metric}", task=panel.task)


def frame(axis: Axis, lines: Sequence[Html], title: str, subtitle: str, what: str, *, task: str = "") -> Html:
    """The panel with its heading, axis and lines; `what` says it to a screen reader."""
    height = TOP + LINE * len(lines) + BOTTOM
    drawing = el(
        "svg", _ticks(axis, height), *lines, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=what
    )
    heading = el("figcaption", el("b", breakable(title)), el("small", subtitle))
    return el("figure", heading, drawing, class_="panel", data_task=task or None)


def _ticks(axis: Axis, height: float) -> Html:
    bottom = height - BOTTOM
    marks = []
    for tick in axis.ticks:
        x = axis.x(tick)
        marks.append(el("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="grid"))
        marks.append(el("text", f"{tick:g}".replace("-", "\u2212"), x=x, y=bottom + 14, class_="tick"))
    return el("g", *marks)


def line_name(results: Results, key: CellKey) -> str:
    """The language, with what tells apart several cells of one task and language."""
    rivals = [other for other in results.keys_of(key.task, key.language) if other.metric == key.metric]
    apart = [
        getattr(key, name)
        for name in ("config", "prompt_language")
        if len({getattr(other, name) for other in rivals}) > 1
    ]
    return results.language_name(key.language) + (f" ({' '.join(apart)})" if apart else "")


def row(label: str, seen: str, top: float, *marks: Html | None, language: str = "", about: str = "") -> Html:
    """One line of a panel: its name, the mark of how the cell was held out, and what is drawn there.

    Args:
        label: The name at the left; cut where it is long, whole in `about`.
        seen: How the cell was held out.
        top: Where the line begins, in pixels.
        marks: What stands on the line.
        language: Code, for filters.
        about: All of it in words, shown on hover.
    """
    middle = top + LINE / 2
    shown = label if len(label) <= MAX_NAME else label[: MAX_NAME - 1] + "…"
    return el(
        "g",
        el("title", about or label),
        el("text", MARKS[seen], x=LABEL - 16, y=middle + 4, class_="mark") if seen in MARKS else None,
        el("text", shown, x=LABEL - 26, y=middle + 4, class_="name"),
        *marks,
        class_="row",
        data_language=language or None,
    )


def upright(x: float, middle: float, half: float, kind: str) -> Html:
    """A short vertical line: chance, a median, zero."""
    return el("line", x1=x, x2=x, y1=middle - half, y2=middle + half, class_=kind)


def point(
    axis: Axis, value: float | None, low: float | None, high: float | None, y: float, kind: str
) -> Html:
    """A dot with its interval; all three in points of the axis."""
    drawn = []
    if low is not None and high is not None:
        drawn.append(el("line", x1=axis.x(low), x2=axis.x(high), y1=y, y2=y, class_=f"whisker {kind}"))
    if value is not None:
        drawn.append(el("circle", cx=axis.x(value), cy=y, class_=f"dot {kind}"))
    return join(drawn)


def figure_at_end(text: str, middle: float) -> Html:
    """Figures at the right end of a line."""
    return el("text", text, x=WIDTH - 2, y=middle + 4, class_="gain")
