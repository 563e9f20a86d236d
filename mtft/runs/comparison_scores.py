"""From the scored examples of many runs to gains, ranks and intervals: plain data, as `compare.json` holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mtft.evaluation import EvaluationResults
from mtft.evaluation.aggregate import Place, Resampling, template_cells
from mtft.evaluation.averages import primary_metric
from mtft.evaluation.sample_columns import SampleRows
from mtft.evaluation.summaries import SummaryCell, summarise
from mtft.statistics import (
    FloatArray,
    SeededDifference,
    holm,
    mean_rank,
    mean_relative_gain,
    replicate_error,
    seeded_difference,
)

SINGLE = "single-task"
LEVEL = 0.05
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
        n_items: Item groups in all.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    places: tuple[Place, ...]
    less_is_better: npt.NDArray[np.bool_]
    values: FloatArray
    replicates: FloatArray
    n_items: int

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
    groups = samples.distinct("item_group")
    summaries = [
        summary
        for summary in summarise(template_cells(samples), Resampling(groups))
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
        len(groups),
    )


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


def compared(
    scores: Scores, method: str, baseline: str, chosen: Callable[[Place], bool] = lambda place: True
) -> SeededDifference:
    """A method's mean relative gain over a baseline, in the cells that are chosen.

    Cells of one task count together as much as those of another: their scores are averaged first.
    """
    at = np.array([n for n, place in enumerate(scores.places) if chosen(place)], dtype=np.int64)
    tasks = [(scores.places[n].task, scores.places[n].metric) for n in at]
    (ours, our_table), (theirs, their_table) = scores.of(method), scores.of(baseline)
    names = sorted(set(tasks))
    less = np.array([scores.less_is_better[at[tasks.index(name)]] for name in names])

    def gain(a: FloatArray, b: FloatArray) -> FloatArray:
        columns = [[at[n] for n, task in enumerate(tasks) if task == name] for name in names]
        both = [np.stack([side[:, of].mean(axis=1) for of in columns], axis=-1) for side in (a, b)]
        return mean_relative_gain(both[0], both[1], less)

    by_seed = gain(ours, theirs)
    over_items = gain(our_table, their_table).mean(axis=0)
    known = by_seed[np.isfinite(by_seed)]
    error = replicate_error(float(known.mean()) if len(known) else np.nan, over_items, scores.n_items)
    return seeded_difference(by_seed, error, scores.n_items)


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
    ranks = dict(
        zip(scores.methods, mean_rank(_over_seeds(scores), scores.less_is_better).tolist(), strict=True)
    )
    over_single = {m: compared(scores, m, SINGLE) for m in rivals} if singles else {}
    over_reference = {m: compared(scores, m, reference) for m in rivals if m != reference}
    methods = [
        {
            "method": method,
            "mean_rank": ranks[method],
            "step_seconds": step_seconds.get(method),
            "step_ratio": _ratio(step_seconds, method, reference),
            "over_single": _row(over_single.get(method)),
            "over_reference": _row(over_reference.get(method)),
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
        of = [n for n, place in enumerate(scores.places) if getattr(place, by) == name]
        for method in methods:
            if method == baseline:
                continue
            found = compared(scores, method, baseline, _where(by, name))
            if np.isfinite(found.difference):
                means = {
                    who: float(scores.of(side)[0][:, of].mean())
                    for who, side in (("score", method), ("baseline_score", baseline))
                }
                rows.append({by: name, "method": method, **means, **(_row(found) or {})})
    _correct(rows)
    return rows


def _where(by: str, name: str) -> Callable[[Place], bool]:
    return lambda place: bool(getattr(place, by) == name)


def _over_seeds(scores: Scores) -> FloatArray:
    """(M, K) means over seeds."""
    return np.asarray(scores.values.mean(axis=1), dtype=np.float64)


def _ratio(seconds: Mapping[str, float], method: str, reference: str) -> float | None:
    return seconds[method] / seconds[reference] if seconds.get(method) and seconds.get(reference) else None


def _row(found: SeededDifference | None) -> dict[str, Any] | None:
    if found is None or not np.isfinite(found.difference):
        return None
    return {
        "gain": found.difference,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "item_error": found.item_error,
        "seed_error": found.seed_error,
        "n_seeds": found.n_seeds,
    }


def _correct(rows: Sequence[dict[str, Any]]) -> None:
    """Holm's p-values, and whether a difference is real: below 5 % and known from more than one seed."""
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]).tolist(), strict=True):
        row["p_holm"] = p_value
        row["real"] = bool(p_value < LEVEL and row["n_seeds"] > 1)
