"""Every score as a table, how scores were made, and what could not be scored."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.reporting.records import CellKey
from mtft.reporting.results import Results
from mtft.reporting.tables import (
    Cell,
    Table,
    key_order,
    language_cell,
    plain_table,
    score_cell,
    seen_label,
    trimmed,
    without,
)
from mtft.reporting.wording import NOTHING, Scales, metric_name, whole

SCORE_COLUMNS = (
    *("task", "language", "config", "prompts in", "held out", "metric"),
    *("95 % interval", "gain over base", "worst–best template", "chance", "majority"),
    *("templates", "prompts agree", "scored", "groups", "unscored", "shortened"),
)
AGREE = " “Prompts agree” is the share of pairs of templates that get the same answer on an item."


def scores(results: Results, scales: Scales, *, primary: bool = True) -> Table:
    """Every cell: each model's median template and range, interval of the finetuned model, counts."""
    shown = [s for s in results.summary if s.primary is primary]
    keys = sorted({s.key for s in shown}, key=lambda k: key_order(results, k))
    names = [m.name for m in results.models]
    rows = [_score_row(results, scales, key, names) for key in keys]
    columns = (*SCORE_COLUMNS[:6], *names, *SCORE_COLUMNS[6:])
    title = "All scores" if primary else "Secondary metrics"
    note = (
        f"Interval, range and counts are those of “{results.focus}”; scores those of the median template. "
        "The gain is the paired difference on the same items, averaged over templates, with its interval."
        + (AGREE if any(s.consistency is not None for s in shown) else "")
    )
    made = plain_table("scores" if primary else "secondary", title, columns, rows, note)
    made = trimmed(made, "chance", "majority", "prompts agree", "shortened")
    if all(key.config in ("", key.language) for key in keys):
        made = without(made, "config")
    return made if results.base else without(made, "gain over base")


def _score_row(results: Results, scales: Scales, key: CellKey, names: Sequence[str]) -> tuple[Cell, ...]:
    found = {name: results.at(name, key) for name in names}
    shown = found.get(results.focus or "") or next(row for row in found.values() if row is not None)
    metric = key.metric
    return (
        Cell(key.task),
        language_cell(results, key.language),
        Cell(key.config),
        Cell(key.prompt_language),
        Cell(seen_label(shown.seen)),
        Cell(metric_name(metric)),
        *(score_cell(scales, metric, row.median if row else None) for row in found.values()),
        Cell(scales.interval(metric, shown.low, shown.high) or NOTHING, shown.low),
        _paired(results, scales, key),
        Cell(scales.interval(metric, shown.min, shown.max) or NOTHING, shown.min),
        score_cell(scales, metric, shown.chance),
        score_cell(scales, metric, shown.majority),
        Cell(whole(shown.n_templates), shown.n_templates),
        Cell(NOTHING if shown.consistency is None else f"{shown.consistency:.0%}", shown.consistency),
        *(Cell(whole(count), count) for count in (shown.n, shown.n_groups, shown.n_unscored)),
        Cell(whole(shown.n_truncated) if shown.n_truncated else NOTHING, shown.n_truncated),
    )


def _paired(results: Results, scales: Scales, key: CellKey) -> Cell:
    """The paired difference from the base model with its interval."""
    found = results.comparison(key)
    if found is None or found.difference is None:
        return Cell(NOTHING)
    low, high = scales.signed(key.metric, found.low), scales.signed(key.metric, found.high)
    interval = f" ({low} to {high})" if found.low is not None and found.high is not None else ""
    return Cell(scales.signed(key.metric, found.difference) + interval, found.difference)


def signatures(results: Results) -> Table:
    """How scores were made: references, casing, tokenisation and versions, per metric and task."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in sorted(results.summary, key=lambda s: key_order(results, s.key)):
        if row.signature:
            found.setdefault((row.metric, row.signature), {})[row.task] = None
    rows = [
        (Cell(metric_name(metric)), Cell(", ".join(tasks)), Cell(signature))
        for (metric, signature), tasks in found.items()
    ]
    return plain_table("signatures", "How scores were made", ("metric", "tasks", "signature"), rows)


def unscored(results: Results) -> Table:
    """Examples that could not be scored, per model, task and language."""
    rows = [
        (
            Cell(row.model),
            Cell(row.task),
            language_cell(results, row.language),
            Cell(metric_name(row.metric)),
            Cell(whole(row.n_unscored), row.n_unscored),
            Cell(whole(row.n), row.n),
        )
        for row in sorted(results.summary, key=lambda s: (s.model, key_order(results, s.key)))
        if row.n_unscored and row.primary
    ]
    columns = ("model", "task", "language", "metric", "unscored", "scored")
    return plain_table(
        "unscored", "Unscored examples", columns, rows, "Unscored is not zero: these are left out."
    )
