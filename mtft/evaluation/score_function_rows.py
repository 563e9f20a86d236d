"""The accuracy that every score function would give, and results ranked anew by another one, without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtft.errors import RunError
from mtft.evaluation.examples import EvalCell, Sample
from mtft.evaluation.judgement import Unscorable
from mtft.evaluation.sample_columns import SampleRows
from mtft.evaluation.score_functions import (
    PMI,
    SCORE_FUNCTIONS,
    SUM,
    ChoiceScores,
    FloatArray,
    check_score_function,
    score_values,
)
from mtft.evaluation.scorers import SCORERS, judge
from mtft.tasks.records import Example

if TYPE_CHECKING:
    from mtft.evaluation.results import EvaluationResults


_PLACE = ("model", "task", "config", "language", "prompt_language")


def score_function_rows(samples: Iterable[Sample], cells: Iterable[EvalCell]) -> list[dict[str, Any]]:
    """What results say of score functions: the accuracy of each per model, cell and prompt language.

    `value` is the median over templates of their accuracies, `n` the number of samples of all templates. A function
    that the samples do not allow is left out.

    Args:
        samples: Of all models; those of other scorers than accuracy are passed over.
        cells: Say which functions are asked for.
    """
    asked = {(cell.task, cell.config): cell for cell in cells}
    found = SampleRows.of(samples).scored()
    ranked = found.take(
        (found.codes("metric") == found.code("metric", "accuracy")) & (found.counts("loglikelihoods") > 0)
    )
    made = []
    for place, rows in ranked.parts(*_PLACE):
        named = dict(zip(_PLACE, place, strict=True))
        templates = [_accuracies(part) for _, part in rows.parts("template_id")]
        for function, value in _medians(templates, asked.get((named["task"], named["config"]))):
            made.append({**named, "function": function, "value": value, "n": len(rows)})
    return made


def _medians(templates: Sequence[Mapping[str, float]], cell: EvalCell | None) -> Iterable[tuple[str, float]]:
    wanted = {cell.score_function, *cell.score_functions} if cell is not None else {SUM}
    for function in SCORE_FUNCTIONS:
        if function in wanted and all(function in each for each in templates):
            yield function, float(np.median([each[function] for each in templates]))


def _accuracies(rows: SampleRows) -> dict[str, float]:
    """The accuracy under each function that all the samples allow; choices that tie share the point."""
    points: dict[str, float] = dict.fromkeys(SCORE_FUNCTIONS, 0.0)
    counts = rows.counts("choices")
    for count in np.unique(counts).tolist():
        group = rows.take(counts == count)
        scores = _choice_scores(group, count)
        places, _ = group.columns.choices.flat(group.rows)
        right = group.columns.choices.right[places].reshape(-1, count).astype(np.float64)
        for function in list(points):
            try:
                points[function] += _points(function, scores, right)
            except Unscorable:
                del points[function]
    return {function: total / len(rows) for function, total in points.items()}


def _choice_scores(rows: SampleRows, count: int) -> ChoiceScores:
    """The scores of samples that have `count` choices each, as arrays (n, count)."""
    texts = rows.flat("choices").cast(pa.string())
    return ChoiceScores(
        _table(rows.flat("loglikelihoods"), count),
        _table_if_all(rows, "choice_tokens", count),
        _table(pc.utf8_length(texts), count),
        _table(pc.binary_length(texts), count),
        _table_if_all(rows, "prior_loglikelihoods", count),
    )


def _table(values: pa.ChunkedArray, count: int) -> FloatArray:
    return np.asarray(values, dtype=np.float64).reshape(-1, count)


def _table_if_all(rows: SampleRows, name: str, count: int) -> FloatArray | None:
    return _table(rows.flat(name), count) if (rows.counts(name) == count).all() else None


def _points(function: str, scores: ChoiceScores, right: FloatArray) -> float:
    values = SCORE_FUNCTIONS[function](scores)
    best = values == values.max(axis=1, keepdims=True)
    return float(((best * right).sum(axis=1) / best.sum(axis=1)).sum())


def rescored(results: EvaluationResults, function: str) -> EvaluationResults:
    """The results with every ranked sample judged by another score function; no model is needed.

    Generated answers stay as they are, and so do samples that were unscored.

    Raises:
        SuiteError: The score function is unknown.
        RunError: The samples lack what it needs.
    """
    check_score_function(function)
    return replace(
        results,
        samples=tuple(_rejudged(sample, function) for sample in results.samples),
        cells=tuple(replace(cell, score_function=function) for cell in results.cells),
        suite={
            **results.suite,
            "score_function": function,
            "fingerprint": ranked_fingerprint(str(results.suite.get("fingerprint", "")), [function]),
        },
    )


def ranked_fingerprint(fingerprint: str, functions: Iterable[str]) -> str:
    """The suite's fingerprint with what ranks its cells' choices, unless that is the sum everywhere.

    Results whose choices were ranked differently are not put together.

    Example: `ranked_fingerprint("ab", ["byte", "byte"])` is `"ab+byte"`.
    """
    base, names = fingerprint.partition("+")[0], list(functions)
    if set(names) <= {SUM}:
        return base
    if len(set(names)) == 1:
        return f"{base}+{names[0]}"
    return f"{base}+{hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]}"


def _rejudged(sample: Sample, function: str) -> Sample:
    scorer = SCORERS[sample.metric]
    if scorer.needs != "choices" or sample.unscored_reason or not sample.loglikelihoods:
        return sample
    try:
        values = score_values(
            function,
            sample.choices,
            sample.loglikelihoods,
            sample.choice_tokens,
            sample.prior_loglikelihoods,
        )
    except Unscorable as reason:
        raise RunError(
            f"Samples must have what the score function `{function}` needs.",
            found=f"{reason} ({sample.task}, {sample.id})",
            remedy=f"Evaluate again{', with `score_functions: [pmi]` in the suite' * (function == PMI)}.",
        ) from None
    prediction, scores = judge(_example_of(sample), scorer, values, None)
    return replace(sample, prediction=prediction, scores=scores, signature=ranked_by(function))


def ranked_by(function: str) -> str:
    """A sample's signature: nothing where choices are ranked by their sum, as is usual."""
    return "" if function == SUM else f"score:{function}"


def _example_of(sample: Sample) -> Example:
    """What a scorer of choices looks at."""
    known: Mapping[str, Any] = {
        name: getattr(sample, name)
        for name in ("dataset", "config", "item_group", "template_id", "language", "prompt_language", "task")
    }
    split, _, row_id = sample.id.partition("/")
    return Example(
        inputs=sample.inputs,
        targets=sample.targets,
        answer_choices=sample.choices,
        split=split,
        row_id=row_id,
        source_revision="",
        **known,
    )
