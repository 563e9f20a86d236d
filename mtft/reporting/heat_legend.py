"""The legend of a heat map: the colour scale with its edges, and the marks."""

from __future__ import annotations

from mtft.reporting.heat import CHANCE, HeatMap, counts
from mtft.reporting.levels import CHANCE_EDGES, GAIN_EDGES
from mtft.reporting.markup import Html, el, join
from mtft.reporting.wording import CONTAMINATED, HELD_OUT, LESS_IS_BETTER, MARKS


def legend(heat: HeatMap) -> Html:
    """The colour scale with its edges, and the marks."""
    unit = "of the way to a perfect score" if heat.zero == CHANCE else "in points"
    marks = join(
        el("span", el("b", mark), f" {HELD_OUT[kind]}") for kind, mark in MARKS.items() if _used(heat, kind)
    )
    overlap = any(heat.results.contaminated(row.key) for row in heat.rows)
    star = any(counts(heat, row) for row in heat.rows)
    return el(
        "div",
        el(
            "div",
            el("span", "below"),
            _swatches(heat),
            el("span", "above"),
            class_="scale",
            aria_hidden="true",
        ),
        el(
            "p",
            f"Colour: distance from {heat.zero}, {unit}. Neutral: the 95 % interval includes {heat.zero}. ",
            "Of errors, fewer are above. " if any(row.metric in LESS_IS_BETTER for row in heat.rows) else "",
            "Outlined: held out of finetuning. " if any(row.held_out for row in heat.rows) else "",
            marks,
            el("span", el("b", "★"), " counts: beats every control") if star else None,
            el("span", el("b", CONTAMINATED), " some items overlap with the training text")
            if overlap
            else None,
            el("span", el("b", "in en"), " with prompts in English, and so on") if _prompted(heat) else None,
        ),
        class_="legend",
    )


def _prompted(heat: HeatMap) -> bool:
    """Whether some cell holds scores with prompts in several languages."""
    places = {(row.task, row.language, row.prompt_language) for row in heat.rows}
    return len({place[:2] for place in places}) < len(places)


def _swatches(heat: HeatMap) -> Html:
    edges = [f"{e:.0%}" for e in CHANCE_EDGES] if heat.zero == CHANCE else [f"{e:.0f}" for e in GAIN_EDGES]
    bounds = [f"\u2212{e}" for e in reversed(edges)] + [f"+{e}" for e in edges]
    swatches = [el("span", class_=f"swatch l{level}") for level in range(-5, 6)]
    labels = [*(el("i", bound) for bound in bounds), None]
    return join(part for pair in zip(swatches, labels, strict=True) for part in pair)


def _used(heat: HeatMap, kind: str) -> bool:
    return any(row.seen == kind for row in heat.rows)
