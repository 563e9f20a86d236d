"""Sheets as XLIFF 1.2, the exchange format of translation tools; tags are its `<x/>` elements.

Source: OASIS, XLIFF Version 1.2, 1 February 2008, http://docs.oasis-open.org/xliff/v1.2/os/xliff-core.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from mtft.errors import TemplateError
from mtft.prompting.translation.chunks import CLOSE_TAG, OPEN_TAG
from mtft.prompting.translation.rebuild import TAG
from mtft.prompting.translation.sheet import SheetRow

_NAMESPACE = "urn:oasis:names:tc:xliff:document:1.2"
_NOTES = ("key", "context", "note", "version", "origin")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_xliff(rows: list[SheetRow]) -> str:
    """The rows as one XLIFF document, a group per template.

    Raises:
        TemplateError: A text holds a character that XML cannot.
    """
    root = Element("xliff", version="1.2", xmlns=_NAMESPACE)
    for (dataset, source, language), of_file in groupby(rows, key=_file):
        attributes = {"source-language": source, "target-language": language}
        file = SubElement(root, "file", {"original": dataset, "datatype": "x-jinja", **attributes})
        body = SubElement(file, "body")
        for (uuid, name), of_template in groupby(of_file, key=lambda row: (row.template, row.name)):
            group = SubElement(body, "group", id=uuid, resname=_checked(name))
            for row in of_template:
                group.append(_unit(row))
    for element in root.iter():
        if element.tag in ("file", "body", "group", "trans-unit"):
            # Line breaks between elements alone: within a text they would be part of it.
            element.text = element.tail = "\n"
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _file(row: SheetRow) -> tuple[str, str, str]:
    return row.dataset, row.source_language, row.language


def _checked(text: str) -> str:
    found = _NOT_XML.search(text)
    if found:
        rule = "XLIFF must hold only characters of XML."
        raise TemplateError(rule, found=repr(found.group()), remedy="Export as csv.")
    return text


def _unit(row: SheetRow) -> Element:
    unit = Element("trans-unit", id=f"{row.template} {row.segment}", resname=row.segment)
    unit.set("xml:space", "preserve")
    unit.append(_tagged("source", row.source))
    unit.append(_tagged("target", row.target))
    for name in _NOTES:
        if value := getattr(row, name):
            note = SubElement(unit, "note", {"from": name})
            note.text = _checked(value)
    return unit


def _tagged(name: str, text: str) -> Element:
    """An element of words and `<x/>` elements."""
    made = Element(name)
    last: Element | None = None
    for at, part in enumerate(TAG.split(_checked(text))):
        if at % 2:
            last = SubElement(made, "x", id=part)
        elif last is None:
            made.text = part
        else:
            last.tail = part
    return made


def read_xliff(text: str, path: Path) -> list[SheetRow]:
    """The rows of an XLIFF document; `row` counts its units.

    Raises:
        TemplateError: It is no XLIFF 1.2, or brings entities of its own.
    """
    # A document type could declare entities that grow without bound, or name files.
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise TemplateError("A sheet must not declare a document type.", found="<!DOCTYPE", where=path)
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise TemplateError("A sheet must be readable XML.", found=error, where=path) from None
    if root.tag != _named("xliff"):
        raise TemplateError("A sheet must be XLIFF 1.2.", found=f"<{root.tag[:80]}>", where=path)
    return list(_rows(root, path))


def _named(name: str) -> str:
    return f"{{{_NAMESPACE}}}{name}"


def _rows(root: Element, path: Path) -> Iterator[SheetRow]:
    number = 0
    for file in root.iter(_named("file")):
        for unit in file.iter(_named("trans-unit")):
            number += 1
            template, _, segment = unit.get("id", "").partition(" ")
            notes = {note.get("from"): note.text or "" for note in unit.iter(_named("note"))}
            yield SheetRow(
                file.get("original", ""),
                template,
                "",
                segment,
                notes.get("key", ""),
                file.get("source-language", ""),
                file.get("target-language", ""),
                _text(unit.find(_named("source")), path, number),
                _text(unit.find(_named("target")), path, number),
                version=notes.get("version", ""),
                origin=notes.get("origin", ""),
                row=number,
            )


def _text(element: Element | None, path: Path, number: int) -> str:
    """Words with tags of an element of words and `<x/>` elements."""
    if element is None:
        return ""
    parts = [element.text or ""]
    for inner in element:
        if inner.tag != _named("x"):
            rule = "A unit must hold words and `<x/>` elements alone."
            raise TemplateError(
                rule, found=f"<{inner.tag.rpartition('}')[2]}>", where=f"{path}, unit {number}"
            )
        parts += [f"{OPEN_TAG}{inner.get('id', '')}{CLOSE_TAG}", inner.tail or ""]
    return "".join(parts)
