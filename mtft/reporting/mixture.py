"""The mixture in the report: what the model was finetuned on, from the manifest or an excerpt of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtft.reporting.plain import tables_of
from mtft.reporting.tables import Table

FACTS = ("name", "title", "fingerprint", "seed", "rows", "examples", "n_positions", "length_unit")
LISTS = ("proportions", "units", "tasks", "languages", "clusters")
COLUMNS = (
    *("cluster", "task", "language", "config", "rows", "examples", "positions", "share", "epochs"),
    *("input_tokens", "target_tokens", "dropped"),
)


def mixture_tables(mixture: Any) -> list[Table]:
    """Facts, proportions per task and language, drops by reason, and what was held out."""
    if not isinstance(mixture, Mapping):
        return tables_of("mixture", "Mixture", mixture)
    facts = {name: mixture[name] for name in FACTS if mixture.get(name) is not None}
    made = tables_of("mixture", "Mixture", facts)
    unit = str(mixture.get("length_unit") or "tokens")
    units: Any = next((mixture[n] for n in ("units", "proportions") if _is_rows(mixture.get(n))), [])
    for by in ("task", "language"):
        made += tables_of(f"mixture-by-{by}", f"Mixture: by {by}", _renamed(_summed(units, by), unit))
    for name in LISTS:
        rows = _renamed(_proportions(mixture.get(name)), unit)
        made += tables_of(f"mixture-{name}", f"Mixture: {_TITLES.get(name, name)}", rows)
    made += tables_of("mixture-dropped", "Mixture: rows left out", _counts(mixture.get("dropped")))
    return made + tables_of("mixture-held-out", "Mixture: held out", _held_out(mixture.get("held_out")))


_TITLES = {"units": "by task and language", "proportions": "by task and language"}
SUMMED = ("rows", "examples", "positions", "share", "input_tokens", "target_tokens")


def _is_rows(rows: Any) -> bool:
    return isinstance(rows, list) and bool(rows) and all(isinstance(row, Mapping) for row in rows)


def _summed(rows: Sequence[Mapping[str, Any]], by: str) -> list[dict[str, Any]]:
    """The proportions added up per task, or per language."""
    sums: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.get(by) is None:
            return []
        total = sums.setdefault(str(row[by]), {by: row[by], "cells": 0})
        total["cells"] += 1
        for name in SUMMED:
            if isinstance(row.get(name), (int, float)):
                total[name] = total.get(name, 0) + row[name]
    return [{k: round(v, 12) if k == "share" else v for k, v in row.items()} for row in sums.values()]


def _renamed(rows: Any, unit: str) -> Any:
    """Rows whose lengths are named by their unit, which is bytes where there was no tokenizer."""
    if not _is_rows(rows):
        return rows
    return [{key.replace("_tokens", f"_{unit}"): value for key, value in row.items()} for row in rows]


def _proportions(rows: Any) -> Any:
    """The known columns, in their order; any other list as it is."""
    if not _is_rows(rows):
        return rows
    return [{c: row[c] for c in COLUMNS if row.get(c) not in (None, {}, [])} for row in rows]


def _counts(dropped: Any) -> Any:
    """Counts by reason as rows."""
    if not isinstance(dropped, Mapping):
        return dropped
    return [{"reason": reason, "rows": count} for reason, count in sorted(dropped.items())]


def _held_out(sides: Any) -> Any:
    """One row per side and task, its languages in one cell."""
    if not isinstance(sides, Mapping):
        return sides
    rows: dict[tuple[str, str], list[str]] = {}
    for side, cells in sides.items():
        for cell in cells if isinstance(cells, list) else ():
            if isinstance(cell, Mapping):
                place = rows.setdefault((str(side), str(cell.get("task"))), [])
                place.append(str(cell.get("config") or cell.get("language")))
    listed = [
        {"side": side, "task": task, "cells": sorted(cells)} for (side, task), cells in sorted(rows.items())
    ]
    return listed or sides
