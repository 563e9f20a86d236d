"""How many answered examples stood before the prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtft.reporting.plain import tables_of
from mtft.reporting.results import Results
from mtft.reporting.tables import Table


def shots_fact(results: Results) -> str:
    """`3 before each prompt, 2.9 on average`; empty where there were none."""
    rows = _rows(results)
    prompts = sum(row["prompts"] for row in rows)
    if not prompts:
        return ""
    asked = "/".join(str(count) for count in sorted({row["shots"] for row in rows}))
    mean = sum(row["mean_shots"] * row["prompts"] for row in rows) / prompts
    return f"{asked} before each prompt, {mean:.3g} on average"


def shots_tables(results: Results) -> list[Table]:
    """Shots asked for and found per model and task, and those that did not fit."""
    return tables_of("shots", "Shots", _rows(results))


def _rows(results: Results) -> list[Mapping[str, Any]]:
    rows = results.extras.get("shots")
    return [row for row in rows if _is_whole(row)] if isinstance(rows, list) else []


def _is_whole(row: object) -> bool:
    wanted = ("shots", "mean_shots", "prompts")
    return isinstance(row, Mapping) and all(isinstance(row.get(name), (int, float)) for name in wanted)
