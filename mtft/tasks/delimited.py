"""csv and tsv in every quoting style that published sets use."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtft.tasks.raw import Drop, Record
from mtft.tasks.source import Source

# A cell longer than this is a quote that never closes.
MAX_CELL = 1 << 24


class Cells(NamedTuple):
    """A line's cells, or what is wrong with it."""

    line: int
    cells: list[str]
    error: str | None = None


def read_delimited(path: Path, shown: str, source: Source, drop: Drop) -> Iterator[Record]:
    """The records of a csv or tsv file; the header's names are the columns, or the source's where there is
    none.

    Lines may end in CR LF, a byte-order mark is skipped, empty lines are no records.
    """
    delimiter = source.delimiter or ("\t" if source.format_of(path.name) == "tsv" else ",")
    rows = (
        _quoted(path, delimiter) if source.quoting == "minimal" else _plain(path, delimiter, source.quoting)
    )
    names = source.columns or _header(rows, shown, drop)
    for number, row in enumerate(rows):
        where = f"{shown}:{row.line}"
        error = row.error or _width_error(row.cells, names)
        if error is None:
            values: dict[str, Any] = dict(zip(names, row.cells, strict=True))
            error = _parse_json(values, source.json_columns)
        if error is None:
            yield Record(values, number, where)
        else:
            drop("malformed_row", where, error)


def _header(rows: Iterator[Cells], shown: str, drop: Drop) -> Sequence[str]:
    head = next(rows, Cells(1, []))
    if head.error or len(set(head.cells)) < len(head.cells):
        drop("malformed_header", f"{shown}:{head.line}", head.error or f"a column stands twice: {head.cells}")
        for _ in rows:  # nothing can be said of rows without their columns' names
            pass
    return head.cells


def _width_error(cells: Sequence[str], names: Sequence[str]) -> str | None:
    return None if len(cells) == len(names) else f"{len(cells)} cells for {len(names)} columns"


def _parse_json(values: dict[str, Any], columns: Sequence[str]) -> str | None:
    """Puts the values of JSON cells in place; what is wrong with them, if something is."""
    for name in columns:
        try:
            values[name] = json.loads(values[name])
        except ValueError as error:
            return f"`{name}` is not JSON: {error}"
        except KeyError:
            return f"no column `{name}`"
    return None


def _quoted(path: Path, delimiter: str) -> Iterator[Cells]:
    """Cells by the csv module, which knows quoted cells over several lines; `line` is where a record begins.

    Source: RFC 4180, sections 2.5 to 2.7.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))
    # Bytes that are no UTF-8 become lone surrogates, which are found when the row is complete.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Cells(line, [], f"broken quoting: {error}")
                continue
            if cells:
                yield Cells(line, cells)


def _plain(path: Path, delimiter: str, quoting: str) -> Iterator[Cells]:
    """Cells of a file in which a line is a record."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for line, text in enumerate(file, start=1):
            if text := text.rstrip("\r\n"):
                cells = text.split(delimiter)
                yield Cells(line, [_unquoted(cell) for cell in cells] if quoting == "lenient" else cells)


def _unquoted(cell: str) -> str:
    """The cell without its quotes, if it is quoted well; `""so"" he` and `"so` stay as they are."""
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"':
        return cell
    inner = cell[1:-1]
    return cell if '"' in inner.replace('""', "") else inner.replace('""', '"')
