"""Subject-predicate-object triples as a virtual table, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mtft.errors import StructureError
from mtft.structured.table import Cell, Table, Title

Triple = tuple[str, str, str]
CONTEXT = "[TABLECONTEXT]"  # DART's subject of what is said about a whole table
TITLE = "[TITLE]"  # DART's predicate of the table's title
MAX_TRIPLES = 100_000


def read_triples(triples: Iterable[Sequence[str]]) -> Table:
    """The virtual table of triples: a row per subject, a column per predicate, a cell per triple.

    A subject that has a predicate twice gets a second column of that name; a chain is two rows, the object
    of the one being the row header of the other. `[TABLECONTEXT] | [TITLE] | x` is a title; what else is said
    of `[TABLECONTEXT]` stands in a row without header.

        >>> table = read_triples([("Ada", "wrote", "a note"), ("a note", "year", "1843")])
        >>> [(c.row, c.column, c.value) for c in table.data]
        [(1, 1, 'a note'), (2, 2, '1843')]

    Raises:
        StructureError: A triple is not three texts, or there are more than `MAX_TRIPLES`.
    """
    titles: list[Title] = []
    data: list[Cell] = []
    rows: dict[str, int] = {}
    columns: dict[tuple[str, int], int] = {}
    times: dict[tuple[str, str], int] = {}
    place = -1
    for place, (subject, predicate, value) in enumerate(_checked(triples)):
        if subject == CONTEXT and predicate == TITLE:
            titles.append(Title("title", value, place))
            continue
        key = subject, predicate
        time = times[key] = times.get(key, 0) + 1
        row = rows.setdefault(subject, len(rows) + 1)
        data.append(Cell(row, columns.setdefault((predicate, time), len(columns) + 1), value))
    heads = [Cell(0, column, name, 1, 1, True) for (name, _), column in columns.items()]
    heads += [Cell(row, 0, name, 1, 1, False, True) for name, row in rows.items() if name != CONTEXT]
    shape = (len(rows) + 1, len(columns) + 1) if data else (0, 0)
    return Table.trusted("triples", (*heads, *data), shape, titles=tuple(titles), layout="plain", marked=())


def _checked(triples: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    if isinstance(triples, str | bytes):
        raise StructureError("Triples must be a list.", found=f"{triples!r:.80}")
    listed = list(triples)
    if len(listed) > MAX_TRIPLES:
        raise StructureError(f"A set may hold {MAX_TRIPLES:,} triples.", found=f"{len(listed):,}")
    for place, triple in enumerate(listed):
        if not isinstance(triple, list | tuple) or len(triple) != 3:
            raise StructureError(
                "A triple must be a list of subject, predicate and object.",
                found=f"{triple!r:.80}",
                where=f"triple {place}",
            )
        if not (isinstance(triple[0], str) and isinstance(triple[1], str) and isinstance(triple[2], str)):
            found = f"{triple!r:.80}"
            raise StructureError("Each part of a triple must be text.", found=found, where=f"triple {place}")
    return listed


def to_triples(table: Table) -> list[Triple]:
    """The triples of a virtual table, in the order in which they were read, `[TITLE]` among them.

    They follow from the headers alone, so that a table whose rows or columns have moved gives the same.

    Raises:
        StructureError: The table was not read from triples, or a cell has no single predicate or subject.
    """
    if table.kind != "triples":
        remedy = "Only what was read from triples goes back to them."
        raise StructureError("A table must be of kind `triples`.", found=f"`{table.kind}`", remedy=remedy)
    triples = [_triple(table, cell) for cell in table.data]
    for title in sorted((t for t in table.titles if t.place is not None), key=lambda t: t.place or 0):
        triples.insert(title.place or 0, (CONTEXT, TITLE, title.text))
    return triples


def _triple(table: Table, cell: Cell) -> Triple:
    predicates, subjects = table.column_headers(cell), table.row_headers(cell)
    if len(predicates) != 1 or len(subjects) > 1 or cell.value is None:
        raise StructureError(
            "A cell of triples must have one column header, a value and one row header.", found=cell
        )
    return subjects[0].text if subjects else CONTEXT, predicates[0].text, cell.value
