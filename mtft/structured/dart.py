"""DART's JSON and XML: triple sets, some of them about a table as a whole, with texts and their sources.

Source: Nan et al. 2021, "DART: Open-Domain Structured Data Record to Text Generation".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from mtft.errors import StructureError
from mtft.structured.entry import Entry, Skip, each
from mtft.structured.files import parse_json, parse_xml, read_text
from mtft.structured.table import Table
from mtft.structured.triples import read_triples, to_triples
from mtft.structured.webnlg import read_entry


def read_dart(record: Mapping[str, Any]) -> Table:
    """The virtual table of a JSON record's `tripleset`.

    Raises:
        StructureError: It has none, or a malformed one.
    """
    if not isinstance(record, Mapping) or not isinstance(record.get("tripleset"), list):
        raise StructureError("A record must hold a list `tripleset`.", found=f"{record!r:.80}")
    return read_triples(record["tripleset"])


def to_dart(table: Table) -> list[list[str]]:
    """The `tripleset` of a virtual table.

    Raises:
        StructureError: The table was not read from triples.
    """
    return list(map(list, to_triples(table)))


def read_dart_file(path: Path, skip: Skip | None = None) -> Iterator[Entry]:
    """The entries of a JSON or an XML file in its order, told apart by what they begin with.

    An entry of a JSON file is named by its place in the list. `subtree_was_extended` is in `extra` where the
    record has it.

    Args:
        path: The file.
        skip: Called with the error of an entry that cannot be read; without it, the error is raised.

    Raises:
        StructureError: The file is neither JSON nor XML.
    """
    content = read_text(path)
    if content.lstrip()[:1] == "<":
        return each(enumerate(parse_xml(content, path).iter("entry")), _from_xml, path, skip)
    records = parse_json(content, path)
    if not isinstance(records, list):
        raise StructureError("The file must hold a JSON list.", found=type(records).__name__, where=path)
    return each(enumerate(records), _from_json, path, skip)


def _from_xml(place: object, element: Element) -> Entry:
    """What stands in `comment` is the source of a text, no judgement on it."""
    entry = read_entry(place, element)
    return replace(entry, comments=(), sources=entry.comments)


def _from_json(place: object, record: Mapping[str, Any]) -> Entry:
    table = read_dart(record)
    references, sources = _annotations(record.get("annotations", []))
    extended = record.get("subtree_was_extended")
    return Entry(
        table=table,
        references=references,
        id=str(place),
        size=len(record["tripleset"]),
        sources=sources,
        extra={} if extended is None else {"subtree_was_extended": extended},
    )


def _annotations(listed: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        references = tuple([note["text"] for note in listed])
        sources = tuple([note.get("source", "") for note in listed])
    except (TypeError, KeyError, AttributeError) as error:
        rule = "`annotations` must be a list of mappings with `text`."
        raise StructureError(rule, found=f"{listed!r:.80}") from error
    if not {str}.issuperset(map(type, references + sources)):
        raise StructureError("An annotation's text and source must be text.", found=f"{listed!r:.80}")
    return references, sources
