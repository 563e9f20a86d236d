"""ToTTo's records: tables with spans, header cells and highlighted cells, and back.

Source: Parikh et al. 2020, "ToTTo: A Controlled Table-To-Text Generation Dataset".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtft.errors import StructureError
from mtft.structured.entry import Entry, Skip, each, text
from mtft.structured.files import json_lines, parse_json
from mtft.structured.spans import Heuristics, Placed, place_cells
from mtft.structured.table import Cell, Table, Title

TITLES = ("page_title", "section_title", "section_text")


def read_totto(record: Mapping[str, Any], heuristics: Heuristics = "grid", *, strict: bool = True) -> Table:
    """The table of a record, every cell at the grid position that its own and other cells' spans give it.

    Args:
        record: With `table`, `highlighted_cells`, and the titles that it has.
        heuristics: How header cells head others.
            `grid`: a cell's column is the first free one. Header cells of rows without data head what is below
            them, until header cells of the same columns follow; header cells of rows with data head their row.
            `official`: as the data set's baseline does it: row spans are ignored, every header cell heads all
            that is below it and all that is right of it.
        strict: Whether a span that leads past the table's last row, or into another cell, is an error;
            otherwise it is cut in the grid, and written back as it was.

    Raises:
        StructureError: A field is missing or no text, a span is refused, or a highlighted cell is none of the
            table's.

    Source: google-research/language, `totto/baseline_preprocessing/preprocess_utils.py`, for `official`.
    """
    if not isinstance(record, Mapping) or not isinstance(record.get("table"), list):
        raise StructureError("A record must hold a list `table`.", found=f"{record!r:.80}")
    placed = place_cells(record["table"], heuristics, strict=strict)
    extra, marked = _highlight(placed, record.get("highlighted_cells", []))
    if placed.spans:
        extra["spans"] = placed.spans
    roles = [role for role in TITLES if record.get(f"table_{role}") is not None]
    return Table.trusted(
        "table",
        tuple(placed.cells),
        placed.shape,
        titles=tuple([Title(role, text(record, f"table_{role}")) for role in roles]),
        ordered=True,
        accumulated=heuristics == "official",
        extra=extra,
        layout=placed.layout,
        marked=marked,
    )


def _highlight(placed: Placed, listed: Any) -> tuple[dict[str, Any], tuple[Cell, ...]]:
    """Marks the cells that a record lists; what it lists, where the marks do not say it all; and the marked cells."""
    if not isinstance(listed, list):
        raise StructureError("`highlighted_cells` must be a list.", found=f"{listed!r:.80}")
    indices = [_index(placed.starts, place) for place in listed]
    in_order = sorted(set(indices))
    marked = tuple([placed.cells[index] for index in in_order])
    for cell in marked:
        cell.highlighted = True  # they were made here, and nobody has seen them yet
    extra = {} if indices == in_order else {"highlighted_cells": [list(place) for place in listed]}
    return extra, marked


def _index(starts: Sequence[int], place: Any) -> int:
    """The index of the cell that stands at [source row, place within the row]."""
    if isinstance(place, list | tuple) and len(place) == 2:
        row, number = place
        if type(row) is int and type(number) is int and 0 <= row < len(starts) - 1:
            index = starts[row] + number
            if starts[row] <= index < starts[row + 1]:
                return index
    rule = "A highlighted cell must be [row, place in the row] of one of the table's."
    raise StructureError(rule, found=f"{place!r:.80}", where="`highlighted_cells`")


def to_totto(table: Table) -> dict[str, Any]:
    """`table`, `highlighted_cells` and the titles of a record, exactly as they were read.

    Any table without gaps can be written, whatever it was read from.

    Raises:
        StructureError: The table is a virtual one, or a cell has no value.
    """
    if table.kind != "table":
        remedy = "Triples and meaning representations have formats of their own."
        raise StructureError("A table must be of kind `table`.", found=f"`{table.kind}`", remedy=remedy)
    rows: list[list[dict[str, Any]]] = [[] for _ in range(table.n_rows)]
    marked: list[list[int]] = []
    spans = {index: (row_span, column_span) for index, row_span, column_span in table.extra.get("spans", [])}
    for index, cell in enumerate(table.cells):
        if cell.value is None:
            raise StructureError("A table's cells must have values.", found=cell)
        if cell.highlighted:
            marked.append([cell.row, len(rows[cell.row])])
        row_span, column_span = spans.get(index, (cell.row_span, cell.column_span))
        written = {
            "value": cell.value,
            "is_header": cell.header,
            "column_span": column_span,
            "row_span": row_span,
        }
        rows[cell.row].append(written)
    highlighted = [list(place) for place in table.extra.get("highlighted_cells", marked)]
    titles = {f"table_{title.role}": title.text for title in table.titles if title.role in TITLES}
    return {**titles, "table": rows, "highlighted_cells": highlighted}


def read_totto_file(
    path: Path, heuristics: Heuristics = "grid", *, strict: bool = True, skip: Skip | None = None
) -> Iterator[Entry]:
    """The entries of a JSON Lines file; references are the annotations' final sentences.

    `extra` holds the page's address, `overlap_subset` where the record has it, and the identifier, which is a
    64-bit number, as text.

    Args:
        path: The file.
        heuristics: How header cells head others (`read_totto`).
        strict: Whether spans past the table's edge are errors (`read_totto`).
        skip: Called with the error of a record that cannot be read; without it, the error is raised.
    """

    def read(place: object, line: str) -> Entry:
        return _entry(place, parse_json(line, None), heuristics, strict)

    return each(json_lines(path), read, path, skip)


def _entry(place: object, record: Any, heuristics: Heuristics, strict: bool) -> Entry:
    table = read_totto(record, heuristics, strict=strict)
    kept = ("table_webpage_url", "overlap_subset")
    return Entry(
        table=table,
        references=_sentences(record.get("sentence_annotations", [])),
        id=str(record.get("example_id", place)),
        size=len(table.marked),
        extra={key: record[key] for key in kept if key in record},
    )


def _sentences(annotations: Any) -> tuple[str, ...]:
    """The final sentences; a test set that hides its references has none."""
    listed = annotations or []
    try:
        return tuple([text(annotation, "final_sentence") for annotation in listed])
    except (TypeError, AttributeError) as error:
        rule = "`sentence_annotations` must be a list of mappings."
        raise StructureError(rule, found=f"{annotations!r:.80}") from error
