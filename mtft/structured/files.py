"""Files that anybody may have written, read within bounds: XML without entities, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mtft.errors import StructureError

MAX_BYTES = 512 * 1024 * 1024
MAX_DEPTH = 100  # of XML elements; the formats here have seven
_DECLARED = re.compile(r"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']+)[\"']")


def read_text(path: Path) -> str:
    """A file as text; line ends stay as they are.

    Raises:
        StructureError: It cannot be read, is larger than `MAX_BYTES`, or is not UTF-8.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # read at one stroke
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise StructureError(f"A file may hold {MAX_BYTES:,} bytes.", found=f"{size:,}", where=path)
            return file.read().decode().removeprefix("\ufeff")
    except (OSError, ValueError) as error:
        if isinstance(error, StructureError):
            raise
        rule = "The file must be readable, and be UTF-8."
        raise StructureError(rule, found=error, where=path) from error


def parse_xml(content: str, where: object) -> ElementTree.Element:
    """The root element of XML that declares no document type, hence no entities of its own.

    Raises:
        StructureError: It is malformed, declares a document type or another encoding, or is nested deeper
            than `MAX_DEPTH`.
    """
    declared = _DECLARED.match(content)
    if declared and declared[1].lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise StructureError("XML must be UTF-8.", found=f"encoding {declared[1]!r}", where=where)
    if "<!DOCTYPE" in content or "<!ENTITY" in content:
        rule = "XML must not declare a document type or entities."
        raise StructureError(rule, found="<!DOCTYPE or <!ENTITY", where=where, remedy="Take it out.")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise StructureError("The file must be well-formed XML.", found=error, where=where) from error
    _check_depth(root, where)
    return root


def _check_depth(root: ElementTree.Element, where: object) -> None:
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise StructureError(f"XML may be nested {MAX_DEPTH} deep.", found="deeper elements", where=where)
        level = [child for element in level if len(element) for child in element]


def parse_json(content: str | bytes, where: object) -> Any:
    """The data of a JSON text.

    Raises:
        StructureError: It is none.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StructureError("It must be JSON.", found=error, where=where) from error


def json_items(path: Path) -> Iterator[tuple[object, Any]]:
    """The records of a JSON list, or of a JSON mapping, each with its place or key.

    Raises:
        StructureError: The file holds neither.
    """
    data = parse_json(read_text(path), path)
    if isinstance(data, dict):
        yield from data.items()
    elif isinstance(data, list):
        yield from enumerate(data)
    else:
        raise StructureError(
            "The file must hold a JSON list or mapping.", found=type(data).__name__, where=path
        )


def json_lines(path: Path) -> Iterator[tuple[object, str]]:
    """The lines of a JSON Lines file that are not empty, each with its 1-based number, not parsed yet."""
    lines = read_text(path).split("\n")  # not splitlines: JSON text may hold other separators as they are
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def csv_rows(path: Path, columns: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a CSV file with a header, each as the values of the asked columns.

    Raises:
        StructureError: A column is missing or stands there twice, or a row has more or fewer fields than
            the header.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        header = next(reader, [])
        pick = _picker(header, columns, path)
        for row in reader:
            if row:
                yield pick(row, reader.line_num)
    except csv.Error as error:
        raise StructureError(
            "The file must be CSV.", found=error, where=f"{path}:{reader.line_num}"
        ) from error


def _picker(header: list[str], columns: Sequence[str], path: Path) -> Callable[[list[str], int], list[str]]:
    if any(header.count(column) != 1 for column in columns):
        rule = f"The header must name {', '.join(f'`{c}`' for c in columns)} once each."
        raise StructureError(rule, found=", ".join(header), where=f"{path}:1")
    places = [header.index(column) for column in columns]

    def pick(row: list[str], line: int) -> list[str]:
        if len(row) != len(header):
            rule = f"A row must have the header's {len(header)} fields."
            raise StructureError(rule, found=len(row), where=f"{path}:{line}")
        return [row[place] for place in places]

    return pick
