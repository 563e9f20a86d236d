"""The report's tables as plain cells, written once and shown by HTML and by Markdown alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mtft.reporting.headline import tallies
from mtft.reporting.records import Average, CellKey
from mtft.reporting.results import Results
from mtft.reporting.wording import GROUPS, HELD_OUT, MARKS, NOTHING, Scales, metric_name, whole, words


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What is shown.
        value: The number behind it, for sorting and checking.
        tone: `good`, `bad` or empty.
        key: The code behind the text, for filters; the text itself where empty.
    """

    text: str
    value: float | None = None
    tone: str = ""
    key: str = ""


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
    return Cell(with_interval(scales, row.metric, row.value, row.low, row.high), row.value)


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


def without(table: Table, column: str) -> Table:
    """The table without one column."""
    kept = [at for at, name in enumerate(table.columns) if name != column]
    rows = tuple(tuple(row[at] for at in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[at] for at in kept), rows=rows)


def trimmed(table: Table, *optional: str) -> Table:
    """The table without those of its optional columns that say nothing in any row."""
    for column in optional:
        if column in table.columns:
            at = table.columns.index(column)
            if all(row[at].text in (NOTHING, "") for row in table.rows):
                table = without(table, column)
    return table


def happened(problems: Mapping[str, Any]) -> dict[str, Any]:
    """The problems that there were: keys that count none or list none are left out."""
    return {name: value for name, value in problems.items() if value not in (0, None, "", [], {})}


def key_order(results: Results, key: CellKey) -> tuple[object, ...]:
    """The order of rows about cells: by task, then by language."""
    return (results.task_order(key.task), results.language_order(key.language), key)


def language_cell(results: Results, code: str) -> Cell:
    """A language by name and code."""
    return Cell(language_label(results, code), key=code)


def with_interval(
    scales: Scales, metric: str, value: float | None, low: float | None, high: float | None
) -> str:
    """`45.0 (40.1–52.3)`, as far as it is known."""
    interval = scales.interval(metric, low, high)
    return f"{scales.show(metric, value)} ({interval})" if interval else scales.show(metric, value)


def score_cell(scales: Scales, metric: str, value: float | None) -> Cell:
    """A score in points."""
    return Cell(scales.show(metric, value), value)


def place_cells(results: Results, key: CellKey) -> tuple[Cell, ...]:
    """Task, language and prompt language of a row about one cell, for `PLACE` columns."""
    return Cell(key.task), language_cell(results, key.language), Cell(key.prompt_language)


PLACE = ("task", "language", "prompts in")
