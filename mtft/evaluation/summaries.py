"""A cell's templates together: the median with its interval, their spread, whether they agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtft.evaluation.aggregate import N_RESAMPLES, NOTHING, Place, Resampling, TemplateCell, percentiles
from mtft.evaluation.metrics import Metric, majority_share
from mtft.evaluation.sample_columns import IntArray, SampleRows
from mtft.statistics import (
    FloatArray,
    Interval,
    Spread,
    consistency,
    detectable_score,
    error_interval,
    median_over_templates,
    replicate_error,
    spread,
)


@dataclass(frozen=True)
class SummaryCell:
    """One model's templates in one cell, under one metric.

    Attributes:
        model: Its name.
        place: The cell.
        cells: One per template.
        groups: (G,) codes of the item groups that any template scored.
        sums: (G, T, d) statistics per item group and template that scored anything.
        replicates: (B,) of the median over templates.
        interval: The median with its limits.
    """

    model: str
    place: Place
    cells: tuple[TemplateCell, ...]
    groups: IntArray
    sums: FloatArray
    replicates: FloatArray
    interval: Interval

    @property
    def metric(self) -> Metric:
        """The metric of all of them."""
        return self.cells[0].metric

    @cached_property
    def spread(self) -> Spread:
        """Of the templates' values."""
        return spread([cell.value for cell in self.cells])

    @cached_property
    def chance(self) -> float | None:
        """The largest of the templates' chance levels: they share items, and may differ in what is
        unscored.
        """
        return max((c.chance for c in self.cells if c.chance is not None), default=None)

    @cached_property
    def majority(self) -> float | None:
        """The largest share of one answer among the templates' targets."""
        if self.metric.name != "accuracy":
            return None
        return max((majority_share(c.scored) for c in self.cells if len(c.scored)), default=None)

    @property
    def indistinguishable(self) -> bool | None:
        """Whether the interval includes chance; None where there is no chance level or no score."""
        value, low, high = self.interval
        return None if self.chance is None or not np.isfinite(value) else bool(low <= self.chance <= high)

    @property
    def detectable(self) -> float | None:
        """The smallest median that this many items could tell apart from chance."""
        if self.chance is None or not len(self.groups):
            return None
        value, groups = self.interval.value, len(self.groups)
        error = replicate_error(value, self.replicates, groups)
        return detectable_score(self.chance, value, error, groups)

    @cached_property
    def consistency(self) -> float | None:
        """The share of template pairs that choose the same answer; None unless choices were scored.

        Templates word their choices differently, so answers are compared by place, where the number of
        choices and the place of the right one agree.
        """
        if self.metric.name != "accuracy" or len(self.cells) < 2:
            return None
        share = consistency(*_answers([cell.scored for cell in self.cells]))
        return share if np.isfinite(share) else None


def _answers(templates: Sequence[SampleRows]) -> tuple[IntArray, IntArray]:
    """(items, templates) places of the chosen answers, and what makes two places comparable."""
    ids = np.unique(np.concatenate([rows.codes("id") for rows in templates]))
    answers, kinds = (np.full((len(ids), len(templates)), -1, dtype=np.int64) for _ in range(2))
    for column, rows in enumerate(templates):
        choices, at = rows.columns.choices, np.searchsorted(ids, rows.codes("id"))
        answers[at, column] = choices.predicted[rows.rows]
        target = choices.target[rows.rows]
        kinds[at, column] = choices.count(rows.rows) * (1 + choices.longest) + target
    return answers, kinds


def summarise(cells: Sequence[TemplateCell], resampling: Resampling) -> list[SummaryCell]:
    """The median template of every cell."""
    found: dict[tuple[str, Place], list[TemplateCell]] = defaultdict(list)
    for cell in cells:
        found[cell.model, cell.place].append(cell)
    return [_summary(model, place, rows, resampling) for (model, place), rows in sorted(found.items())]


def _summary(model: str, place: Place, cells: Sequence[TemplateCell], resampling: Resampling) -> SummaryCell:
    """The median with its limits: Wilson's at the replicates' error for means, else their percentiles."""
    scored = [cell for cell in cells if len(cell.rows.ids)]
    if not scored:
        nothing, none = np.empty(0, dtype=np.int64), np.empty((0, 0, 2))
        return SummaryCell(model, place, tuple(cells), nothing, none, np.full(N_RESAMPLES, np.nan), NOTHING)
    metric, (groups, sums) = scored[0].metric, stacked(scored)
    weights = resampling.weights(scored[0].samples.names("item_group", groups))
    value, samples = median_over_templates(sums, weights, metric.value)
    if metric.is_mean:
        found = error_interval(value, replicate_error(value, samples, len(groups)), len(groups))
    else:
        found = percentiles(metric, value, samples, len(groups))
    return SummaryCell(model, place, tuple(cells), groups, sums, samples, found)


def stacked(cells: Sequence[TemplateCell]) -> tuple[IntArray, FloatArray]:
    """The item groups of any of the cells, (G,), and their statistics, (G, T, d); zeros where one lacks a
    group.
    """
    groups = np.unique(np.concatenate([cell.group_codes for cell in cells]))
    sums = np.zeros((len(groups), len(cells), cells[0].sums.shape[1]))
    for column, cell in enumerate(cells):
        sums[np.searchsorted(groups, cell.group_codes), column] = cell.sums
    return groups, sums
