"""The report's tables as plain cells, written once and shown by HTML and by Markdown alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mtft.reporting.headline import CONTROLS, is_about, tallies
from mtft.reporting.results import Average, CellKey, Results, Summary
from mtft.reporting.wording import GROUPS, HELD_OUT, MARKS, NOTHING, Scales, metric_name, whole, words


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What is shown.
        value: The number behind it, for sorting and checking.
        tone: `good`, `bad` or empty.
    """

    text: str
    value: float | None = None
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a title, a note and rows of cells; `numeric` names the columns that hold numbers."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    numeric: frozenset[str] = frozenset()


def plain_table(
    name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], note: str = ""
) -> Table:
    """A table whose numeric columns are found from its cells; a list of facts has none."""
    numeric = (
        set()
        if columns[0] == "" and len(columns) == 2
        else {
            column
            for at, column in enumerate(columns)
            if any(row[at].value is not None for row in rows) and all(_numeric(row[at]) for row in rows)
        }
    )
    return Table(name, title, tuple(columns), tuple(map(tuple, rows)), note, frozenset(numeric))


def _numeric(cell: Cell) -> bool:
    return cell.value is not None or cell.text in (NOTHING, "")


def _share(pair: tuple[int, int]) -> Cell:
    won, measured = pair
    return Cell(f"{won} of {measured}", won / measured) if measured else Cell(NOTHING)


def answers(results: Results) -> Table:
    """Held-out cells that beat chance, base and controls, per kind of holding out."""
    rows = [
        (
            Cell("all held-out cells" if t.kind == "all" else f"{MARKS[t.kind]} {HELD_OUT[t.kind]}"),
            Cell(str(t.cells), float(t.cells)),
            _share(t.chance),
            _share(t.base),
            _share(t.controls),
            Cell(t.verdict),
        )
        for t in tallies(results)
    ]
    columns = ("held out", "cells", "beat chance", "beat base", "beat all controls", "generalises")
    return plain_table("answers", "Held-out cells", columns, rows)


def averages(results: Results, scales: Scales) -> Table:
    """Averages per metric and group, one column per model; the averaging rules stand in the note."""
    groups: dict[tuple[str, str, str], dict[str, Average]] = {}
    for row in results.averages:
        groups.setdefault((row.metric, row.group, row.rule), {})[row.model] = row
    names = [m.name for m in results.models if any(a.model == m.name for a in results.averages)]
    ordered = sorted(groups, key=lambda key: (key[0], group_order(key[1]), key))
    rows = [
        _average_row(metric, group, groups[metric, group, rule], names, scales)
        for metric, group, rule in ordered
    ]
    return plain_table(
        "averages", "Seen and unseen averages", ("metric", "group", "cells", *names), rows, _rules(results)
    )


def _average_row(
    metric: str, group: str, found: Mapping[str, Average], names: Sequence[str], scales: Scales
) -> tuple[Cell, ...]:
    counts = sorted({a.n_cells for a in found.values() if a.n_cells is not None})
    number = Cell(whole(counts[0]), counts[0]) if len(counts) == 1 else Cell("/".join(map(whole, counts)))
    scores = (_average(found.get(name), scales) for name in names)
    return (Cell(metric_name(metric)), Cell(group_name(group)), number, *scores)


def _rules(results: Results) -> str:
    """Each averaging rule with the metrics it makes."""
    metrics: dict[str, set[str]] = {}
    for row in results.averages:
        metrics.setdefault(row.rule, set()).add(metric_name(row.metric))
    rules = (f"{rule} ({', '.join(sorted(names))})" for rule, names in sorted(metrics.items()) if rule)
    found = "; ".join(rules)
    return f"How averages are made: {found}." if found else ""


def group_name(group: str) -> str:
    """The words for a group of cells."""
    return GROUPS.get(group, words(group))


def group_order(group: str) -> tuple[int, str]:
    """Known groups in a fixed order, others after them by name."""
    known = list(GROUPS)
    return (known.index(group) if group in known else len(known), group)


def _average(row: Average | None, scales: Scales) -> Cell:
    if row is None or row.value is None:
        return Cell(NOTHING)
    return Cell(_with_interval(scales, row.metric, row.value, row.low, row.high), row.value)


def _with_interval(scales: Scales, metric: str, value: float, low: float | None, high: float | None) -> str:
    interval = scales.interval(metric, low, high)
    return f"{scales.show(metric, value)} ({interval})" if interval else scales.show(metric, value)


def _score(scales: Scales, metric: str, value: float | None) -> Cell:
    return Cell(scales.show(metric, value), value)


SCORE_COLUMNS = (
    *("task", "language", "config", "prompts in", "held out", "metric"),
    *("95 % interval", "gain over base", "worst–best template", "chance", "majority"),
    *("templates", "scored", "groups", "unscored"),
)
CONTROL_COLUMNS = {"finetuned": "finetuned", "low": "its lower bound", **CONTROLS}


def controls(results: Results, scales: Scales) -> Table:
    """Every control experiment beside the finetuned model, and whether the cell counts."""
    rows = [_control_row(row, results, scales) for row in _sorted_controls(results)]
    columns = ("task", "language", "prompts in", "held out", *CONTROL_COLUMNS.values(), "counts")
    note = (
        "A cell counts when the lower bound of its 95 % interval lies above every control and above chance."
    )
    made = plain_table("controls", "Controls", columns, rows, note)
    for column in columns:
        if all(row[made.columns.index(column)].text in (NOTHING, "") for row in made.rows):
            made = without(made, column)
    return made


def _sorted_controls(results: Results) -> list[Mapping[str, Any]]:
    def order(row: Mapping[str, Any]) -> tuple[object, ...]:
        task, language = str(row.get("task")), str(row.get("language"))
        return (results.task_order(task), results.language_order(language), str(row.get("config") or ""))

    return sorted(results.controls, key=order)


def _control_row(row: Mapping[str, Any], results: Results, scales: Scales) -> tuple[Cell, ...]:
    found = _summary_of(row, results)
    metric = str(row.get("metric") or (found.metric if found else "accuracy"))
    values = {name: row.get(name) for name in CONTROL_COLUMNS}
    if values["chance"] is None and found is not None:
        values["chance"] = found.chance
    counts = row.get("counts")
    mark = Cell(NOTHING) if counts is None else Cell("✓ counts", tone="good") if counts else Cell("✗ no")
    held_out = str(row.get("seen") or (found.seen if found else ""))
    language = str(row.get("language") or "")
    return (
        Cell(str(row.get("task") or "")),
        Cell(language_label(results, language)),
        Cell(str(row.get("prompt_language") or "")),
        Cell(seen_label(held_out)),
        *(_score(scales, metric, value) for value in values.values()),
        mark,
    )


def _summary_of(row: Mapping[str, Any], results: Results) -> Summary | None:
    about = (key for key in results.keys if is_about(row, key))
    return next((results.at(results.focus, key) for key in about), None)


def language_label(results: Results, code: str) -> str:
    """`Estonian (et)`."""
    name = results.language_name(code)
    return f"{name} ({code})" if name != code else code


def seen_label(seen: str) -> str:
    """The mark and the word for how a cell was held out: `◆ language`, or `no`."""
    return (
        f"{MARKS[seen]} {seen.removeprefix('held_out_')}"
        if seen in MARKS
        else {"seen": "no"}.get(seen, words(seen))
    )


def scores(results: Results, scales: Scales, *, primary: bool = True) -> Table:
    """Every cell: each model's median template and range, interval of the finetuned model, counts."""
    shown = [s for s in results.summary if s.primary is primary]
    keys = sorted({s.key for s in shown}, key=lambda k: _key_order(results, k))
    names = [m.name for m in results.models]
    rows = [_score_row(results, scales, key, names) for key in keys]
    columns = (*SCORE_COLUMNS[:6], *names, *SCORE_COLUMNS[6:])
    title = "All scores" if primary else "Secondary metrics"
    note = (
        f"Interval, range and counts are those of “{results.focus}”; scores those of the median template. "
        "The gain is the paired difference on the same items, averaged over templates, with its interval."
    )
    made = plain_table("scores" if primary else "secondary", title, columns, rows, note)
    if all(key.config in ("", key.language) for key in keys):
        made = without(made, "config")
    return made if results.base else without(made, "gain over base")


def without(table: Table, column: str) -> Table:
    """The table without one column."""
    kept = [at for at, name in enumerate(table.columns) if name != column]
    rows = tuple(tuple(row[at] for at in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[at] for at in kept), rows=rows)


def _key_order(results: Results, key: CellKey) -> tuple[object, ...]:
    return (results.task_order(key.task), results.language_order(key.language), key)


def _score_row(results: Results, scales: Scales, key: CellKey, names: Sequence[str]) -> tuple[Cell, ...]:
    found = {name: results.at(name, key) for name in names}
    shown = found.get(results.focus or "") or next(row for row in found.values() if row is not None)
    metric = key.metric
    whole_columns = (shown.n_templates, shown.n, shown.n_groups, shown.n_unscored)
    return (
        Cell(key.task),
        Cell(language_label(results, key.language)),
        Cell(key.config),
        Cell(key.prompt_language),
        Cell(seen_label(shown.seen)),
        Cell(metric_name(metric)),
        *(_score(scales, metric, row.median if row else None) for row in found.values()),
        Cell(scales.interval(metric, shown.low, shown.high) or NOTHING, shown.low),
        _paired(results, scales, key),
        Cell(scales.interval(metric, shown.min, shown.max) or NOTHING, shown.min),
        _score(scales, metric, shown.chance),
        _score(scales, metric, shown.majority),
        *(Cell(whole(count), count) for count in whole_columns),
    )


def _paired(results: Results, scales: Scales, key: CellKey) -> Cell:
    """The paired difference from the base model with its interval."""
    found = results.comparison(key)
    if found is None or found.difference is None:
        return Cell(NOTHING)
    low, high = scales.signed(key.metric, found.low), scales.signed(key.metric, found.high)
    interval = f" ({low} to {high})" if found.low is not None and found.high is not None else ""
    return Cell(scales.signed(key.metric, found.difference) + interval, found.difference)


def happened(problems: Mapping[str, Any]) -> dict[str, Any]:
    """The problems that there were: keys that count none or list none are left out."""
    return {name: value for name, value in problems.items() if value not in (0, None, "", [], {})}


def signatures(results: Results) -> Table:
    """How scores were made: references, casing, tokenisation and versions, per metric and task."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in sorted(results.summary, key=lambda s: _key_order(results, s.key)):
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
            Cell(language_label(results, row.language)),
            Cell(metric_name(row.metric)),
            Cell(whole(row.n_unscored), row.n_unscored),
            Cell(whole(row.n), row.n),
        )
        for row in sorted(results.summary, key=lambda s: (s.model, _key_order(results, s.key)))
        if row.n_unscored and row.primary
    ]
    columns = ("model", "task", "language", "metric", "unscored", "scored")
    return plain_table(
        "unscored", "Unscored examples", columns, rows, "Unscored is not zero: these are left out."
    )
