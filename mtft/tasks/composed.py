"""Structures composed from a row's columns, for rows that hold their facts one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mtft.errors import StructureError
from mtft.structured.layout import header_and_rows
from mtft.structured.table import Cell, Table, Title
from mtft.structured.triples import read_triples
from mtft.tasks.context import Context, Fields, RowError
from mtft.tasks.expression import evaluate


@dataclass(frozen=True)
class Structure:
    """`structure: {triples: …}`, `{slots: …}` or `{header: …, rows: …}`; every text is an expression over the row.

    Attributes:
        triples: Subject, predicate and object of each.
        slots: Slot → value of a meaning representation.
        act: Its dialogue act, if it has one.
        header: Column names of a table.
        rows: The values of each of its rows.
        caption: The table's caption, if it has one.
        to: The column that receives the structure.
    """

    triples: tuple[tuple[str, ...], ...] = ()
    slots: dict[str, str] = field(default_factory=dict)
    act: str | None = None
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    caption: str | None = None
    to: str = "table"

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with its structure as plain data."""
        try:
            yield {**row, self.to: self._table(row).as_dict()}
        except KeyError as error:
            raise RowError("missing_column", f"no column `{error.args[0]}`") from None
        except StructureError as error:
            raise RowError("malformed_row", str(error)) from None

    def _table(self, row: Fields) -> Table:
        def filled(texts: Iterable[str]) -> list[str]:
            return [evaluate(text, row) for text in texts]

        if self.triples:
            return read_triples([filled(triple) for triple in self.triples])
        if self.slots:
            return _meaning_representation(self.act, list(self.slots), filled(self.slots.values()))
        cells, shape = header_and_rows(filled(self.header), [filled(values) for values in self.rows])
        titles = () if self.caption is None else (Title("caption", evaluate(self.caption, row)),)
        return Table.trusted("table", tuple(cells), shape, titles=titles, ordered=True)


def _meaning_representation(act: str | None, names: list[str], values: list[str]) -> Table:
    heads = [Cell(0, column, name, column_header=True) for column, name in enumerate(names)]
    cells = [Cell(1, column, value) for column, value in enumerate(values)]
    titles = () if act is None else (Title("dialogue_act", act),)
    return Table.trusted("meaning_representation", (*heads, *cells), (2, len(names)), titles=titles)
