"""Tables of what else an evaluation finds: published scores, overlap, transfer, lengths, score functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtft.reporting.forest import behind
from mtft.reporting.records import Contamination, Keyed, Published, ScoreFunction
from mtft.reporting.results import Results
from mtft.reporting.tables import (
    PLACE,
    Cell,
    Table,
    key_order,
    language_cell,
    place_cells,
    plain_table,
    score_cell,
    trimmed,
)
from mtft.reporting.wording import NOTHING, Scales, metric_name, whole, words

FUNCTIONS = {
    "sum": "sum",
    "token": "per token",
    "character": "per character",
    "byte": "per byte",
    "pmi": "against the prior",
}


def _ordered(results: Results, rows: Sequence[Any]) -> list[Any]:
    return sorted(
        rows, key=lambda row: (key_order(results, row.key), row.model if hasattr(row, "model") else "")
    )


def _beside(results: Results, row: Keyed) -> float | None:
    """The finetuned model's median in a row's cell, whatever parts of the key the row leaves open."""
    for key in results.keys_of(row.task, row.language):
        near = row.config in ("", key.config) and row.prompt_language in ("", key.prompt_language)
        if near and key.metric == row.metric:
            found = results.at(results.focus, key)
            return found.median if found is not None else None
    return None


def published(results: Results, scales: Scales) -> Table:
    """Published scores beside ours where they are comparable, and the reason where they are not."""
    ordered = _ordered(results, results.published)
    rows = [_published_row(results, scales, row) for row in ordered if row.comparable]
    apart: dict[tuple[Any, ...], list[Published]] = {}
    for row in ordered:
        if not row.comparable:
            apart.setdefault((row.key, row.template_statistic, row.reason, row.citation), []).append(row)
    rows += [_apart_row(results, scales, of_cell) for of_cell in apart.values()]
    columns = (*PLACE, "metric", "published model", "over templates", "published", results.focus or "ours")
    note = (
        "Ours stands beside a published score only where dataset, config, split, items, metric and prompts match. Of "
        "the others a line has all models: the lowest and the highest score."
    )
    made = plain_table(
        "published", "Published scores", (*columns, "items", "comparable", "source"), rows, note
    )
    return trimmed(made, "prompts in", "over templates", "items", "source")


def _published_row(results: Results, scales: Scales, row: Published) -> tuple[Cell, ...]:
    ours = _beside(results, row) if row.comparable else None
    why = Cell("yes", tone="good") if row.comparable else Cell(f"no: {row.reason}" if row.reason else "no")
    return (
        *place_cells(results, row.key),
        Cell(metric_name(row.metric)),
        Cell(row.model),
        Cell(row.template_statistic),
        score_cell(scales, row.metric, row.value),
        score_cell(scales, row.metric, ours),
        Cell(whole(row.n_items), row.n_items),
        why,
        Cell(row.citation),
    )


def _apart_row(results: Results, scales: Scales, rows: Sequence[Published]) -> tuple[Cell, ...]:
    """The published scores of one cell that cannot be compared, of all models together."""
    first, values = rows[0], [row.value for row in rows if row.value is not None]
    if len(rows) == 1 or not values:
        return _published_row(results, scales, first)
    made = list(_published_row(results, scales, first))
    at = len(place_cells(results, first.key)) + 1
    made[at] = Cell(f"{len(rows)} models")
    made[at + 2] = Cell(
        f"{scales.show(first.metric, min(values))} to {scales.show(first.metric, max(values))}", max(values)
    )
    return tuple(made)


def contamination(results: Results, scales: Scales) -> Table:
    """Evaluated items that overlap with the training text, and each model's score without them."""
    given = [each for row in results.contamination for each in row.models]
    names = [m.name for m in results.models if any(each.get("model") == m.name for each in given)]
    rows = [
        _overlap_row(results, scales, row, names, prompts)
        for row in _ordered(results, results.contamination)
        for prompts in sorted({str(each.get("prompt_language") or "") for each in row.models}) or [""]
    ]
    columns = [*PLACE, "items", "n-grams", "whole item", "item group", "any"]
    for name in names:
        columns += [f"{name}: all items", f"{name}: without overlap"]
    note = (
        "Items that share n-grams with the training text, stand in it word for word, or belong to an item group that "
        "was trained on. An item may be counted under several."
    )
    made = plain_table("contamination", "Overlap with the training text", columns, rows, note)
    return trimmed(made, "prompts in")


def _overlap_row(
    results: Results, scales: Scales, row: Contamination, names: Sequence[str], prompts: str
) -> tuple[Cell, ...]:
    of_model = {
        each.get("model"): each for each in row.models if (each.get("prompt_language") or "") == prompts
    }
    scores: list[Cell] = []
    for name in names:
        found = of_model.get(name, {})
        metric = str(found.get("metric") or "accuracy")
        scores += [score_cell(scales, metric, _number(found.get(k))) for k in ("score_all", "score_clean")]
    counts = [(row.n_items, ""), *((n, "bad" if n else "") for n in _overlaps(row))]
    return (
        Cell(row.task),
        language_cell(results, row.language),
        Cell(prompts),
        *(Cell(whole(count), count, tone) for count, tone in counts),
        *scores,
    )


def _overlaps(row: Contamination) -> tuple[float | None, ...]:
    return row.n_ngram, row.n_exact, row.n_item_group, row.n_any


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def transfer(results: Results, scales: Scales) -> Table:
    """Every language beside English, with the gap and its interval."""
    rows = []
    for row in _ordered(results, results.transfer):
        value, low, high = behind(row)
        interval = f" ({scales.signed(row.metric, low)} to {scales.signed(row.metric, high)})"
        gap = scales.signed(row.metric, value) + (interval if low is not None and high is not None else "")
        rows.append(
            (
                Cell(row.model),
                *place_cells(results, row.key),
                Cell(metric_name(row.metric)),
                score_cell(scales, row.metric, row.english),
                score_cell(scales, row.metric, row.value),
                Cell(gap, value),
                Cell(NOTHING if row.ratio is None else f"{row.ratio:.2f}", row.ratio),
            )
        )
    columns = ("model", *PLACE, "metric", "English", "this language", "difference", "ratio")
    note = "Difference: this language minus English on the same task, in points, with its 95 % interval."
    return trimmed(
        plain_table("transfer", "Crosslingual transfer", columns, rows, note), "prompts in", "ratio"
    )


def lengths(results: Results) -> Table:
    """How long the generated answers are against the references."""
    rows = [
        (
            Cell(row.model),
            *place_cells(results, row.key),
            *(Cell(NOTHING if v is None else f"{v:.1f}", v) for v in (row.mean_prediction, row.mean_target)),
            Cell(NOTHING if row.ratio is None else f"{row.ratio:.2f}", row.ratio, _length_tone(row.ratio)),
            Cell(whole(row.n_empty), row.n_empty, "bad" if row.n_empty else ""),
            Cell(whole(row.n), row.n),
        )
        for row in _ordered(results, results.lengths)
    ]
    columns = ("model", *PLACE, "mean length", "references'", "ratio", "empty", "answers")
    note = "Finetuning on short targets shortens all answers: a ratio below 1 says by how much."
    return trimmed(plain_table("lengths", "Length of generated answers", columns, rows, note), "prompts in")


def _length_tone(ratio: float | None) -> str:
    return "bad" if ratio is not None and not 0.5 <= ratio <= 2 else ""


def score_functions(results: Results, scales: Scales) -> Table:
    """Accuracy under every function that choices can be ranked by, the best one marked."""
    found: dict[tuple[Any, ...], dict[str, ScoreFunction]] = {}
    for row in _ordered(results, results.score_functions):
        found.setdefault((row.model, row.key), {})[row.function] = row
    names = _functions(results.score_functions)
    rows = [
        (Cell(model), *place_cells(results, key), *_function_cells(scales, of_name, names))
        for (model, key), of_name in found.items()
    ]
    columns = ("model", *PLACE, *(FUNCTIONS.get(name, words(name)) for name in names))
    note = (
        "Choices ranked by their log-likelihood as it is, divided by length, or less that without the prompt."
    )
    return trimmed(plain_table("score-functions", "Score functions", columns, rows, note), "prompts in")


def _functions(rows: Sequence[ScoreFunction]) -> list[str]:
    known = list(FUNCTIONS)
    return sorted({row.function for row in rows}, key=lambda n: (known.index(n) if n in known else 99, n))


def _function_cells(scales: Scales, of_name: Mapping[str, ScoreFunction], names: Sequence[str]) -> list[Cell]:
    values = {name: row.value for name, row in of_name.items() if row.value is not None}
    best = max(values.values(), default=None)
    metric = next(iter(of_name.values())).metric or "accuracy"
    return [
        Cell(scales.show(metric, values.get(n)), values.get(n), "good" if values.get(n) == best else "")
        for n in names
    ]
