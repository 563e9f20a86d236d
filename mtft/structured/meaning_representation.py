"""Meaning representations as virtual tables, and back: E2E's slots, ViGGO's dialogue acts, in any language.

Source: Novikova, Dušek, Rieser 2017, "The E2E Dataset"; Juraska, Bowden, Walker 2019, "ViGGO".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path

from mtft.errors import StructureError
from mtft.structured.entry import Entry, Skip, each
from mtft.structured.files import csv_rows
from mtft.structured.scan import Slot, balanced, scan
from mtft.structured.table import Cell, Table, Title

# ViGGO's slots whose values are lists. A release date and a developer's name have commas of their own.
VIGGO_LIST_SLOTS = frozenset({"genres", "platforms", "player_perspective"})
_MARKED = re.compile(r"[\[\](),]|^\s|\s$|^$")  # what no name may have, but for parentheses in some places


def read_meaning_representation(text: str) -> Table:
    """The virtual table of a meaning representation: one row, one column per slot, the act as a title.

        >>> table = read_meaning_representation("inform(name[Tetris], rating)")
        >>> [(c.value, table.column_headers(c)[0].value) for c in table.data]
        [('Tetris', 'name'), (None, 'rating')]

    Raises:
        StructureError: Its brackets are unbalanced, or a slot has no name (`scan`).
    """
    act, slots = scan(text)
    heads = [Cell(0, column, slot[0], 1, 1, True) for column, slot in enumerate(slots)]
    data = [Cell(1, column, slot[1]) for column, slot in enumerate(slots)]
    titles = () if act is None else (Title("dialogue_act", act),)
    shape = (2, len(slots)) if slots else (0, 0)
    return Table.trusted(
        "meaning_representation", (*heads, *data), shape, titles=titles, layout="plain", marked=()
    )


def to_meaning_representation(table: Table) -> str:
    """The meaning representation of a virtual table: `act(slot[value], bare, empty[])`, or only the slots.

    Raises:
        StructureError: The table was not read from one, or a name or value cannot stand in one.
    """
    if table.kind != "meaning_representation":
        rule = "A table must be of kind `meaning_representation`."
        remedy = "Only what was read from a meaning representation goes back to one."
        raise StructureError(rule, found=f"`{table.kind}`", remedy=remedy)
    slots = [(slot_name(table, cell), cell.value) for cell in table.data]
    acts = [title.text for title in table.titles if title.role == "dialogue_act"]
    inside = ", ".join(name if value is None else f"{name}[{value}]" for name, value in slots)
    written = f"{acts[0]}({inside})" if acts else inside
    plain = not any(_MARKED.search(name) for name in (*acts, *(name for name, _ in slots)))
    if not (plain and all(balanced(value) for _, value in slots if value)) and not _reads_as(
        written, acts, slots
    ):
        rule = "Names must have no brackets and commas, and values balanced brackets."
        raise StructureError(rule, found=f"{written!r:.120}")
    return written


def _reads_as(written: str, acts: list[str], slots: list[Slot]) -> bool:
    """Whether a text with brackets in unusual places still says what it was written from."""
    try:
        return scan(written) == (acts[0] if acts else None, slots)
    except StructureError:
        return False


def slot_name(table: Table, cell: Cell) -> str:
    """The slot of a cell.

    Raises:
        StructureError: The cell has not one column header.
    """
    names = table.column_headers(cell)
    if len(names) != 1:
        raise StructureError("A slot's cell must have one column header.", found=cell)
    return names[0].text


def values_of(table: Table, cell: Cell, list_slots: Collection[str] = VIGGO_LIST_SLOTS) -> tuple[str, ...]:
    """The values of a slot: the parts of a list value, the one value of any other, none of a bare slot.

    Commas within brackets divide nothing; the empty text has no values.

        >>> table = read_meaning_representation("inform(genres[puzzle, arcade], exp_release_date[May 3, 2019])")
        >>> [values_of(table, cell) for cell in table.data]
        [('puzzle', 'arcade'), ('May 3, 2019',)]

    Args:
        table: The table that holds the cell.
        cell: One of its data cells.
        list_slots: The slots whose values are lists.
    """
    if not cell.text.strip():
        return ()
    if slot_name(table, cell) not in list_slots:
        return (cell.text,)
    return tuple(part for part in _parts(cell.text) if part)


def _parts(value: str) -> Iterator[str]:
    start = depth = 0
    for place, character in enumerate(value):
        depth += (character in "([") - (character in ")]" and depth > 0)
        if character == "," and not depth:
            yield value[start:place].strip()
            start = place + 1
    yield value[start:].strip()


def read_meaning_representation_file(
    path: Path, column: str = "mr", reference: str = "ref", *, grouped: bool = True, skip: Skip | None = None
) -> Iterator[Entry]:
    """The entries of a CSV file, in the order in which their meaning representations first come.

    Args:
        path: The file.
        column: Which column holds the meaning representation.
        reference: Which column holds the text.
        grouped: Whether rows of the same meaning representation make one entry with several references,
            adjacent or not; otherwise every row makes one. An entry is named by its first row.
        skip: Called with the error of a meaning representation that cannot be read; without it, the error
            is raised.

    Raises:
        StructureError: The file is no CSV with these columns.
    """
    groups: dict[str | int, tuple[int, str, list[str]]] = {}
    for row, (meaning, text) in enumerate(csv_rows(path, (column, reference))):
        groups.setdefault(meaning if grouped else row, (row, meaning, []))[2].append(text)
    return each(enumerate(groups.values()), _entry, path, skip)


def _entry(place: object, group: tuple[int, str, list[str]]) -> Entry:
    row, meaning, references = group
    table = _cached(meaning)
    acts = [title.text for title in table.titles]
    return Entry(
        table=table,
        references=tuple(references),
        id=str(row),
        category=acts[0] if acts else None,
        size=table.n_columns,
    )


# Rows of one meaning representation stand side by side.
_cached = lru_cache(maxsize=256)(read_meaning_representation)
