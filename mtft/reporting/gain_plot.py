"""Relative gains with their intervals around the line of no gain, a line per method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtft.reporting.axes import LABEL, LINE, RIGHT, TOP, WIDTH, Axis, axis_of
from mtft.reporting.markup import Html, el, exact, join

BOTTOM = 20
COLOURS = {"good": "#0f766e", "bad": "#b91c1c", "": "#6b7280"}
FURTHEST = 200.0


@dataclass(frozen=True)
class Line:
    """One method's gain, in percent.

    Attributes:
        name: The method.
        value: The gain.
        low: Lower limit; nan where it is not known.
        high: Upper limit, likewise.
        tone: `good` or `bad` where the gain is real.
    """

    name: str
    value: float
    low: float
    high: float
    tone: str = ""

    @classmethod
    def of(cls, name: str, row: Mapping[str, Any] | None) -> Line | None:
        """The line of a row of `compare.json`; None without one."""
        if row is None:
            return None
        tone = ("good" if row["gain"] > 0 else "bad") if row["real"] else ""
        low, high = (math.nan if row[key] is None else 100 * row[key] for key in ("low", "high"))
        return cls(name, 100 * row["gain"], low, high, tone)


def gain_plot(title: str, lines: Sequence[Line]) -> Html:
    """All lines on one axis; intervals that reach beyond 200 % are cut there."""
    values = [v for line in lines for v in (line.value, line.low, line.high) if math.isfinite(v)]
    axis = axis_of([0.0, *(max(-FURTHEST, min(FURTHEST, v)) for v in values)])
    height = TOP + LINE * len(lines) + BOTTOM
    zero = axis.x(0.0)
    drawn = el(
        "svg",
        el("line", x1=zero, x2=zero, y1=TOP, y2=height - BOTTOM, stroke="currentColor", opacity="0.4"),
        *(_drawn(axis, line, TOP + LINE * n + LINE / 2) for n, line in enumerate(lines)),
        *(_tick(axis, value, height - 5) for value in axis.ticks),
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=f"Gain in percent, {title}",
        style=f"width:100%;max-width:{int(WIDTH * 1.4)}px",
    )
    return el("figure", el("figcaption", f"Gain in percent, {title}"), drawn, style="margin:0 0 1.2em")


def _drawn(axis: Axis, line: Line, y: float) -> Html:
    known = math.isfinite(line.low) and math.isfinite(line.high)
    left, right = (
        axis.x(max(axis.low, min(axis.high, v if known else line.value))) for v in (line.low, line.high)
    )
    at = axis.x(max(axis.low, min(axis.high, line.value)))
    colour = COLOURS[line.tone]
    return join(
        [
            el("text", line.name, x=LABEL - 8, y=y + 4, text_anchor="end", font_size="11", fill="currentColor"),
            el("line", x1=left, x2=right, y1=y, y2=y, stroke=colour, stroke_width="2") if known else None,
            el("circle", cx=at, cy=y, r="4", fill=colour, data_value=exact(line.value)),
            el(
                "text", f"{line.value:+.1f}", x=WIDTH - RIGHT + 42, y=y + 4,
                text_anchor="end", font_size="11", fill="currentColor",
            ),
        ]
    )  # fmt: skip


def _tick(axis: Axis, value: float, y: float) -> Html:
    return el(
        "text", f"{value:+g}" if value else "0", x=axis.x(value), y=y,
        text_anchor="middle", font_size="10", fill="currentColor",
    )  # fmt: skip
