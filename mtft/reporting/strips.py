"""Spread over templates: one dot per template, the middle half as a band, the median as a bar."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.reporting.axes import LINE, TOP, Panel, Plot, figure_at_end, line_name, row, task_frame, upright
from mtft.reporting.markup import Html, el, exact
from mtft.reporting.records import Cell, CellKey, Summary


def strips(plot: Plot, panel: Panel) -> Html:
    """One dot per template in each language, and a bar at their median."""
    by_key: dict[CellKey, list[Cell]] = {}
    for cell in plot.results.cells:
        if cell.model == plot.results.focus and cell.task == panel.task and cell.value is not None:
            by_key.setdefault(cell.key, []).append(cell)
    lines = [_strip(plot, key, by_key.get(key, []), TOP + LINE * n) for n, key in enumerate(panel.keys)]
    return task_frame(plot, panel, lines, f"Scores of {plot.results.focus} per template")


def _strip(plot: Plot, key: CellKey, cells: Sequence[Cell], top: float) -> Html:
    middle = top + LINE / 2
    found = plot.results.at(plot.results.focus, key)
    marks = [
        _band(plot, found, middle),
        upright(plot.x(key.metric, found.chance), middle, 8, "chance")
        if found and found.chance is not None
        else None,
        el("g", *(_template_dot(plot, cell, middle) for cell in cells), class_="templates")
        if cells
        else None,
        upright(plot.x(key.metric, found.median), middle, 7, "median")
        if found and found.median is not None
        else None,
        _range(plot, cells, middle),
    ]
    name = line_name(plot.results, key)
    about = name + (_about(plot, found) if found else "")
    return row(name, found.seen if found else "", top, *marks, language=key.language, about=about)


def _about(plot: Plot, found: Summary) -> str:
    """Quartiles and consistency in words."""
    middle = plot.scales.interval(found.metric, found.q1, found.q3)
    agreement = (
        f"; two prompts agree on {found.consistency:.0%} of items" if found.consistency is not None else ""
    )
    return (f": middle half of templates {middle}" if middle else "") + agreement


def _band(plot: Plot, found: Summary | None, middle: float) -> Html | None:
    """The inter-quartile range."""
    if found is None or found.q1 is None or found.q3 is None:
        return None
    left, right = plot.x(found.metric, found.q1), plot.x(found.metric, found.q3)
    return el("rect", x=left, y=middle - 5, width=round(right - left, 1), height=10, rx=2, class_="quartiles")


def _range(plot: Plot, cells: Sequence[Cell], middle: float) -> Html | None:
    """The distance from worst to best template, in figures."""
    values = [cell.value for cell in cells if cell.value is not None]
    if len(values) < 2:
        return None
    return figure_at_end(plot.scales.show(cells[0].metric, max(values) - min(values)), middle)


def _template_dot(plot: Plot, cell: Cell, middle: float) -> Html:
    name = f"{cell.template or cell.template_id}: {plot.scales.show(cell.metric, cell.value)}"
    x = plot.x(cell.metric, cell.value or 0.0)
    return el("circle", el("title", name), cx=x, cy=middle, data_value=exact(cell.value))
