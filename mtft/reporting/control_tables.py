"""Control experiments beside the finetuned model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtft.reporting.headline import CONTROLS, is_about
from mtft.reporting.records import Summary
from mtft.reporting.results import Results
from mtft.reporting.tables import Cell, Table, language_cell, plain_table, score_cell, seen_label, trimmed
from mtft.reporting.wording import NOTHING, Scales

CONTROL_COLUMNS = {"finetuned": "finetuned", "low": "its lower bound", **CONTROLS}


def controls(results: Results, scales: Scales) -> Table:
    """Every control experiment beside the finetuned model, and whether the cell counts."""
    rows = [_control_row(row, results, scales) for row in _sorted_controls(results)]
    columns = ("task", "language", "prompts in", "held out", *CONTROL_COLUMNS.values(), "counts")
    note = (
        "A cell counts when the lower bound of its 95 % interval lies above every control and above chance."
    )
    return trimmed(plain_table("controls", "Controls", columns, rows, note), *columns)


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
        language_cell(results, language),
        Cell(str(row.get("prompt_language") or "")),
        Cell(seen_label(held_out)),
        *(score_cell(scales, metric, value) for value in values.values()),
        mark,
    )


def _summary_of(row: Mapping[str, Any], results: Results) -> Summary | None:
    named = row.get("task") and row.get("language")
    near = results.keys_of(str(row["task"]), str(row["language"])) if named else results.keys
    about = (key for key in near if is_about(row, key))
    return next((results.at(results.focus, key) for key in about), None)
