"""The style `natural`: short English sentences, nothing escaped, not meant to be read back."""

from __future__ import annotations

import re

from mtft.structured.linearizers.plan import Group, Linearizer, Piece, Plan
from mtft.structured.linearizers.view import View, header_item, texts, title_item
from mtft.structured.table import Cell, Table, Title

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TITLES = {
    "page_title": "This is about {}",
    "section_title": "The section is {}",
    "section_text": "{}",
    "caption": "The table shows {}",
    "dialogue_act": "The dialogue act is {}",
    "title": "The title is {}",
}


def plan(table: Table) -> Plan:
    """A sentence per title and cell: `The birth place of Ada Lovelace is London.` is one."""
    view = View(table)
    told = [(_title(title), title_item(title)) for title in table.titles]
    told += [(_sentence(f"There is {_worded(view, cell.text)}"), header_item()) for cell in view.lone]
    told += [(_told(view, cell), view.cell_item(cell)) for cell in view.told]
    pieces = [Piece(text, (n,)) for n, (text, _) in enumerate(told)]
    return Plan([item for _, item in told], Group(pieces), view.omitted)


def _title(title: Title) -> str:
    pattern = _TITLES.get(title.role, f"The {_words(title.role)} is {{}}")
    return _sentence(pattern.replace("{}", title.text or "empty"))


def _told(view: View, cell: Cell) -> str:
    above = ", ".join(_worded(view, text) for text in texts(view.above(cell)))
    left = ", ".join(_worded(view, text, name=True) for text in texts(view.left(cell)))
    if not left and (number := view.row_number(cell)):
        left = f"row {number}"
    value = _value(view, cell)
    if cell.value is None:
        return _sentence(f"The {above or 'value'}{f' of {left}' if left else ''} is open")
    if above:
        return _sentence(f"The {above}{f' of {left}' if left else ''} is {value}")
    return _sentence(f"{left} has {value}" if left else f"There is {value}")


def _value(view: View, cell: Cell) -> str:
    return _worded(view, cell.text, name=True) or "empty"


def _worded(view: View, text: str, *, name: bool = False) -> str:
    """The text as one would write it: identifiers of graphs and slots are words with underscores or capitals."""
    if view.table.kind == "triples":
        return text.replace("_", " ") if name else _words(text)
    return _words(text) if view.table.kind == "meaning_representation" and not name else text


def _words(identifier: str) -> str:
    """The identifier's words: `birthPlace` and `birth_place` are `birth place`; other texts stay."""
    if " " in identifier:
        return identifier
    spaced = _CAMEL.sub(" ", identifier.replace("_", " "))
    return spaced.lower() if spaced != identifier else identifier


def _sentence(text: str) -> str:
    return text if text[-1:] in set(".!?。！？।") else f"{text}."


NATURAL = Linearizer("natural", 1, plan)
