"""Before and after: base (hollow) to finetuned (filled), with their intervals, chance and published scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mtft.reporting.axes import (
    LINE,
    TOP,
    Panel,
    Plot,
    axis_of,
    figure_at_end,
    frame,
    line_name,
    row,
    task_frame,
    upright,
)
from mtft.reporting.markup import Html, el, exact
from mtft.reporting.records import CellKey, Published, Summary
from mtft.reporting.results import Results
from mtft.reporting.tables import group_order
from mtft.reporting.wording import SEEN, metric_name, words

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
    chance: float | None = None
    language: str = ""
    published: Sequence[Published] = ()


def dumbbells(plot: Plot, panel: Panel) -> Html:
    """Base (hollow) to finetuned (filled) in each language, with the intervals of both."""
    drawn = [_dumbbell(plot, _line(plot, key), TOP + LINE * n) for n, key in enumerate(panel.keys)]
    return task_frame(plot, panel, drawn, f"Scores of {_models(plot.results)} per language")


def _line(plot: Plot, key: CellKey) -> Line:
    results = plot.results
    before, after = results.at(results.base, key), results.at(results.focus, key)
    shown = after or before
    return Line(
        key.metric,
        line_name(results, key),
        shown.seen if shown else "",
        _mark(before),
        _mark(after),
        shown.chance if shown else None,
        key.language,
        [found for found in results.published if _beside(found, key)],
    )


def _beside(found: Published, key: CellKey) -> bool:
    """Whether a published score may stand on the line: the same cell, median against median."""
    return (
        found.comparable
        and found.value is not None
        and found.template_statistic in ("", "median")
        and (found.task, found.language, found.metric) == (key.task, key.language, key.metric)
        and found.prompt_language in ("", key.prompt_language)
        and found.config in ("", key.config)
    )


def average_dumbbells(plot: Plot) -> list[Html]:
    """The same for the averages, one panel per metric and averaging rule."""
    groups: dict[tuple[str, str], dict[str, dict[str, Mark]]] = {}
    for average in plot.results.averages:
        if average.group not in SHORT:
            continue  # the table has all groups, the bars show those of languages and tasks
        mark = Mark(average.model, average.value, average.low, average.high)
        of_rule = groups.setdefault((average.metric, average.rule), {})
        of_rule.setdefault(average.group, {})[average.model] = mark
    return [_average_panel(plot, metric, rule, groups[metric, rule]) for metric, rule in sorted(groups)]


def _average_panel(plot: Plot, metric: str, rule: str, groups: dict[str, dict[str, Mark]]) -> Html:
    base, focus = plot.results.base or "", plot.results.focus or ""
    lines = []
    for number, group in enumerate(sorted(groups, key=group_order)):
        marks = groups[group]
        line = Line(metric, SHORT.get(group, words(group)), group, marks.get(base), marks.get(focus))
        lines.append(_dumbbell(plot, line, TOP + LINE * number))
    rules = {average.rule for average in plot.results.averages if average.metric == metric}
    subtitle = rule if len(rules) > 1 else "average over cells"
    axis, name = plot.axes.get(metric) or axis_of(()), metric_name(metric)
    return frame(axis, lines, name, subtitle, f"Average {name} per group")


def _models(results: Results) -> str:
    return " and ".join(name for name in (results.base, results.focus) if name)


def _mark(found: Summary | None) -> Mark | None:
    return Mark(found.model, found.median, found.low, found.high) if found is not None else None


def _point(plot: Plot, metric: str, mark: Mark | None, middle: float, kind: str) -> list[Html]:
    """A whisker and a dot."""
    drawn = []
    if mark and mark.low is not None and mark.high is not None:
        left, right = plot.x(metric, mark.low), plot.x(metric, mark.high)
        drawn.append(el("line", x1=left, x2=right, y1=middle, y2=middle, class_=f"whisker {kind}"))
    if mark and mark.value is not None:
        x = plot.x(metric, mark.value)
        drawn.append(el("circle", cx=x, cy=middle, class_=f"dot {kind}", data_value=exact(mark.value)))
    return drawn


def _dumbbell(plot: Plot, line: Line, top: float) -> Html:
    middle = top + LINE / 2
    marks = [
        upright(plot.x(line.metric, line.chance), middle, 8, "chance") if line.chance is not None else None,
        *_change(plot, line, middle),
        *(_diamond(plot, found, middle) for found in line.published),
        *_point(plot, line.metric, line.before, middle + 2.5, "before"),
        *_point(plot, line.metric, line.after, middle - 2.5, "after"),
    ]
    return row(line.label, line.seen, top, *marks, language=line.language, about=_dumbbell_words(plot, line))


def _diamond(plot: Plot, found: Published, middle: float) -> Html:
    """A published score."""
    x = plot.x(found.metric, found.value or 0.0)
    shown = plot.scales.show(found.metric, found.value)
    about = el("title", f"published: {found.model} {shown} ({found.citation})")
    return el("path", about, d=f"M{x} {middle - 5}l5 5l-5 5l-5 -5z", class_="published")


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
        figure_at_end(gain, middle),
    ]


def _dumbbell_words(plot: Plot, line: Line) -> str:
    parts = [line.label]
    for mark in (line.before, line.after):
        if mark is not None:
            interval = plot.scales.interval(line.metric, mark.low, mark.high)
            score = plot.scales.show(line.metric, mark.value)
            parts.append(f"{mark.model} {score}" + (f" ({interval})" if interval else ""))
    parts += [f"published {f.model} {plot.scales.show(f.metric, f.value)}" for f in line.published]
    return ", ".join(parts) + (f"; {SEEN[line.seen]}" if line.seen in SEEN else "")
