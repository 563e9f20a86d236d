"""The heat map of task x language: a real table, coloured by level, with its values as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mtft.reporting.headline import control_of
from mtft.reporting.levels import CHANCE_EDGES, GAIN_EDGES, against_base, against_chance
from mtft.reporting.markup import Html, breakable, el, join
from mtft.reporting.results import CellKey, Results, Summary
from mtft.reporting.wording import (
    CLUSTER_STATUS,
    HELD_OUT,
    MARKS,
    SEEN,
    STATUS,
    Scales,
    metric_name,
    whole,
    words,
)

Level = Callable[[Summary], int | None]
CHANCE, BASE = "chance", "the base model"


@dataclass(frozen=True)
class HeatMap:
    """What one heat map shows: a model's rows, how they are coloured, and the words for it."""

    results: Results
    scales: Scales
    model: str
    rows: tuple[Summary, ...]
    level: Level
    zero: str
    title: str

    @property
    def caption(self) -> str:
        """What the numbers and the colours are, in one sentence."""
        return f"Score of the median template of {self.model}, coloured by its distance from {self.zero}"

    @property
    def tasks(self) -> list[str]:
        """Columns: trained clusters first."""
        return sorted({row.task for row in self.rows}, key=self.results.task_order)

    @property
    def languages(self) -> list[str]:
        """Rows: trained languages first."""
        return sorted({row.language for row in self.rows}, key=self.results.language_order)


def chance_map(results: Results, scales: Scales, model: str) -> HeatMap:
    """The cells that have a chance level, coloured against it."""
    rows = tuple(row for row in _rows(results, model) if row.chance is not None)
    return HeatMap(
        results, scales, model, rows, against_chance, CHANCE, "Choices and rankings, against chance"
    )


def gain_map(results: Results, scales: Scales, model: str) -> HeatMap:
    """The cells without a chance level, coloured by their gain over the base model."""
    rows = tuple(row for row in _rows(results, model) if row.chance is None)

    def level(row: Summary) -> int | None:
        comparison = results.comparison(row.key) if model == results.focus else None
        base = results.at(results.base, row.key) if model != results.base else None
        return against_base(row, base, comparison, scales)

    return HeatMap(results, scales, model, rows, level, BASE, "Generated answers, against the base model")


def _rows(results: Results, model: str) -> Iterable[Summary]:
    return (row for row in (results.at(model, key) for key in results.keys) if row is not None)


def draw(heat: HeatMap) -> Html:
    """The table, grouped by cluster status in its columns and by language status in its rows."""
    tasks = heat.tasks
    by_place: dict[tuple[str, str], list[Summary]] = {}
    for row in heat.rows:
        by_place.setdefault((row.language, row.task), []).append(row)
    body = [_group(heat, status, codes, tasks, by_place) for status, codes in _by_status(heat)]
    table = el("table", el("caption", heat.caption, class_="sr"), _head(heat, tasks), *body, class_="heat")
    return el("div", table, class_="scroll", tabindex="0", role="region", aria_label=heat.caption)


def _by_status(heat: HeatMap) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for code in heat.languages:
        groups.setdefault(heat.results.language_status(code), []).append(code)
    return list(groups.items())


def _head(heat: HeatMap, tasks: Sequence[str]) -> Html:
    statuses: dict[str, int] = {}
    for task in tasks:
        status = heat.results.cluster_status(task)
        statuses[status] = statuses.get(status, 0) + 1
    groups = [
        el("th", _cluster_status(status), colspan=span, scope="colgroup", class_=f"over {status}")
        for status, span in statuses.items()
    ]
    over = el("tr", el("td", class_="corner"), *groups)
    names = el("tr", el("th", "language", scope="col"), *(_task_head(heat, task) for task in tasks))
    return el("thead", over, names)


def _cluster_status(status: str) -> str:
    name = CLUSTER_STATUS.get(status, words(status))
    return f"{name} task clusters" if name else "tasks"


def _task_head(heat: HeatMap, task: str) -> Html:
    known = heat.results.tasks.get(task, {})
    metrics = sorted({metric_name(row.metric) for row in heat.rows if row.task == task})
    cluster = words(known.get("cluster") or "")
    below = el("small", ", ".join(metrics))
    title = str(known.get("title") or "")
    return el("th", breakable(task), below, el("small", cluster, class_="cluster"), scope="col", title=title)


def _group(
    heat: HeatMap,
    status: str,
    codes: Sequence[str],
    tasks: Sequence[str],
    by_place: dict[tuple[str, str], list[Summary]],
) -> Html:
    name = STATUS.get(status, words(status) or "Languages")
    head = el("tr", el("th", name, colspan=len(tasks) + 1, scope="rowgroup", class_="over"))
    rows = []
    for code in codes:
        cells = (_place(heat, by_place.get((code, task), [])) for task in tasks)
        rows.append(el("tr", _language_head(heat.results, code), *cells))
    return el("tbody", head, *rows)


def _language_head(results: Results, code: str) -> Html:
    name = results.language_name(code)
    script = results.languages.get(code, {}).get("script")
    return el("th", name, el("small", code) if name != code else None, scope="row", title=script)


def _place(heat: HeatMap, rows: Sequence[Summary]) -> Html:
    """One table cell: a chip per configuration and prompt language."""
    if not rows:
        return el("td", el("span", "not measured", class_="sr"), class_="empty")
    labels = _labels([row.key for row in rows])
    return el("td", *(_chip(heat, row, label) for row, label in zip(rows, labels, strict=True)))


def _labels(keys: Sequence[CellKey]) -> list[str]:
    """What tells the chips of one cell apart: configuration, prompt language, metric, where they differ."""
    varying = [
        name for name in ("config", "prompt_language", "metric") if len({getattr(k, name) for k in keys}) > 1
    ]
    prefix = {"config": "", "prompt_language": "in ", "metric": ""}
    return [", ".join(prefix[name] + str(getattr(key, name)) for name in varying) for key in keys]


def _chip(heat: HeatMap, row: Summary, label: str) -> Html:
    level = heat.level(row)
    marks = MARKS.get(row.seen, "") + ("★" if _counts(heat, row) else "")
    shown = heat.scales.show(row.metric, row.median)
    return el(
        "div",
        el("span", marks, class_="mark", aria_hidden="true") if marks else None,
        el("b", shown),
        el("small", label) if label else None,
        class_=f"chip l{'x' if level is None else level}{' out' if row.held_out else ''}",
        title=describe(heat, row),
        aria_label=describe(heat, row).replace("\n", "; "),
        role="img",
        data_value="" if row.median is None else repr(row.median),
    )


def _counts(heat: HeatMap, row: Summary) -> bool:
    if heat.model != heat.results.focus or not row.held_out:
        return False
    control = control_of(heat.results, row.key)
    return bool(control and control.get("counts"))


def describe(heat: HeatMap, row: Summary) -> str:
    """All that is known of a cell, one fact a line: the tooltip and what a screen reader says."""
    show = heat.scales.show
    base = heat.results.at(heat.results.base, row.key)
    interval = heat.scales.interval(row.metric, row.low, row.high)
    lines = [
        f"{row.task}, {heat.results.language_name(row.language)}: {show(row.metric, row.median)} "
        f"{metric_name(row.metric)}",
        f"95 % interval {interval}" if interval else "",
        f"chance {show(row.metric, row.chance)}" if row.chance is not None else "",
        f"base {show(row.metric, base.median)}"
        if base is not None and heat.model != heat.results.base
        else "",
        f"templates {scope}" if (scope := heat.scales.interval(row.metric, row.min, row.max)) else "",
        f"{whole(row.n)} scored, {whole(row.n_unscored)} unscored" if row.n is not None else "",
        SEEN.get(row.seen, words(row.seen)),
        "counts: beats every control" if _counts(heat, row) else "",
    ]
    return "\n".join(line for line in lines if line)


def legend(heat: HeatMap) -> Html:
    """The colour scale with its edges, and the marks."""
    unit = "of the way to a perfect score" if heat.zero == CHANCE else "in points"
    marks = join(
        el("span", el("b", mark), f" {HELD_OUT[kind]}") for kind, mark in MARKS.items() if _used(heat, kind)
    )
    star = any(_counts(heat, row) for row in heat.rows)
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
            "Outlined: held out of finetuning. " if any(row.held_out for row in heat.rows) else "",
            marks,
            el("span", el("b", "★"), " counts: beats every control") if star else None,
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
