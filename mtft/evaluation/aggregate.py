"""From samples to the figures of a report: cells, medians over templates, averages, comparisons.

All intervals come from one resampling of item groups: an item's languages, templates and models are drawn
together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics import METRICS, Metric, Rows, chance_level, majority_share
from mtft.statistics import (
    FloatArray,
    Interval,
    cluster_sums,
    clustered_interval,
    median_over_templates,
    percentile_interval,
    resampling_weights,
    wilson_interval,
)

N_RESAMPLES = 1000
SEED = 0


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
    samples: tuple[Sample, ...]

    @cached_property
    def scored(self) -> tuple[Sample, ...]:
        """Samples that have scores."""
        return tuple(s for s in self.samples if not s.unscored_reason)

    @cached_property
    def rows(self) -> Rows:
        """Units and their statistics."""
        return self.metric.rows(self.scored)

    def part(self, places: Sequence[int]) -> TemplateCell:
        """The cell of its samples at some places; statistics that were made per sample are not made again."""
        made = replace(self, samples=tuple(self.samples[place] for place in places))
        scored = [at for at, sample in enumerate(self.samples) if not sample.unscored_reason]
        if len(scored) == len(self.rows.ids):
            wanted = set(places)
            chosen = [unit for unit, at in enumerate(scored) if at in wanted]
            ids, groups, statistics = self.rows
            rows = Rows([ids[n] for n in chosen], [groups[n] for n in chosen], statistics[chosen])
            vars(made)["rows"] = rows  # where the cached property keeps it
        return made

    @cached_property
    def n_unscored(self) -> int:
        """Samples without scores; in rankings also queries without a relevant candidate."""
        queries = {s.item_group for s in self.scored} if self.metric.by_query else set()
        return len(self.samples) - len(self.scored) + len(queries - set(self.rows.ids))

    @cached_property
    def n_truncated(self) -> int:
        """Samples whose prompt was too long and lost a part."""
        return sum(bool(s.truncated_tokens) for s in self.samples)

    @cached_property
    def sums(self) -> FloatArray:
        """(groups, d) statistics per item group, groups in order."""
        return cluster_sums(self.rows.statistics, self.rows.groups)[0]

    @cached_property
    def groups(self) -> list[str]:
        """Item groups in order."""
        return sorted(set(self.rows.groups))

    @cached_property
    def value(self) -> float:
        """The metric's value; nan without units."""
        if not self.rows.ids:
            return float("nan")
        return float(self.metric.value(self.rows.statistics.sum(axis=0)))

    @cached_property
    def chance(self) -> float | None:
        """See `chance_level`."""
        return chance_level(self.metric, self.scored)

    @cached_property
    def signature(self) -> str:
        """How the value was made; see `Metric.signature`."""
        return self.metric.signature(self.scored) if self.scored else ""

    def interval(self, resampling: Resampling) -> Interval:
        """The value with its item-clustered 95 % limits; never of zero width."""
        if not self.rows.ids:
            return Interval(float("nan"), float("nan"), float("nan"))
        if self.metric.is_mean:
            return clustered_interval(self.rows.statistics[:, 0], self.rows.groups)
        _, samples = median_over_templates([self.sums], [resampling.weights(self.groups)], self.metric.value)
        return self.never_certain(percentile_interval(self.value, samples))

    def never_certain(self, found: Interval) -> Interval:
        """The interval, widened to Wilson's with one trial per item group where all resamples agree."""
        if not np.isfinite(found.value) or found.high - found.low > 1e-9 * self.metric.top:
            return found
        share = min(max(found.value / self.metric.top, 0.0), 1.0)  # an error rate may exceed its top
        low, high = wilson_interval(share, len(self.groups))[1:]
        return found.widened(Interval(found.value, low * self.metric.top, high * self.metric.top))


def template_cells(samples: Iterable[Sample]) -> list[TemplateCell]:
    """The samples by model, cell, template and metric, in canonical order: theirs does not matter."""
    found: dict[tuple[str, Place, str, str], list[Sample]] = defaultdict(list)
    for s in samples:
        where = Place(s.task, s.cluster, s.language, s.config, s.prompt_language, s.metric)
        found[s.model, where, s.template, s.template_id].append(s)
    cells = []
    for (model, where, template, template_id), rows in sorted(found.items()):
        ordered = tuple(sorted(rows, key=lambda s: (s.item_group, s.id)))
        cells += [
            TemplateCell(model, where._replace(metric=metric.name), template, template_id, metric, ordered)
            for metric in METRICS[where.metric]
        ]
    return cells


@dataclass(frozen=True)
class SummaryCell:
    """One model's templates in one cell, under one metric."""

    model: str
    place: Place
    cells: tuple[TemplateCell, ...]
    replicates: FloatArray
    interval: Interval

    @property
    def metric(self) -> Metric:
        """The metric of all of them."""
        return self.cells[0].metric

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
        return max((majority_share(c.scored) for c in self.cells if c.scored), default=None)


def summarise(cells: Sequence[TemplateCell], resampling: Resampling) -> list[SummaryCell]:
    """The median template of every cell."""
    found: dict[tuple[str, Place], list[TemplateCell]] = defaultdict(list)
    for cell in cells:
        found[cell.model, cell.place].append(cell)
    return [_summary(model, place, rows, resampling) for (model, place), rows in sorted(found.items())]


def _summary(model: str, place: Place, cells: Sequence[TemplateCell], resampling: Resampling) -> SummaryCell:
    """The median's limits: percentiles of the resampled median, and at least those of the median template.

    Percentiles are too narrow near 0 and 1 and for few items, where the median template's own interval is
    not.
    """
    scored = [cell for cell in cells if cell.rows.ids]
    weights = [resampling.weights(cell.groups) for cell in scored]
    if not scored:
        nothing = Interval(float("nan"), float("nan"), float("nan"))
        return SummaryCell(model, place, tuple(cells), np.full(N_RESAMPLES, np.nan), nothing)
    value, samples = median_over_templates([c.sums for c in scored], weights, scored[0].metric.value)
    middle = min(scored, key=lambda c: (abs(c.value - value), c.template_id))
    found = middle.never_certain(percentile_interval(value, samples))
    if middle.metric.is_mean:
        found = found.widened(clustered_interval(middle.rows.statistics[:, 0], middle.rows.groups, at=value))
    return SummaryCell(model, place, tuple(cells), samples, found)
