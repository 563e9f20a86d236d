"""One cell of a heat map: its score, its marks, and all that is known of it in words."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.reporting.heat import HeatMap, counts
from mtft.reporting.markup import Html, el, exact
from mtft.reporting.records import CellKey, Summary
from mtft.reporting.wording import CONTAMINATED, MARKS, SEEN, metric_name, whole, words


def labels(keys: Sequence[CellKey]) -> list[str]:
    """What tells the chips of one cell apart: configuration, prompt language, metric, where they differ."""
    varying = [
        name for name in ("config", "prompt_language", "metric") if len({getattr(k, name) for k in keys}) > 1
    ]
    prefix = {"config": "", "prompt_language": "in ", "metric": ""}
    return [", ".join(prefix[name] + str(getattr(key, name)) for name in varying) for key in keys]


def chip(heat: HeatMap, row: Summary, label: str) -> Html:
    """A link to the cell's examples where there are some; all that is known of the cell as its title."""
    level, about = heat.level(row), describe(heat, row)
    marks = MARKS.get(row.seen, "") + ("★" if counts(heat, row) else "")
    overlap = CONTAMINATED if heat.results.contaminated(row.key) else ""
    anchor = heat.anchors.get((row.task, row.language, row.config, row.prompt_language))
    return el(
        "a" if anchor else "div",
        el("span", marks, class_="mark", aria_hidden="true") if marks else None,
        el("b", heat.scales.show(row.metric, row.median)),
        el("span", overlap, class_="mark overlap", aria_hidden="true") if overlap else None,
        el("small", label) if label else None,
        class_=f"chip l{'x' if level is None else level}{' out' if row.held_out else ''}",
        title=about,
        tabindex=None if anchor else "0",
        data_value=exact(row.median),
        href=f"#{anchor}" if anchor else None,
    )


def describe(heat: HeatMap, row: Summary) -> str:
    """All that is known of a cell, one fact a line: the tooltip and what a screen reader says."""
    show = heat.scales.show
    base = heat.results.at(heat.results.base, row.key) if heat.model != heat.results.base else None
    interval = heat.scales.interval(row.metric, row.low, row.high)
    quartiles = heat.scales.interval(row.metric, row.q1, row.q3)
    lines = [
        f"{row.task}, {heat.results.language_name(row.language)}: {show(row.metric, row.median)} "
        f"{metric_name(row.metric)}",
        f"95 % interval {interval}" if interval else "",
        f"chance {show(row.metric, row.chance)}" if row.chance is not None else "",
        _told_apart(heat, row) if row.indistinguishable else "",
        f"{base.model} {show(row.metric, base.median)}" if base is not None else "",
        f"templates {scope}" if (scope := heat.scales.interval(row.metric, row.min, row.max)) else "",
        f"middle half of templates {quartiles}" if quartiles else "",
        f"{row.consistency:.0%} of prompt pairs agree" if row.consistency is not None else "",
        f"{whole(row.n)} scored, {whole(row.n_unscored)} unscored" if row.n is not None else "",
        f"{whole(row.n_truncated)} prompts shortened" if row.n_truncated else "",
        _overlap(heat, row),
        SEEN.get(row.seen, words(row.seen)),
        "counts: beats every control" if counts(heat, row) else "",
    ]
    return "\n".join(line for line in lines if line)


def _told_apart(heat: HeatMap, row: Summary) -> str:
    least = f"; {heat.scales.show(row.metric, row.detectable)} could" if row.detectable is not None else ""
    return f"cannot be told apart from chance{least}"


def _overlap(heat: HeatMap, row: Summary) -> str:
    found = heat.results.contaminated(row.key)
    of = f" of {whole(found.n_items)}" if found is not None and found.n_items is not None else ""
    return f"{whole(found.n_any)}{of} items overlap with the training text" if found is not None else ""
