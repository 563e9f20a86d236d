"""SciGen's records: tables of papers, with the source's markup in their cells, and descriptions.

Source: Moosavi et al. 2021, "Learning to Reason for Text Generation from Scientific Tables".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtft.errors import StructureError
from mtft.structured.entry import Entry, Skip, each, text
from mtft.structured.files import json_items
from mtft.structured.layout import header_and_rows, lines
from mtft.structured.table import Table, Title

# Only the data set's own marks: `[CLS]`, `[SEP]` or `[URL]` in a cell are what the paper's table says.
_MARKUP = re.compile(r"\[(?:BOLD|ITALIC|EMPTY|CONTINUE)\]")


def without_markup(value: str) -> str:
    """A cell or a description without `[BOLD]`, `[ITALIC]`, `[EMPTY]` and `[CONTINUE]`, which tables keep.

    >>> without_markup("[BOLD] 74.4 (± 0.9)"), without_markup("[EMPTY]")
    ('74.4 (± 0.9)', '')
    """
    if "[" not in value:
        return value
    return " ".join(part for part in _MARKUP.sub(" ", value).split(" ") if part).strip()


def read_scigen(record: Mapping[str, Any]) -> Table:
    """The table of a record: its caption as a title, its column names as a header row, markup as it is.

    Rows may be ragged, and column names may repeat or be `[EMPTY]`.

    Raises:
        StructureError: A field is missing, or a cell is no text.
    """
    if not isinstance(record, Mapping):
        raise StructureError("A record must be a mapping.", found=f"{record!r:.80}")
    columns, rows = record.get("table_column_names"), record.get("table_content_values")
    if (
        not isinstance(columns, list)
        or not isinstance(rows, list)
        or not all(isinstance(r, list) for r in rows)
    ):
        rule = "`table_column_names` must be a list, and `table_content_values` a list of lists."
        raise StructureError(rule, found=f"{columns!r:.40} and {rows!r:.40}")
    cells, shape = header_and_rows(columns, rows)
    titles = (Title("caption", text(record, "table_caption")),)
    return Table.trusted("table", tuple(cells), shape, titles=titles, ordered=True, layout="rows", marked=())


def to_scigen(table: Table) -> dict[str, Any]:
    """The table's fields of a record: caption, column names and values.

    Raises:
        StructureError: The table has no row, no caption, or a cell without value.
    """
    captions = [title.text for title in table.titles if title.role == "caption"]
    if len(captions) != 1 or not table.n_rows:
        raise StructureError(
            "A table must have one caption and a header row.", found=f"{len(captions)} captions"
        )
    columns, *rows = lines(table)
    return {"table_caption": captions[0], "table_column_names": columns, "table_content_values": rows}


def read_scigen_file(path: Path, skip: Skip | None = None) -> Iterator[Entry]:
    """The entries of a file, which maps numbers as text to records; paper, its id and field are in `extra`.

    Args:
        path: The file.
        skip: Called with the error of a record that cannot be read; without it, the error is raised.

    Raises:
        StructureError: The file is no JSON list or mapping.
    """
    return each(json_items(path), _entry, path, skip)


def _entry(place: object, record: Mapping[str, Any]) -> Entry:
    table = read_scigen(record)
    field = record.get("field")
    return Entry(
        table=table,
        references=(text(record, "text"),),
        id=str(place),
        category=field if isinstance(field, str) else None,
        size=table.n_rows - 1,
        extra={key: record[key] for key in ("paper", "paper_id", "field") if key in record},
    )
