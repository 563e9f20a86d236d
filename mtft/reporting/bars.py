"""Seen and unseen: the mean distance from chance per kind of language and kind of task, as bars over their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from mtft.reporting.axes import LINE, TOP, Axis, Plot, figure_at_end, frame, row, upright
from mtft.reporting.markup import Html, el
from mtft.reporting.records import Summary
from mtft.reporting.results import Results

RULE = (
    "Bars: mean over tasks of the mean over languages of (score - chance) / (1 - chance), score the median template's; "
    "dots: single cells."
)
LANGUAGES = {
    "trained": "trained languages",
    "pretrained_only": "only pretrained",
    "unseen": "unseen languages",
}
TASKS = {"trained": "Trained task clusters", "held_out": "Held-out task clusters"}
AXIS = Axis(-20.0, 100.0)


def share_above_chance(found: Summary) -> float | None:
    """(score - chance) / (1 - chance): 0 for chance, 1 for all right."""
    if found.median is None or found.chance is None or found.chance >= 1:
        return None
    return (found.median - found.chance) / (1 - found.chance)


def groups(results: Results, model: str | None) -> dict[tuple[str, str], dict[str, list[float]]]:
    """(cluster status, language status) -> task -> distances from chance of a model's cells."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for key in results.keys:
        cell = results.at(model, key)
        value = share_above_chance(cell) if cell is not None else None
        if value is not None:
            place = (results.cluster_status(key.task), results.language_status(key.language))
            found.setdefault(place, {}).setdefault(key.task, []).append(value)
    return found


def macro(of_task: Mapping[str, Sequence[float]]) -> float:
    """Mean over tasks of the mean over languages."""
    return fmean(fmean(values) for values in of_task.values())


def seen_panels(plot: Plot) -> list[Html]:
    """A panel for trained and one for held-out task clusters; nothing where training is not known."""
    results = plot.results
    models = {name: groups(results, name) for name in (results.base, results.focus) if name}
    made = []
    for cluster, title in TASKS.items():
        places = [(cluster, status) for status in LANGUAGES]
        places = [place for place in places if any(place in found for found in models.values())]
        if places:
            lines = [
                _line(
                    plot,
                    place,
                    {name: found.get(place, {}) for name, found in models.items()},
                    TOP + LINE * n,
                )
                for n, place in enumerate(places)
            ]
            what = "Mean distance from chance by kind of language"
            made.append(frame(AXIS, lines, title, "share of the way from chance to all right, in %", what))
    return made


def _line(
    plot: Plot, place: tuple[str, str], models: Mapping[str, Mapping[str, Sequence[float]]], top: float
) -> Html:
    middle, results = top + LINE / 2, plot.results
    marks: list[Html] = [upright(AXIS.x(0.0), middle, 10, "chance")]
    words = []
    for name, of_task in models.items():
        if of_task:
            kind = "before" if name == results.base else "after"
            mean = macro(of_task)
            offset = {"before": 0.5, "after": -6.5}[kind] if len(models) > 1 else -3.0
            marks.append(_bar(mean, middle + offset, kind))
            marks.append(_dots(of_task, middle + offset + 3))
            cells = sum(map(len, of_task.values()))
            words.append(f"{name} {100 * mean:.1f} % ({cells} cells of {len(of_task)} tasks)")
    focus = models.get(results.focus or "") or next(iter(models.values()))
    end = figure_at_end(f"{100 * macro(focus):.0f}".replace("-", "\u2212"), middle) if focus else None
    label = LANGUAGES[place[1]]
    return row(label, "", top, *marks, end, about=f"{label}: " + ", ".join(words))


def _bar(mean: float, top: float, kind: str) -> Html:
    ends = sorted((AXIS.x(0.0), AXIS.x(_inside(mean))))
    return el("rect", x=ends[0], y=top, width=round(ends[1] - ends[0], 1), height=6, class_=f"share {kind}")


def _dots(of_task: Mapping[str, Sequence[float]], y: float) -> Html:
    values = sorted(value for values in of_task.values() for value in values)
    return el("g", *(el("circle", cx=AXIS.x(_inside(v)), cy=y) for v in values), class_="cells")


def _inside(share: float) -> float:
    return min(AXIS.high, max(AXIS.low, 100 * share))
