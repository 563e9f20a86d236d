"""From the scored examples of many runs to gains, ranks and intervals: plain data, as `compare.json` holds it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mtft.evaluation import EvaluationResults
from mtft.evaluation.aggregate import Place, Resampling, template_cells
from mtft.evaluation.averages import primary_metric
from mtft.evaluation.sample_columns import SampleRows
from mtft.evaluation.summaries import SummaryCell, summarise
from mtft.runs.methods import SINGLE
from mtft.statistics import (
    FloatArray,
    SeededDifference,
    gainful,
    holm,
    mean_rank,
    mean_relative_gain,
    replicate_error,
    seeded_difference,
)

LEVEL = 0.05
LEAST_KNOWN = 0.5  # of the resamples
_BETWEEN = "\x1f"
Runs = Mapping[tuple[str, int], Sequence[EvaluationResults]]


@dataclass(frozen=True)
class Scores:
    """What every method scores in every cell, and in every resample of the items.

    Attributes:
        methods: Their names; `SINGLE` among them where single-task models were trained.
        seeds: Of the runs.
        places: (K) the cells, by their primary metric.
        less_is_better: (K,) whether it is a rate of errors.
        values: (M, S, K) medians over templates; nan where a method has no score.
        replicates: (M, S, K, B) the same in each resample of item groups, one draw for all.
        items: (K) the item groups of each cell, as numbers.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    places: tuple[Place, ...]
    less_is_better: npt.NDArray[np.bool_]
    values: FloatArray
    replicates: FloatArray
    items: tuple[frozenset[int], ...]

    @property
    def n_items(self) -> int:
        """Item groups in all."""
        return len(frozenset[int]().union(*self.items))

    def of(self, method: str) -> tuple[FloatArray, FloatArray]:
        """(S, K) values and (S, K, B) replicates of a method."""
        at = self.methods.index(method)
        return self.values[at], self.replicates[at]

    @property
    def tasks(self) -> list[str]:
        """The cells' tasks, each once."""
        return sorted({place.task for place in self.places})

    @property
    def languages(self) -> list[str]:
        """The cells' languages, each once."""
        return sorted({place.language for place in self.places})


def scores_of(runs: Runs, methods: Sequence[str], seeds: Sequence[int]) -> Scores:
    """The scores of all runs on one draw of their items.

    Args:
        runs: (method, seed) to its results; the single-task models' are several, on different tasks.
        methods: In the order of the report.
        seeds: Likewise.
    """
    parts = [
        _named(results, f"{method}{_BETWEEN}{seed}")
        for (method, seed), all_results in runs.items()
        for results in all_results
    ]
    cell_of = {(c.task, c.config): c for each in runs.values() for results in each for c in results.cells}
    samples = SampleRows.joined(parts)
    resampling = Resampling(samples.distinct("item_group"))
    summaries = [
        summary
        for summary in summarise(template_cells(samples), resampling)
        if summary.place.metric == primary_metric(cell_of[summary.place.task, summary.place.config])
    ]
    places = sorted({summary.place for summary in summaries})
    values, table = _tables(summaries, places, methods, seeds)
    less = {summary.place: summary.metric.less_is_better for summary in summaries}
    return Scores(
        tuple(methods),
        tuple(seeds),
        tuple(places),
        np.array([less[place] for place in places], dtype=bool),
        values,
        table,
        tuple(_items(summaries, place) for place in places),
    )


def _items(summaries: Sequence[SummaryCell], place: Place) -> frozenset[int]:
    """The item groups that any model answered in a cell."""
    return frozenset[int]().union(*(s.groups.tolist() for s in summaries if s.place == place))


def _named(results: EvaluationResults, name: str) -> SampleRows:
    return SampleRows.of([replace(sample, model=name) for sample in results.samples])


def _tables(
    summaries: Sequence[SummaryCell], places: Sequence[Place], methods: Sequence[str], seeds: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    resamples = len(summaries[0].replicates)
    shape = len(methods), len(seeds), len(places)
    values, table = np.full(shape, np.nan), np.full((*shape, resamples), np.nan)
    for summary in summaries:
        method, seed = summary.model.split(_BETWEEN)
        at = methods.index(method), seeds.index(int(seed)), places.index(summary.place)
        values[at], table[at] = summary.interval.value, summary.replicates
    return values, table


class Compared(NamedTuple):
    """A method beside a baseline.

    Attributes:
        gain: The mean over tasks of the relative gain, over seeds.
        left_out: Tasks without a gain, because in some seed a score is missing or the baseline's is 0.
        n_items: Item groups of the cells that count.
        score: The method's, the mean over the tasks that count, over seeds; nan where none does.
        baseline_score: The baseline's, of the same tasks.
    """

    gain: SeededDifference
    left_out: tuple[str, ...]
    n_items: int
    score: float = np.nan
    baseline_score: float = np.nan


def compared(
    scores: Scores, method: str, baseline: str, chosen: Callable[[Place], bool] = lambda place: True
) -> Compared:
    """A method's mean relative gain over a baseline, in the cells that are chosen.

    Cells of one task count together as much as those of another: their scores are averaged first. Which tasks count
    is decided once, by the scores of all seeds; resamples in which one of them has no gain are left out, and where
    these are the most, the error is not known.
    """
    cells: dict[tuple[str, str], list[int]] = defaultdict(list)
    for n, place in enumerate(scores.places):
        if chosen(place):
            cells[place.task, place.metric].append(n)
    (ours, our_table), (theirs, their_table) = scores.of(method), scores.of(baseline)
    names = sorted(cells)
    columns = [cells[name] for name in names]
    kept = gainful(_by_task(ours, columns), _by_task(theirs, columns)) if columns else np.empty(0, dtype=bool)
    left_out = tuple(sorted({name[0] for name, known in zip(names, kept, strict=True) if not known}))
    columns = [of for of, known in zip(columns, kept, strict=True) if known]
    if not columns:
        return Compared(seeded_difference([], np.nan, 0), left_out, 0)
    less = np.array([scores.less_is_better[of[0]] for of in columns])
    n_items = len(frozenset[int]().union(*(scores.items[n] for of in columns for n in of)))
    means = _by_task(ours, columns), _by_task(theirs, columns)
    by_seed = mean_relative_gain(*means, less)
    over_items = mean_relative_gain(_by_task(our_table, columns), _by_task(their_table, columns), less)
    resampled = over_items.mean(axis=0)
    known = np.isfinite(resampled).mean() >= LEAST_KNOWN
    error = replicate_error(float(by_seed.mean()), resampled, n_items) if known else np.nan
    score, baseline_score = (float(side.mean()) for side in means)
    return Compared(seeded_difference(by_seed, error, n_items), left_out, n_items, score, baseline_score)


def _by_task(values: FloatArray, columns: Sequence[Sequence[int]]) -> FloatArray:
    """(S, T), or (S, B, T): the means over each task's cells of (S, K) values or (S, K, B) replicates."""
    return np.stack([values[:, list(of)].mean(axis=1) for of in columns], axis=-1)


def comparison_rows(scores: Scores, reference: str, step_seconds: Mapping[str, float]) -> dict[str, Any]:
    """The tables of the report: methods, tasks, languages.

    p-values are corrected by Holm: over the methods for the means, over methods and tasks, or languages, for the
    parts.

    Args:
        scores: Of all methods.
        reference: The method that others are told apart from, and whose step time is 1.
        step_seconds: Method to the median time of a step.
    """
    rivals = [method for method in scores.methods if method != SINGLE]
    singles = SINGLE in scores.methods
    ranks = _ranks(scores)
    over_single = {m: compared(scores, m, SINGLE) for m in rivals} if singles else {}
    over_reference = {m: compared(scores, m, reference) for m in rivals if m != reference}
    methods: list[dict[str, Any]] = [
        {
            "method": method,
            "mean_rank": ranks.get(method),
            "step_seconds": step_seconds.get(method),
            "step_ratio": _ratio(step_seconds, method, reference),
            "over_single": _row(over_single.get(method)),
            "over_reference": _row(over_reference.get(method)),
            "left_out": {
                key: list(of[method].left_out)
                for key, of in (("over_single", over_single), ("over_reference", over_reference))
                if method in of
            },
        }
        for method in rivals
    ]
    for key in ("over_single", "over_reference"):
        _correct([row[key] for row in methods if row[key]])
    baseline = SINGLE if singles else reference
    parts = {
        "tasks": _parts(scores, rivals, baseline, "task", scores.tasks),
        "languages": _parts(scores, rivals, baseline, "language", scores.languages),
    }
    return {"methods": methods, "single_rank": ranks.get(SINGLE), "baseline": baseline, **parts}


def _parts(
    scores: Scores, methods: Sequence[str], baseline: str, by: str, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Every method's gain in each task, or language, over the baseline."""
    rows = []
    for name in names:
        for method in methods:
            if method == baseline:
                continue
            found = compared(scores, method, baseline, _where(by, name))
            if (row := _row(found)) is not None:
                means = {"score": found.score, "baseline_score": found.baseline_score}
                rows.append({by: name, "method": method, **means, **row, "left_out": list(found.left_out)})
    _correct(rows)
    return rows


def _where(by: str, name: str) -> Callable[[Place], bool]:
    return lambda place: bool(getattr(place, by) == name)


def _ranks(scores: Scores) -> dict[str, float]:
    """The mean rank of every method that has a score in every cell under every seed, among these."""
    over_seeds = scores.values.mean(axis=1)
    whole = np.isfinite(over_seeds).all(axis=1)
    ranked = mean_rank(over_seeds[whole], scores.less_is_better) if whole.any() else np.empty(0)
    return dict(zip(np.array(scores.methods)[whole].tolist(), ranked.tolist(), strict=True))


def _ratio(seconds: Mapping[str, float], method: str, reference: str) -> float | None:
    return seconds[method] / seconds[reference] if seconds.get(method) and seconds.get(reference) else None


def _row(found: Compared | None) -> dict[str, Any] | None:
    if found is None or not np.isfinite(found.gain.difference):
        return None
    gain = found.gain
    return {
        "gain": gain.difference,
        "low": gain.low,
        "high": gain.high,
        "p_value": gain.p_value,
        "item_error": gain.item_error,
        "seed_error": gain.seed_error,
        "n_seeds": gain.n_seeds,
        "items": found.n_items,
    }


def _correct(rows: Sequence[dict[str, Any]]) -> None:
    """Holm's p-values, and whether a difference is real: below 5 % and known from more than one seed."""
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]).tolist(), strict=True):
        row["p_holm"] = p_value
        row["real"] = bool(p_value < LEVEL and row["n_seeds"] > 1)
