"""What is lost between English and every other language, task by task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtft.evaluation.aggregate import Resampling
from mtft.evaluation.summaries import SummaryCell
from mtft.statistics import (
    FloatArray,
    difference_interval,
    median_over_templates,
    ratio_above_chance,
    transfer_gap,
)

SOURCE = "en"
PARALLEL = 0.5  # from this share of the smaller side's items, two languages count as parallel
TASK_RULE = "XTREME's transfer gap: English less the mean of the other languages, medians over templates"


class _Key(NamedTuple):
    model: str
    task: str
    metric: str
    prompt_language: str


def transfer_rows(summaries: Sequence[SummaryCell], resampling: Resampling) -> list[dict[str, Any]]:
    """Rows of `transfer` in results: the median template's score in English less that in each other language.

    Where the languages are parallel, both scores are of the items that both have, resampled together: an
    easy item is easy in both. `english` and `value` are these scores, and the interval is narrower than that
    of two independent ones. Prompts are of the same language where English has them, else English ones.
    Of errors the gap is turned round, so that it is positive where transfer loses, and there is no ratio.
    Tasks with several English cells, such as translation from many languages, have no gap.
    """
    sources = _sources(summaries)
    return [
        _row(source, summary, resampling)
        for summary in summaries
        if (source := _source(sources, summary)) is not None
    ]


def transfer_tasks(summaries: Sequence[SummaryCell]) -> list[dict[str, Any]]:
    """Rows of `transfer_tasks` in results: per model, task, metric and kind of prompt, XTREME's transfer gap.

    Prompts are those of English, or `translated`: each in the language of its rows.
    """
    sources, found = _sources(summaries), defaultdict(list)
    for summary in summaries:
        if (source := _source(sources, summary)) is not None:
            same = summary.place.prompt_language == source.place.prompt_language
            prompts = source.place.prompt_language if same else "translated"
            found[source.model, source.place, prompts].append((source, summary))
    return [
        _task_row(prompts, cells[0][0], [cell for _, cell in cells])
        for (*_, prompts), cells in sorted(found.items(), key=lambda item: item[0])
    ]


def _sources(summaries: Sequence[SummaryCell]) -> dict[_Key, SummaryCell]:
    """The English cell of every model, task, metric and prompt language that has a single one."""
    found: dict[_Key, list[SummaryCell]] = defaultdict(list)
    for summary in summaries:
        if summary.place.language == SOURCE and np.isfinite(summary.interval.value):
            found[_key(summary)].append(summary)
    return {key: cells[0] for key, cells in found.items() if len(cells) == 1}


def _key(summary: SummaryCell) -> _Key:
    place = summary.place
    return _Key(summary.model, place.task, place.metric, place.prompt_language)


def _source(sources: dict[_Key, SummaryCell], summary: SummaryCell) -> SummaryCell | None:
    if summary.place.language == SOURCE or not np.isfinite(summary.interval.value):
        return None
    key = _key(summary)
    return sources.get(key) or sources.get(key._replace(prompt_language=SOURCE))


def _row(source: SummaryCell, summary: SummaryCell, resampling: Resampling) -> dict[str, Any]:
    shared = np.intersect1d(source.groups, summary.groups)
    n_groups = min(len(source.groups), len(summary.groups))
    parallel = len(shared) >= PARALLEL * n_groups
    one, two = (_median(cell, shared if parallel else cell.groups, resampling) for cell in (source, summary))
    n_groups = len(shared) if parallel else n_groups
    sign = _sign(source)
    found = difference_interval(
        sign * (one[0] - two[0]), sign * (one[1] - two[1]), n_groups, top=source.metric.top
    )
    place = summary.place
    return {
        "model": summary.model,
        "task": place.task,
        "cluster": place.cluster,
        "metric": place.metric,
        "language": place.language,
        "config": place.config,
        "prompt_language": place.prompt_language,
        "english": one[0],
        "value": two[0],
        "gap": found.value,
        "gap_low": found.low,
        "gap_high": found.high,
        "ratio": ratio_above_chance(two[0], one[0], summary.chance, source.chance) if sign > 0 else None,
        "parallel": parallel,
        "n_groups": n_groups,
    }


def _sign(source: SummaryCell) -> float:
    """What makes a gap positive where transfer loses: errors are lost by rising."""
    return -1.0 if source.metric.less_is_better else 1.0


def _median(cell: SummaryCell, groups: NDArray[Any], resampling: Resampling) -> tuple[float, FloatArray]:
    """The median template on some item groups, and its replicates."""
    if len(groups) == len(cell.groups):
        return cell.interval.value, cell.replicates
    sums = cell.sums[np.searchsorted(cell.groups, groups)]
    weights = resampling.weights(cell.cells[0].samples.names("item_group", groups))
    return median_over_templates(sums, weights, cell.metric.value)


def _task_row(prompts: str, source: SummaryCell, others: Sequence[SummaryCell]) -> dict[str, Any]:
    values = [np.asarray(cell.interval.value) for cell in others]
    sign = _sign(source)
    gap = sign * float(transfer_gap(np.asarray(source.interval.value), values))
    samples = sign * transfer_gap(source.replicates, [cell.replicates for cell in others])
    n_groups = min(len(cell.groups) for cell in (source, *others))
    found = difference_interval(gap, samples, n_groups, top=source.metric.top)
    return {
        "model": source.model,
        "task": source.place.task,
        "cluster": source.place.cluster,
        "metric": source.place.metric,
        "prompt_language": prompts,
        "english": source.interval.value,
        "others": float(np.mean(values)),
        "gap": found.value,
        "gap_low": found.low,
        "gap_high": found.high,
        "n_languages": len(others),
        "rule": TASK_RULE,
    }
