"""WebNLG's XML: entries with an original and a modified triple set, and texts that tell them.

Source: Gardent et al. 2017, "Creating Training Corpora for NLG Micro-Planners"; Castro Ferreira et al. 2018,
"Enriching the WebNLG corpus", whose files hold the text in `lex/text`; elsewhere it stands in `lex` itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from mtft.errors import StructureError
from mtft.structured.entry import Entry, Skip, each
from mtft.structured.files import parse_xml, read_text
from mtft.structured.table import Table
from mtft.structured.triples import read_triples, to_triples

TripleSet = Literal["modified", "original"]
_TAGS = {"modified": ("modifiedtripleset", "mtriple"), "original": ("originaltripleset", "otriple")}
SEPARATOR = " | "


def split_triple(line: str) -> list[str]:
    """The three parts of `subject | predicate | object`, with every other space, quote and bar of theirs.

    Raises:
        StructureError: They are not three, so that one of them holds ` | ` itself or is missing.
    """
    parts = line.split(SEPARATOR)
    if len(parts) != 3:
        rule = "A triple must read `subject | predicate | object`."
        raise StructureError(rule, found=f"{line!r:.120}")
    return parts


def read_webnlg(entry: Element, triples: TripleSet = "modified", number: int = 0) -> Table:
    """The virtual table of one triple set of an `entry` element.

    Args:
        entry: The element.
        triples: Which set: the one that the texts' authors saw (`modified`), or DBpedia's own (`original`).
        number: Which of several sets of that sort.

    Raises:
        StructureError: There is no such set, or one of its triples is malformed.
    """
    outer, inner = _TAGS[triples]
    sets = entry.findall(outer)
    if number >= len(sets):
        raise StructureError(f"An entry must hold `{outer}`.", found=f"{len(sets)} of them")
    return read_triples([split_triple(line.text or "") for line in sets[number].iterfind(inner)])


def to_webnlg(table: Table) -> list[str]:
    """The lines `subject | predicate | object` of a virtual table, as they stand in a triple set.

    Raises:
        StructureError: The table was not read from triples, or ` | ` stands within a part.
    """
    triples = to_triples(table)
    for triple in triples:
        if any(SEPARATOR in part for part in triple):
            raise StructureError("No part of a triple may hold ` | `.", found=f"{triple!r:.120}")
    return [SEPARATOR.join(triple) for triple in triples]


def read_webnlg_file(
    path: Path, triples: TripleSet = "modified", skip: Skip | None = None
) -> Iterator[Entry]:
    """The entries of a file in its order, every `lex` as a reference with its comment.

    Texts stay as they are, some with a space at their end, some empty; `eid` is unique within a file only.

    Args:
        path: The file.
        triples: Which triple set becomes the table.
        skip: Called with the error of an entry that cannot be read; without it, the error is raised.

    Raises:
        StructureError: The file is not XML, or declares a document type.
    """
    items = enumerate(parse_xml(read_text(path), path).iter("entry"))
    return each(items, lambda place, entry: read_entry(place, entry, triples), path, skip)


def read_entry(place: object, entry: Element, triples: TripleSet = "modified") -> Entry:
    """One `entry` element with its texts.

    Raises:
        StructureError: It has no such triple set, or a malformed one.
    """
    table = read_webnlg(entry, triples)
    lexes = entry.findall("lex")
    return Entry(
        table=table,
        references=tuple([_text(lex) for lex in lexes]),
        id=entry.get("eid", str(place)),
        category=entry.get("category"),
        size=_size(entry.get("size"), table),
        comments=_every([lex.get("comment") for lex in lexes]),
        languages=_every([lex.get("lang") for lex in lexes]),
    )


def _text(lex: Element) -> str:
    inner = lex.find("text")
    return (lex if inner is None else inner).text or ""


def _every(values: Sequence[str | None]) -> tuple[str, ...]:
    """The values, empty where one is missing; nothing where all are."""
    return tuple([value or "" for value in values]) if any(value is not None for value in values) else ()


def _size(stated: str | None, table: Table) -> int:
    return int(stated) if stated and stated.isdecimal() else len(table.data) + len(table.titles)
