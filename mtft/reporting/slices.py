"""Scores by category, size and other columns, one table per task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from mtft.reporting.records import SliceScore
from mtft.reporting.results import Results
from mtft.reporting.tables import Cell, Table, language_label, plain_table, without
from mtft.reporting.wording import NOTHING, Scales, metric_name, whole, words

TITLE = "Slices"
MAX_ROWS = 500
NOTE = (
    "Scores are those of the median template with 95 % intervals clustered by item; a slice of few items says little. "
    "Items are those of one template."
)
_TRAINED = {"seen": "yes", "unseen": "no"}
_ALL = {"seen": "all that training saw", "unseen": "all that training did not see"}
_OPTIONAL = ("in training", "language", "config", "prompts in")
_Line = tuple[str, str, str, str, str, str, str]


def slice_tables(results: Results, scales: Scales) -> list[Table]:
    """One table per task: every value of every column it is sliced by, a score column per model."""
    ordered = sorted(results.slices, key=lambda s: (results.task_order(s.task), _order(results, s)))
    return [
        _table(results, scales, task, list(found)) for task, found in groupby(ordered, key=lambda s: s.task)
    ]


def _order(results: Results, row: SliceScore) -> tuple[object, ...]:
    place = (results.language_order(row.language), row.config, row.prompt_language, row.metric)
    return (row.column, row.slice != "", row.seen, natural(row.slice), place)


def natural(text: str) -> tuple[tuple[bool, int, str], ...]:
    """A key by which `2` stands before `10`, and `11-25` before `101-500`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts)


def _line(row: SliceScore) -> _Line:
    return (row.column, row.slice, row.seen, row.language, row.config, row.prompt_language, row.metric)


def _table(results: Results, scales: Scales, task: str, found: Sequence[SliceScore]) -> Table:
    lines: dict[_Line, dict[str, SliceScore]] = {}
    for row in found:
        lines.setdefault(_line(row), {})[row.model] = row
    names = [model.name for model in results.models if any(row.model == model.name for row in found)]
    rows = [_row(results, scales, line, of_model, names) for line, of_model in list(lines.items())[:MAX_ROWS]]
    columns = ("by", "value", *_OPTIONAL, "metric", *names, "items")
    more = f" The first {MAX_ROWS:,} of {len(lines):,} rows." if len(lines) > MAX_ROWS else ""
    made = plain_table(f"slices-{task}", f"{TITLE}: {task}", columns, rows, NOTE + more)
    for column in _OPTIONAL:
        if _says_nothing(made, column):
            made = without(made, column)
    return made


def _says_nothing(table: Table, column: str) -> bool:
    """Whether all rows have the same there."""
    at = table.columns.index(column)
    return len({row[at].text for row in table.rows}) < 2


def _row(
    results: Results,
    scales: Scales,
    line: _Line,
    of_model: Mapping[str, SliceScore],
    names: Iterable[str],
) -> tuple[Cell, ...]:
    column, value, seen, language, config, prompt_language, metric = line
    shown = of_model.get(results.focus or "") or next(iter(of_model.values()))
    return (
        Cell(words(column)),
        Cell(value or _ALL.get(seen, "all")),
        Cell(_TRAINED.get(seen, NOTHING)),
        Cell(language_label(results, language)),
        Cell(config if config != language else ""),
        Cell(prompt_language),
        Cell(metric_name(metric)),
        *(_score(scales, metric, of_model.get(name)) for name in names),
        Cell(whole(shown.n), shown.n),
    )


def _score(scales: Scales, metric: str, row: SliceScore | None) -> Cell:
    if row is None or row.value is None:
        return Cell(NOTHING)
    interval = scales.interval(metric, row.low, row.high)
    shown = scales.show(metric, row.value)
    return Cell(f"{shown} ({interval})" if interval else shown, row.value)
