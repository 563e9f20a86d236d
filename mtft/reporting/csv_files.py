"""The results as CSV: one file per kind of row, values as they are, for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from mtft.reporting.results import Results

KINDS = (
    *("summary", "cells", "averages", "comparisons", "transfer", "published"),
    *("contamination", "lengths", "score_functions", "curve", "slices"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_files(results: Results) -> Iterator[tuple[str, str]]:
    """(name, content) of every kind of row that there is; columns that are empty everywhere are left out."""
    for kind in KINDS:
        rows = getattr(results, kind)
        if rows:
            yield f"{kind}.csv", _content(rows)


def _content(rows: Sequence[Any]) -> str:
    names = [field.name for field in fields(rows[0])]
    used = [name for name in names if any(getattr(row, name) not in (None, "", {}, (), []) for row in rows)]
    return csv_text([{name: getattr(row, name) for name in used} for row in rows])


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as CSV: a header, nested values as columns of their own, no text that a spreadsheet would run.

    Where a value is nested in one row and missing in another, the latter's columns are empty.
    """
    flat = [_flat(row) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    nested = {name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)}
    columns = [name for name in names if name not in nested]
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return written.getvalue()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Nested values as columns of their own: `models.finetuned.score_all`."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            value = {str(each.get("model", at)): each for at, each in enumerate(value)}
        elif isinstance(value, list):
            value = " ".join(map(str, value))
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in _flat(value).items()}
        else:
            flat[name] = harmless(value)
    return flat


def harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula.

    Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
