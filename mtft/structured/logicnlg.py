"""LogicNLG's statements on tables, each with the columns that it is about, and the tables' files.

Source: Chen et al. 2020, "Logical Natural Language Generation from Open-Domain Tables"; the tables are those of
Chen et al. 2020, "TabFact", one file each with `#` between cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mtft.errors import StructureError
from mtft.structured.entry import Entry, Skip, each
from mtft.structured.files import json_items, read_text
from mtft.structured.layout import header_and_rows, lines
from mtft.structured.table import Cell, Table, Title

DELIMITER = "#"
_LEADING = re.compile(r"[/\\:]")  # what would lead into another folder, on any system


class TableSheet:
    """A table file's cells, from which the table of every statement on it is made cheaply.

    Args:
        content: The file's text: a line per row with `#` between cells, the first being the header. Quotes
            mean nothing.

    Raises:
        StructureError: It has no lines.
    """

    def __init__(self, content: str) -> None:
        columns, *rows = _split(content)
        self._cells, self._shape = header_and_rows(columns, rows, text=True)
        full = set(map(len, rows)) <= {len(columns)}
        # what stands below each header, where all rows are as wide as the header
        self._values = (list(zip(*rows, strict=True)) or [()] * len(columns)) if full else []
        self._marked: dict[int, list[Cell]] = {}
        self._titles: dict[str, tuple[Title, ...]] = {}
        self.n_rows = len(rows)

    def table(self, title: str, linked: Sequence[int]) -> Table:
        """The table with a statement's linked columns highlighted below the header.

        Raises:
            StructureError: A linked column is none of the table's.
        """
        cells, values = self._cells.copy(), self._values
        for column in linked:
            if type(column) is not int or not 0 <= column < self._shape[1]:
                found = f"{column!r:.40} of {self._shape[1]}"
                raise StructureError("A linked column must be one of the table's.", found=found)
            if values:
                cells[len(values) + column :: len(values)] = self._marked.get(column) or self._below(column)
            else:
                cells = [_marked([c])[0] if c.column == column and c.row else c for c in cells]
        titles = self._titles.get(title)
        if titles is None:
            titles = self._titles[title] = (Title("title", title),)
        return Table.trusted(
            "table",
            tuple(cells),
            self._shape,
            titles=titles,
            ordered=True,
            extra={"linked_columns": list(linked)},
            layout="rows",
            marked_columns={column: values[column] for column in sorted(set(linked))} if values else None,
        )

    def _below(self, column: int) -> list[Cell]:
        """The highlighted cells of a column, made once."""
        below = self._marked[column] = _marked(self._cells[len(self._values) + column :: len(self._values)])
        return below


def _marked(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of one column, highlighted; made anew, since `replace` would take three times as long."""
    return [Cell(c.row, c.column, c.value, 1, 1, False, False, True) for c in cells]


def _split(content: str) -> list[list[str]]:
    rows = content.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if rows == [""]:
        raise StructureError("A table file must hold a header.", found="an empty file")
    return [row.split(DELIMITER) for row in rows]


def read_logicnlg(content: str, title: str, linked: Sequence[int]) -> Table:
    """The table of one statement.

    Args:
        content: The table file's text.
        title: The statement's title.
        linked: The columns that the statement is about, as the record lists them.

    Raises:
        StructureError: The table is empty, or a linked column is none of its columns.
    """
    return TableSheet(content).table(title, linked)


def to_logicnlg(table: Table) -> dict[str, Any]:
    """A statement's table, title and linked columns: `table` (rows, the header first), `title`, `linked_columns`.

    Raises:
        StructureError: The table has no title, or a cell has no value.
    """
    titles = [title.text for title in table.titles if title.role == "title"]
    if len(titles) != 1:
        raise StructureError("A table must have one title.", found=f"{len(titles)}")
    columns = sorted({cell.column for cell in table.cells if cell.highlighted})
    linked = list(table.extra.get("linked_columns", columns))
    return {"table": lines(table), "title": titles[0], "linked_columns": linked}


def read_logicnlg_file(path: Path, tables: Path, skip: Skip | None = None) -> Iterator[Entry]:
    """An entry per statement of a file that maps a table file's name to [statement, columns, title, template].

    An entry is named `<table file>#<place of the statement>`; `extra` holds the table file's name (references
    for LogicNLG's BLEU are all statements on it) and the template.

    Args:
        path: The file.
        tables: The folder of table files.
        skip: Called with the error of a statement, or of a table file with all its statements, that cannot be
            read; without it, the error is raised.

    Raises:
        StructureError: The file is no JSON mapping.
    """
    found = each(json_items(path), lambda name, listed: _sheet(tables, name, listed), path, skip)
    for name, sheet, statements in found:
        yield from each(enumerate(statements), _reader(name, sheet), f"{path}#{name}", skip)


def _sheet(tables: Path, name: object, statements: Any) -> tuple[str, TableSheet, list[Any]]:
    if not isinstance(statements, list):
        raise StructureError("A table's statements must be a list.", found=f"{statements!r:.80}")
    plain = _plain_name(name)
    return plain, TableSheet(read_text(tables / plain)), statements


def _plain_name(name: object) -> str:
    """A name that cannot lead out of the folder."""
    if not isinstance(name, str) or name in ("", ".", "..") or "\0" in name:
        raise StructureError("A table must be named by its file.", found=f"{name!r:.80}")
    if _LEADING.search(name):
        rule = "A table's name must be that of a file in the folder of tables."
        raise StructureError(rule, found=f"{name!r:.80}")
    return name


def _reader(name: str, sheet: TableSheet) -> Callable[[object, Any], Entry]:
    def read(place: object, statement: Any) -> Entry:
        if not isinstance(statement, list) or len(statement) != 4 or not isinstance(statement[1], list):
            rule = "A statement must be a list of text, linked columns, title and template."
            raise StructureError(rule, found=f"{statement!r:.80}")
        text, linked, title, template = statement
        if not (isinstance(text, str) and isinstance(title, str)):
            raise StructureError("A statement and its title must be text.", found=f"{statement!r:.80}")
        extra = {"table": name, "template": template}
        table = sheet.table(title, linked)
        # by position: by name takes three times as long
        return Entry(table, (text,), f"{name}#{place}", None, sheet.n_rows, (), (), (), extra)

    return read
