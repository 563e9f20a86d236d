"""From samples to the figures of a report: cells, medians over templates, averages, comparisons.

All intervals come from one resampling of item groups: an item's languages, templates and models are drawn
together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics import METRICS, Metric, Rows, chance_level
from mtft.evaluation.sample_columns import IntArray, SampleRows
from mtft.statistics import (
    FloatArray,
    Interval,
    cluster_sums,
    clustered_interval,
    clustered_standard_error,
    detectable_score,
    median_over_templates,
    percentile_interval,
    replicate_error,
    resampling_weights,
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
NOTHING = Interval(float("nan"), float("nan"), float("nan"))


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

    def _error(self, resampling: Resampling) -> float:
        if self.metric.is_mean:
            return self.error
        weights = resampling.weights(self.groups)
        _, samples = median_over_templates(self.sums[:, None], weights, self.metric.value)
        return replicate_error(self.value, samples, len(self.group_codes))

    def detectable(self, resampling: Resampling) -> float | None:
        """The smallest score that this cell could tell apart from chance; None where it has no chance level."""
        if self.chance is None or not len(self.rows.ids):
            return None
        return detectable_score(self.chance, self.value, self._error(resampling), len(self.group_codes))

    @cached_property
    def signature(self) -> str:
        """How the value was made; see `Metric.signature`."""
        return self.metric.signature(self.scored) if len(self.scored) else ""

    def interval(self, resampling: Resampling) -> Interval:
        """The value with its item-clustered 95 % limits; never of zero width."""
        if not len(self.rows.ids):
            return NOTHING
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
