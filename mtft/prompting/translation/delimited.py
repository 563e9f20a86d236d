"""Sheets as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from pathlib import Path

from mtft.errors import TemplateError
from mtft.prompting.translation.sheet import SheetRow

COLUMNS = tuple(field.name for field in fields(SheetRow) if field.name != "row")
REQUIRED = ("dataset", "template", "segment", "language", "target", "version")


def write_csv(rows: list[SheetRow]) -> str:
    """The rows as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, rows))
    return "\ufeff" + text.getvalue()  # by this mark spreadsheets know UTF-8


def read_csv(text: str, path: Path) -> list[SheetRow]:
    """The rows of a CSV file, numbered as a spreadsheet numbers them.

    Raises:
        TemplateError: It is no CSV, or misses a column.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            found = f"no column {', '.join(missing)}"
            raise TemplateError(
                "A sheet must keep the columns it was exported with.", found=found, where=path
            )
        return [_row(values, number) for number, values in enumerate(reader, start=2)]
    except csv.Error as error:
        where = f"{path}, line {reader.line_num}"
        raise TemplateError("A sheet must be readable CSV.", found=error, where=where) from None


def _delimiter(text: str) -> str:
    """The character after the first column's name: spreadsheets of some countries write semicolons."""
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def _row(values: dict[str | None, str | list[str] | None], number: int) -> SheetRow:
    known = {name: value for name in COLUMNS if isinstance(value := values.get(name), str)}
    return SheetRow(
        **{"name": "", "key": "", "source_language": "", "source": "", **_plain(known)}, row=number
    )


def _plain(values: dict[str, str]) -> dict[str, str]:
    """The required columns of a short row are empty."""
    return {**dict.fromkeys(REQUIRED, ""), **values}
