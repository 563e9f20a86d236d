"""Tables of plain data whose keys are not all known beforehand: counts of problems, versions, manifests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mtft.reporting.tables import Cell, Table, plain_table
from mtft.reporting.wording import words

MAX_ROWS = 500
LINE = 120


def tables_of(name: str, title: str, value: Any) -> list[Table]:
    """The tables that show `value`: scalars as one list, rows as one table, a matrix as one, nests below."""
    if isinstance(value, Mapping):
        return _of_mapping(name, title, value)
    if _is_rows(value):
        return [_of_rows(name, title, value)]
    if _is_long_list(value):
        return [plain_table(name, title, ("",), [(Cell(str(item)),) for item in value[:MAX_ROWS]])]
    return [_of_pairs(name, title, {title: value})] if value not in (None, "", [], {}) else []


def _of_mapping(name: str, title: str, value: Mapping[str, Any]) -> list[Table]:
    if _is_matrix(value):
        rows = [{"": key, **row} for key, row in sorted(value.items())]
        return [_of_rows(name, title, rows)]
    filled = {k: v for k, v in value.items() if v not in (None, "", [], {})}
    nested = {k: v for k, v in filled.items() if isinstance(v, Mapping) or _is_rows(v) or _is_long_list(v)}
    flat = {k: v for k, v in filled.items() if k not in nested}
    made = [_of_pairs(name, title, flat)] if flat else []
    for key, inner in nested.items():
        made += tables_of(f"{name}-{key}", f"{title}: {words(key)}", inner)
    return made


def _is_rows(value: Any) -> bool:
    return isinstance(value, Sequence) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _is_long_list(value: Any) -> bool:
    """A list of texts that would not be read well in one line."""
    return isinstance(value, (list, tuple)) and sum(len(str(item)) + 2 for item in value) > LINE


def _is_matrix(value: Mapping[str, Any]) -> bool:
    """Several mappings of scalars that share most of their keys."""
    inner = list(value.values())
    if len(inner) < 2 or not all(isinstance(row, Mapping) and row for row in inner):
        return False
    if any(isinstance(v, (Mapping, list)) for row in inner for v in row.values()):
        return False
    names = set().union(*inner)
    return sum(len(row) for row in inner) > 0.6 * len(names) * len(inner)


def _of_pairs(name: str, title: str, value: Mapping[str, Any]) -> Table:
    return plain_table(name, title, ("", "value"), [(Cell(words(k)), show(v)) for k, v in value.items()])


def _of_rows(name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    canonical = sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))
    columns = [
        c for c in dict.fromkeys(key for row in canonical for key in row) if not _is_nested(c, canonical)
    ]
    ordered = sorted(canonical, key=lambda row: _row_order(row, columns))
    note = f"The first {MAX_ROWS:,} of {len(rows):,} rows." if len(rows) > MAX_ROWS else ""
    cells = [tuple(_shown(column, row.get(column)) for column in columns) for row in ordered[:MAX_ROWS]]
    return plain_table(name, title, [words(column) for column in columns], cells, note)


def _row_order(row: Mapping[str, Any], columns: Sequence[str]) -> tuple[Any, ...]:
    """By training step where rows have one, then by their texts, then by their numbers."""
    step = row.get("step")
    texts = [str(row.get(c)) for c in columns if not _is_number(row.get(c))]
    return (step if _is_number(step) else -1, texts, [row[c] for c in columns if _is_number(row.get(c))])


def _is_nested(column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a column holds rows of its own, which no cell can show."""
    return any(_is_rows(row.get(column)) for row in rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(column: str, value: Any) -> Cell:
    if column == "share" and _is_number(value):
        return Cell(f"{value:.2%}", float(value))
    return show(value)


def show(value: Any) -> Cell:
    """One value as a cell: numbers short, sequences of scalars joined, the rest as JSON."""
    if value is None:
        return Cell("–")
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int):
        return Cell(f"{value:,}", float(value))
    if isinstance(value, float):
        return Cell(f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}", value)
    if isinstance(value, (list, tuple)) and not any(isinstance(v, (Mapping, list)) for v in value):
        return Cell(", ".join(str(v) for v in value))
    if isinstance(value, Mapping) and all(_is_number(v) for v in value.values()):
        return Cell(", ".join(f"{words(k)} {v:,}" for k, v in value.items()))
    if isinstance(value, (Mapping, list)):
        return Cell(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))
    return Cell(str(value))
