"""The page of the probes of transfer: the gap beside each auxiliary task, and the metric against the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mtft.reporting.elements import section, table_element
from mtft.reporting.markup import Html, el, join
from mtft.reporting.simple_page import simple_page
from mtft.reporting.tables import Cell, plain_table

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 300, 46, 40, 12, 12
LINES = "One line per seed; training goes from left to right."
COLOURS = ("#6b7280", "#0f766e", "#b45309", "#7c3aed", "#be123c", "#1d4ed8")
TONES = {"positive": "good", "negative": "bad"}
LEAD = (
    "The gap is the development metric of training on both tasks minus that of the target alone, at the same training "
    "loss of the target, averaged over the losses that all runs passed (evenly in log). It counts where it exceeds "
    "the band: two standard deviations over seeds of each side, added up. Mueller et al. 2024, arXiv 2408.14677."
)


def probe_page(content: Mapping[str, Any]) -> str:
    """The page of a `probe.json`."""
    seeds = ", ".join(map(str, content["seeds"]))
    return simple_page(
        f"Transfer to {content['target']}",
        f"seeds {seeds}",
        section("Gap at the same training loss", table_element(_gaps(content["gaps"])), lead=LEAD),
        *(
            section(f"Metric against loss: {mixture}", _figure(curves), lead=LINES)
            for mixture, curves in content["curves"].items()
        ),
    )


def _gaps(rows: Sequence[Mapping[str, Any]]) -> Any:
    made = [
        (
            Cell(row["auxiliary"]),
            Cell(row["mixture"]),
            _signed(row["gap"], TONES.get(row["verdict"], "")),
            _plain(row["band"]),
            Cell(row["verdict"]),
            _signed(row["at_lowest_loss"]),
            _plain(row["band_at_lowest_loss"]),
            _losses(row),
        )
        for row in rows
    ]
    columns = (
        "beside",
        "mixture",
        "gap",
        "band",
        "verdict",
        "gap at lowest loss",
        "its band",
        "losses compared",
    )
    return plain_table("gaps", "Gaps", columns, made)


def _signed(value: float | None, tone: str = "") -> Cell:
    return Cell("–") if value is None else Cell(f"{value:+.3f}", value, tone)


def _plain(value: float | None) -> Cell:
    return Cell("–") if value is None else Cell(f"{value:.3f}", value)


def _losses(row: Mapping[str, Any]) -> Cell:
    ends = row["loss_from"], row["loss_to"]
    return Cell("none in common" if row["gap"] is None else "{:.3g} to {:.3g}".format(*ends))


def _figure(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> Html:
    """Metric against falling training loss on a logarithmic axis, a colour per set of tasks."""
    losses = [x for of in curves.values() for each in of for x in each["loss"] if x and x > 0]
    if not losses:
        return el("p", "Nothing was measured.")
    high, low = math.log10(max(losses)), math.log10(min(losses))
    span = max(high - low, 1e-9)

    def across(loss: float) -> float:
        return round(LEFT + (high - math.log10(loss)) / span * (WIDTH - LEFT - RIGHT), 1)

    lines = [
        _line(each, across, COLOURS[number % len(COLOURS)])
        for number, of in enumerate(curves.values())
        for each in of
    ]
    ticks = [10.0**n for n in range(math.ceil(low), math.floor(high) + 1)]
    marks = [_label(f"{t:g}", across(t), HEIGHT - BOTTOM + 16) for t in ticks]
    rules = [_rule(share / 4) for share in range(5)]
    title = _label("training loss of the target (nats per token)", (LEFT + WIDTH) / 2, HEIGHT - 6)
    drawn = el(
        "svg",
        *rules,
        *marks,
        title,
        *lines,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label="Development metric against training loss",
        style=f"max-width:{WIDTH}px;width:100%",
    )
    names = [
        el(
            "span",
            el("b", "■ ", style=f"color:{COLOURS[n % len(COLOURS)]}"),
            name,
            style="margin-right:1.2em",
        )
        for n, name in enumerate(curves)
    ]
    return join([el("p", *names), drawn])


def _up(metric: float) -> float:
    return round(TOP + (1 - metric) * (HEIGHT - TOP - BOTTOM), 1)


def _line(curve: Mapping[str, Any], across: Any, colour: str) -> Html:
    points = [
        (x, y) for x, y in zip(curve["loss"], curve["metric"], strict=True) if x and x > 0 and y is not None
    ]
    path = " ".join(f"{across(x)},{_up(y)}" for x, y in points)
    return el("polyline", points=path, fill="none", stroke=colour, stroke_width="1.6", opacity="0.8")


def _rule(metric: float) -> Html:
    y = _up(metric)
    line = el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, stroke="currentColor", opacity="0.15")
    return join([line, _label(f"{metric:g}", LEFT - 16, y + 4)])


def _label(text: str, x: float, y: float) -> Html:
    return el("text", text, x=round(x, 1), y=y, text_anchor="middle", font_size="11", fill="currentColor")
