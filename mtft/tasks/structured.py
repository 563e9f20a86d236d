"""Readers of structures and texts: one record per structure, with all its texts.

Columns of every record: `table` (plain data), `texts` (mappings with `text`, and `comment` or `source` where the
file has one), `id` (unique over a split's files), `group` (equal for equal structures, whatever their order and
language), `category`, `size`, `source`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mtft.errors import StructureError
from mtft.structured.dart import read_dart_file
from mtft.structured.entry import Entry, Skip
from mtft.structured.logicnlg import read_logicnlg_file
from mtft.structured.meaning_representation import read_meaning_representation_file, slot_name
from mtft.structured.scigen import read_scigen_file, without_markup
from mtft.structured.table import Cell, Table
from mtft.structured.totto import read_totto_file
from mtft.structured.triples import to_triples
from mtft.structured.webnlg import read_webnlg_file
from mtft.tasks.expression import text_hash
from mtft.tasks.raw import Drop, Record
from mtft.tasks.references import SEPARATOR, letters

# Source: Gardent et al. 2017, "The WebNLG Challenge", INLG, section 2: the categories of the training data.
SEEN_CATEGORIES = frozenset(
    {
        *("Airport", "Astronaut", "Building", "City", "ComicsCharacter", "Food", "Monument", "SportsTeam"),
        *("University", "WrittenWork"),
    }
)
SIZES = (10, 25, 50, 100)  # upper ends of the bins of tables by their data cells
Values = dict[str, Any]
Entries = Callable[[Path, Skip], Iterator[Entry]]


class Found(NamedTuple):
    """An entry and the file that holds it."""

    entry: Entry
    path: Path


def read_webnlg(files: Sequence[Path], shown: str, folder: Path, drop: Drop) -> Iterator[Record]:
    """WebNLG's entries; `seen` says whether their category occurs in training.

    An entry's number is unique within its file alone: the file's folder and name stand before it.
    """

    def values(found: Found) -> Values:
        category = found.entry.category or found.path.stem
        seen = "seen" if category in SEEN_CATEGORIES else "unseen"
        own = f"{found.path.parent.name}/{found.path.stem}/{found.entry.id}"
        return {**_values(found.entry), "id": own, "category": category, "seen": seen}

    return _records(files, shown, drop, lambda path, skip: read_webnlg_file(path, skip=skip), values)


def read_dart(files: Sequence[Path], shown: str, folder: Path, drop: Drop) -> Iterator[Record]:
    """DART's entries; `category` is the kind of source, `source` its name."""

    def values(found: Found) -> Values:
        made = _values(found.entry)
        return {**made, "category": _family(made["source"])}

    return _records(files, shown, drop, read_dart_file, values)


def read_e2e(files: Sequence[Path], shown: str, folder: Path, drop: Drop) -> Iterator[Record]:
    """E2E's meaning representations; `category` is what sort of place it is."""

    def values(found: Found) -> Values:
        kinds = [value for slot, value in _slots(found.entry.table) if slot == "eatType" and value]
        return {**_values(found.entry), "category": kinds[0] if kinds else "unknown"}

    return _records(files, shown, drop, _meanings, values)


def read_viggo(files: Sequence[Path], shown: str, folder: Path, drop: Drop) -> Iterator[Record]:
    """ViGGO's meaning representations; `category` is the dialogue act."""
    return _records(files, shown, drop, _meanings, lambda found: _values(found.entry))


def read_scigen(files: Sequence[Path], shown: str, folder: Path, drop: Drop) -> Iterator[Record]:
    """SciGen's tables without markup in their cells; `category` is the file's field, else `few-shot`."""

    def values(found: Found) -> Values:
        entry = replace(found.entry, table=_unmarked(found.entry.table))
        category = (
            found.path.stem.removeprefix("test-") if found.path.stem.startswith("test-") else "few-shot"
        )
        return {**_values(entry), "category": category}

    return _records(files, shown, drop, read_scigen_file, values)


def read_totto(files: Sequence[Path], shown: str, folder: Path, drop: Drop) -> Iterator[Record]:
    """ToTTo's tables with their marked cells; `category` is `overlap`, `nonoverlap` or, unmarked, `train`."""

    def values(found: Found) -> Values:
        overlap = found.entry.extra.get("overlap_subset")
        category = "train" if overlap is None else "overlap" if overlap else "nonoverlap"
        return {**_values(found.entry), "category": category}

    return _records(files, shown, drop, lambda path, skip: read_totto_file(path, skip=skip), values)


def read_logicnlg(files: Sequence[Path], shown: str, folder: Path, drop: Drop) -> Iterator[Record]:
    """LogicNLG's tables, once for each set of linked columns; `category` is how many columns are linked.

    The first texts are the statements about these columns, then come the table's other ones.
    """
    tables = files[0].parent / "tables"
    every: dict[str, list[Entry]] = {}
    for found in _found(files, shown, drop, lambda path, skip: read_logicnlg_file(path, tables, skip)):
        every.setdefault(found.entry.id.rpartition("#")[0], []).append(found.entry)
    number = 0
    for name, entries in every.items():
        for linked, own in _by_columns(entries).items():
            others = [entry for entry in entries if entry not in own]
            values = _values(own[0])
            values["texts"] = [text for entry in (*own, *others) for text in _texts(entry)]
            columns = ",".join(map(str, linked))
            values |= {"id": f"{name}:{columns}", "group": f"logicnlg/{name}", "category": str(len(linked))}
            yield Record(values, number, f"{shown}#{own[0].id}")
            number += 1


def _by_columns(entries: Sequence[Entry]) -> dict[tuple[int, ...], list[Entry]]:
    found: dict[tuple[int, ...], list[Entry]] = {}
    for entry in entries:
        linked = sorted({cell.column for cell in entry.table.cells if cell.highlighted})
        found.setdefault(tuple(linked), []).append(entry)
    return found


def _meanings(path: Path, skip: Skip) -> Iterator[Entry]:
    return read_meaning_representation_file(path, skip=skip)


def _records(
    files: Sequence[Path], shown: str, drop: Drop, read: Entries, values: Callable[[Found], Values]
) -> Iterator[Record]:
    """The records of all files, numbered through."""
    for number, found in enumerate(_found(files, shown, drop, read)):
        yield Record(values(found), number, f"{_place(found.path, files, shown)}#{found.entry.id}")


def _found(files: Sequence[Path], shown: str, drop: Drop, read: Entries) -> Iterator[Found]:
    """The entries of all files; an entry, or a whole file, that cannot be read is dropped."""
    for path in files:
        place = _place(path, files, shown)

        def skip(error: StructureError, place: str = place) -> None:
            drop("malformed_row", place, str(error))

        try:
            for entry in read(path, skip):
                yield Found(entry, path)
        except StructureError as error:
            drop("malformed_file", place, str(error))


def _place(path: Path, files: Sequence[Path], shown: str) -> str:
    """A file's place below the data folder; `shown` is the first one's."""
    root = files[0].parents[shown.count("/")]
    return path.relative_to(root).as_posix()


def _values(entry: Entry) -> Values:
    table = entry.table
    return {
        "table": table.as_dict(),
        "texts": _texts(entry),
        "id": entry.id,
        "group": group_of(table),
        "category": entry.category or "unknown",
        "size": _size(entry),
        "source": SEPARATOR.join(sorted({source for source in entry.sources if source})) or "own",
    }


def _texts(entry: Entry) -> list[dict[str, str]]:
    """Each reference with what the file says of it."""
    made = [{"text": text} for text in entry.references]
    for key, values in (
        ("comment", entry.comments),
        ("source", entry.sources),
        ("language", entry.languages),
    ):
        for text, value in zip(made, values, strict=bool(values)):
            text[key] = value
    return made


def _size(entry: Entry) -> str:
    """Triples or slots; of a table its data cells, in bins."""
    if entry.table.kind != "table":
        return str(entry.size)
    cells, low = len(entry.table.data), 0
    for high in SIZES:
        if cells <= high:
            return f"{low + 1}-{high}"
        low = high
    return f"over {low}"


def _family(source: str) -> str:
    """`WikiSQL` of `WikiSQL_decl_sents`."""
    return source.partition("_")[0]


def _unmarked(table: Table) -> Table:
    def cleaned(cell: Cell) -> Cell:
        return cell if cell.value is None else replace(cell, value=without_markup(cell.value))

    titles = tuple(replace(title, text=without_markup(title.text)) for title in table.titles)
    return replace(table.moved(cleaned), titles=titles)


def group_of(table: Table) -> str:
    """The item group of a structure: its statements in any order and spelling, or a table's titles and values.

    A meaning representation without a dialogue act says of its `name` what triples would, so that what DART
    took from E2E is in E2E's groups, as what it took from WebNLG is in WebNLG's.
    """
    if table.kind == "table":
        values = [title.text for title in table.titles] + [cell.text for cell in table.cells]
        return f"table/{text_hash(json.dumps(values, ensure_ascii=False))}"
    statements = to_triples(table) if table.kind == "triples" else _statements(table)
    spelled = sorted({"\t".join(map(letters, statement)) for statement in statements})
    return f"structure/{text_hash(json.dumps(spelled))}"


def _statements(table: Table) -> list[tuple[str, ...]]:
    slots = _slots(table)
    acts = [title.text for title in table.titles]
    name = next((value for slot, value in slots if slot == "name"), None)
    if acts or name is None:
        return [(act,) for act in acts] + [
            (slot, "none" if value is None else value) for slot, value in slots
        ]
    return [(name, slot, value or "") for slot, value in slots if slot != "name"]


def _slots(table: Table) -> list[tuple[str, str | None]]:
    return [(slot_name(table, cell), cell.value) for cell in table.data]
