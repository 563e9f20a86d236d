"""Results by the values of a column: category, size, seen in training or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtft.evaluation.aggregate import Resampling, TemplateCell
from mtft.evaluation.metrics import METRICS
from mtft.evaluation.sample_table import mapping_of
from mtft.evaluation.summaries import SummaryCell, summarise

SEEN, UNSEEN = "seen", "unseen"
_FIRST = frozenset(metrics[0].name for metrics in METRICS.values())
Trained = Mapping[tuple[str, str], frozenset[str]]


class Slice(NamedTuple):
    """A value of a column, and whether training saw it: `seen`, `unseen`, or nothing where that is not known."""

    column: str
    slice: str
    seen: str


def slice_rows(
    cells: Iterable[TemplateCell], resampling: Resampling, mixture: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What results say of slices: the median template per model, cell, column and value, with its interval.

    Where the mixture's manifest knows the values of a column that a task trained on, each value is `seen` or
    `unseen`, and all seen and all unseen ones are a slice each, without a `slice`. One metric per scorer, its first.

    Args:
        cells: Of all models.
        resampling: The draw of item groups for all intervals.
        mixture: The manifest of the run.
    """
    trained = trained_values(mixture or {})
    found: dict[Slice, list[TemplateCell]] = defaultdict(list)
    for cell in cells:
        if cell.metric.name in _FIRST:
            for where, places in _slices(cell, trained).items():
                found[where].append(cell.part(places))
    return [
        _row(where, summary)
        for where, parts in sorted(found.items())
        for summary in summarise(parts, resampling)
    ]


def _row(where: Slice, summary: SummaryCell) -> dict[str, Any]:
    value, low, high = summary.interval
    return {
        "model": summary.model,
        **summary.place._asdict(),
        **where._asdict(),
        "value": value,
        "low": low,
        "high": high,
        "n": max(len(cell.rows.ids) for cell in summary.cells),
        "n_groups": len(summary.groups),
    }


def _slices(cell: TemplateCell, trained: Trained) -> Mapping[Slice, NDArray[Any]]:
    """Slice → the places of its samples; an empty value stands for all that are seen, or unseen."""
    found: dict[Slice, list[NDArray[Any]]] = defaultdict(list)
    texts, place = np.unique(cell.samples.codes("slices"), return_inverse=True)
    for number, text in enumerate(cell.samples.names("slices", texts)):
        for column, value in mapping_of(text).items():
            known = trained.get((cell.place.task, column))
            status = "" if known is None else SEEN if value in known else UNSEEN
            for shown in (value, "") if status else (value,):
                found[Slice(column, shown, status)].append(np.flatnonzero(place == number))
    return {where: np.sort(np.concatenate(places)) for where, places in found.items()}


def trained_values(mixture: Mapping[str, Any]) -> Trained:
    """(task, column) → the values that its trained rows have, in any language; none of an untrained task."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for task, column, values in _recorded(mixture):
        found[task, column] = found.get((task, column), frozenset()) | values
    return found


def _recorded(mixture: Mapping[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    for unit in mixture.get("units") or ():
        for column, counts in (unit.get("slices") or {}).items():
            yield str(unit["task"]), column, frozenset(counts)
