"""Charts of trajectories: a metric against training loss, a factor over steps, tasks against tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mtft.reporting.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Points
from mtft.reporting.markup import Html, breakable, el, exact, join

_TICKS = 5
Floats = npt.NDArray[np.float64]


class Chart:
    """Two axes around some points; the horizontal one linear in steps or, falling, in log loss.

    Args:
        points: (x, y) of all that will be drawn; numbers that are none are left out.
        across: What the horizontal axis is called.
        falling_log: Whether x falls from left to right, in log.
    """

    def __init__(self, points: Points, across: str, *, falling_log: bool = False) -> None:
        finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)] or [(1.0, 0.0)]
        self.across, self.falling_log = across, falling_log
        xs, ys = [x for x, _ in finite], [y for _, y in finite]
        self.first, self.last = (max(xs), min(xs)) if falling_log else (min(xs), max(xs))
        room = 0.06 * ((max(ys) - min(ys)) or abs(ys[0]) or 1.0)
        self.low, self.high = min(ys) - room, max(ys) + room

    def x(self, value: float) -> float:
        """Pixels from the left."""
        first, last, at = self.first, self.last, value
        if self.falling_log:
            first, last, at = (-math.log(each) for each in (first, last, value))
        share = (at - first) / ((last - first) or 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def line(self, points: Points, kind: str, name: str, dots: bool = True) -> Html:
        """One line with a dot per point, named on hover."""
        known = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        path = el("polyline", points=" ".join(f"{self.x(x)},{self.y(y)}" for x, y in known))
        marks = [
            el("circle", el("title", f"{name}: {y:.4g} at {x:.4g}"), cx=self.x(x), cy=self.y(y), r=2)
            for x, y in known
        ]
        return el("g", el("title", name), path, join(marks) if dots else None, class_=f"way {kind}")

    def band(self, xs: Floats, middle: Floats, half: Floats, kind: str) -> Html | None:
        """The area from middle - half to middle + half."""
        if not len(xs) or not np.isfinite(half).all():
            return None
        upper = [f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, middle + half, strict=True)]
        lower = [f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, middle - half, strict=True)]
        return el("path", d="M" + "L".join([*upper, *lower[::-1]]) + "Z", class_=f"band {kind}")

    def figure(self, drawn: Sequence[Html | None], title: str, subtitle: str) -> Html:
        """The whole chart with its heading."""
        about = f"{subtitle} of {title}"
        kept = [each for each in drawn if each is not None]
        drawing = el(
            "svg", self._axes(), *kept, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=about
        )
        heading = el("figcaption", el("b", breakable(title)), el("small", subtitle))
        return el("figure", heading, drawing, class_="panel")

    def _axes(self) -> Html:
        marks = []
        for value in round_values(self.low, self.high):
            y = self.y(value)
            marks.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
            marks.append(el("text", _shown(value), x=LEFT - 5, y=y + 4, class_="gain"))
        for value in self._across_ticks():
            marks.append(el("text", _shown(value), x=self.x(value), y=HEIGHT - BOTTOM + 15, class_="tick"))
        middle = (LEFT + WIDTH - RIGHT) / 2
        return el("g", *marks, el("text", self.across, x=middle, y=HEIGHT - 4, class_="tick"))

    def _across_ticks(self) -> list[float]:
        if not self.falling_log:
            return round_values(self.first, self.last)
        if self.first <= self.last:
            return [self.first]
        return [float(f"{value:.2g}") for value in np.geomspace(self.first, self.last, _TICKS)[1:-1]]


def round_values(low: float, high: float, most: int = _TICKS) -> list[float]:
    """Round numbers from low to high, at most one more than `most`.

    Example: from 0 to 1 with at most 5 steps: 0, 0.2, 0.4, 0.6, 0.8, 1.
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 5, 10) if (high - low) / (s * power) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{n * step:.12g}") for n in range(first, last + 1)]


def _shown(value: float) -> str:
    return f"{value:.4g}".replace("-", "\u2212").replace("e+0", "e")


def cosine_table(tasks: Sequence[str], values: Mapping[tuple[str, str], float]) -> Html:
    """Tasks against tasks, coloured from -1 to 1 in steps of a fifth; a task with itself is left empty."""
    head = el(
        "thead", el("tr", el("th", "task"), *(el("th", breakable(name), scope="col") for name in tasks))
    )
    rows = [
        el("tr", el("th", breakable(one), scope="row"), *(_chip(one, other, values) for other in tasks))
        for one in tasks
    ]
    made = el(
        "table", el("caption", "Cosines of gradients", class_="sr"), head, el("tbody", *rows), class_="heat"
    )
    return el("div", made, class_="scroll", tabindex="0", role="region", aria_label="Cosines of gradients")


def _chip(one: str, other: str, values: Mapping[tuple[str, str], float]) -> Html:
    value = values.get((one, other))
    if value is None or not math.isfinite(value):
        return el("td", class_="empty")
    level = max(-5, min(5, round(5 * value)))
    shown = el("b", f"{value:+.2f}".replace("-", "\u2212"))
    about = f"{one} and {other}: {value:.3f}"
    return el("td", el("div", shown, class_=f"chip l{level}", title=about, data_value=exact(value)))
