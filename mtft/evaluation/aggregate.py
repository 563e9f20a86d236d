"""From samples to the figures of a report: cells, medians over templates, averages, comparisons.

All intervals come from one resampling of item groups: an item's languages, templates and models are drawn
together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics import METRICS, Metric, Rows, chance_level, majority_share
from mtft.evaluation.sample_columns import IntArray, SampleRows
from mtft.statistics import (
    FloatArray,
    Interval,
    Spread,
    cluster_sums,
    clustered_interval,
    clustered_standard_error,
    consistency,
    detectable_score,
    error_interval,
    median_over_templates,
    percentile_interval,
    replicate_error,
    resampling_weights,
    spread,
    wilson_interval,
)

N_RESAMPLES = 1000
SEED = 0
_KEYS = (
    "model",
    "task",
    "cluster",
    "language",
    "config",
    "prompt_language",
    "metric",
    "template",
    "template_id",
)
_NOTHING = Interval(float("nan"), float("nan"), float("nan"))


class Place(NamedTuple):
    """What one number is about, whichever model and template it belongs to."""

    task: str
    cluster: str
    language: str
    config: str
    prompt_language: str
    metric: str


class Resampling:
    """One draw of item groups for all cells.

    Args:
        groups: Every item group of the evaluation.
    """

    def __init__(self, groups: Iterable[str]) -> None:
        self._column = {group: at for at, group in enumerate(sorted(set(groups)))}
        # A group's counts lie side by side, so that taking groups copies whole lines.
        drawn = resampling_weights(len(self._column), N_RESAMPLES, seed=SEED)
        self._by_group: NDArray[np.uint8] = np.ascontiguousarray(drawn.T)

    def weights(self, groups: Sequence[str]) -> NDArray[np.uint8]:
        """The columns (resamples, groups) of these groups."""
        chosen: NDArray[np.uint8] = self._by_group[[self._column[group] for group in groups]]
        return np.transpose(chosen)


@dataclass(frozen=True)
class TemplateCell:
    """One model's samples of one template in one cell, under one metric."""

    model: str
    place: Place
    template: str
    template_id: str
    metric: Metric
    samples: SampleRows

    @cached_property
    def scored(self) -> SampleRows:
        """Samples that have scores."""
        return self.samples.scored()

    @cached_property
    def rows(self) -> Rows:
        """Units and their statistics."""
        return self.metric.rows(self.scored)

    def part(self, places: NDArray[Any]) -> TemplateCell:
        """The cell of its samples at some places; statistics that were made per sample are not made again."""
        made = replace(self, samples=self.samples.take(places))
        scored = np.flatnonzero(self.samples.columns.is_scored[self.samples.rows])
        if len(scored) == len(self.rows.ids):
            chosen = np.isin(scored, places)
            ids, groups, statistics = self.rows
            # Where the cached property keeps it.
            vars(made)["rows"] = Rows(ids[chosen], groups[chosen], statistics[chosen])
        return made

    @cached_property
    def n_unscored(self) -> int:
        """Samples without scores; in rankings also queries without a relevant candidate."""
        queries = np.unique(self.scored.codes("item_group")) if self.metric.by_query else np.empty(0)
        return len(self.samples) - len(self.scored) + len(np.setdiff1d(queries, self.rows.ids))

    @cached_property
    def group_codes(self) -> IntArray:
        """(groups,) sorted codes of item groups; codes sort as their names do."""
        return np.unique(self.rows.groups)

    @property
    def groups(self) -> list[str]:
        """Item groups in order."""
        return self.samples.names("item_group", self.group_codes)

    @cached_property
    def n_truncated(self) -> int:
        """Samples whose prompt was too long and lost a part."""
        return int((self.samples.numbers("truncated_tokens") > 0).sum())

    @cached_property
    def sums(self) -> FloatArray:
        """(groups, d) statistics per item group, groups in order."""
        return cluster_sums(self.rows.statistics, self.rows.groups)[0]

    @cached_property
    def value(self) -> float:
        """The metric's value; nan without units."""
        if not len(self.rows.ids):
            return float("nan")
        return float(self.metric.value(self.rows.statistics.sum(axis=0)))

    @cached_property
    def error(self) -> float:
        """The item-clustered standard error of a mean."""
        return clustered_standard_error(self.rows.statistics[:, 0], self.rows.groups)

    @cached_property
    def chance(self) -> float | None:
        """See `chance_level`."""
        return chance_level(self.metric, self.scored)

    @property
    def detectable(self) -> float | None:
        """The smallest score that this cell could tell apart from chance; None where it has no chance level."""
        if self.chance is None or not len(self.rows.ids):
            return None
        return detectable_score(self.chance, self.value, self.error, len(self.group_codes))

    @cached_property
    def signature(self) -> str:
        """How the value was made; see `Metric.signature`."""
        return self.metric.signature(self.scored) if len(self.scored) else ""

    def interval(self, resampling: Resampling) -> Interval:
        """The value with its item-clustered 95 % limits; never of zero width."""
        if not len(self.rows.ids):
            return _NOTHING
        if self.metric.is_mean:
            return clustered_interval(self.rows.statistics[:, 0], self.rows.groups)
        weights = resampling.weights(self.groups)
        _, samples = median_over_templates(self.sums[:, None], weights, self.metric.value)
        return percentiles(self.metric, self.value, samples, len(self.group_codes))


def percentiles(metric: Metric, value: float, samples: FloatArray, n_groups: float) -> Interval:
    """The value with percentiles of its replicates; Wilson's with one trial per group where all agree."""
    found = percentile_interval(value, samples, n_clusters=n_groups)
    if not np.isfinite(value) or found.high - found.low > 1e-9 * metric.top:
        return found
    share = min(max(value / metric.top, 0.0), 1.0)  # an error rate may exceed its top
    low, high = wilson_interval(share, n_groups)[1:]
    return Interval(value, min(found.low, low * metric.top), max(found.high, high * metric.top))


def template_cells(samples: Iterable[Sample]) -> list[TemplateCell]:
    """The samples by model, cell, template and metric, in canonical order: theirs does not matter."""
    cells = []
    for (model, *where, template, template_id), rows in SampleRows.of(samples).parts(*_KEYS):
        order = np.lexsort((rows.codes("id"), rows.codes("item_group")))
        place, ordered = Place(*where), rows.take(order)
        cells += [
            TemplateCell(model, place._replace(metric=metric.name), template, template_id, metric, ordered)
            for metric in METRICS[place.metric]
        ]
    return cells


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

    @property
    def group_names(self) -> list[str]:
        """The item groups, in order."""
        return self.cells[0].samples.names("item_group", self.groups)

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
        return SummaryCell(model, place, tuple(cells), nothing, none, np.full(N_RESAMPLES, np.nan), _NOTHING)
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
