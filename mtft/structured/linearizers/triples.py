"""The style `triples`: `<H> subject <R> predicate <T> object`, as for DART.

Source: Nan et al. 2021, "DART", NAACL; Yale-LILY/dart, `data/v1.1.1/generate_input_dart.py`, which also changes
case and punctuation; here every text stays as it is. Titles are triples of DART's pseudo-nodes.
"""

from __future__ import annotations

from mtft.structured.linearizers.markup import escaped, tag
from mtft.structured.linearizers.plan import Group, Item, Linearizer, Piece, Plan
from mtft.structured.linearizers.view import View, header_item, title_item
from mtft.structured.table import Cell, Table, Title

_SUBJECT, _PREDICATE, _OBJECT = map(tag, "HRT")
_CONTEXT = "[TABLECONTEXT]"  # DART's subject of what is said about a whole table


def plan(table: Table) -> Plan:
    """A triple per cell: its row headers, its column headers, its value, each header with its own tag."""
    view = View(table)
    told = [(_told(view, cell), view.cell_item(cell)) for cell in view.told]
    told += [(_lone(cell), header_item()) for cell in view.lone]
    titles = [(_told_title(title), title_item(title), title.place) for title in table.titles]
    statements: list[tuple[str, Item]] = [(text, item) for text, item, place in titles if place is None]
    placed = {place: (text, item) for text, item, place in titles if place is not None}
    statements += told
    for place in sorted(placed):  # where titles stood among the source's triples
        statements.insert(place, placed[place])
    pieces = [Piece(text, (n,)) for n, (text, _) in enumerate(statements)]
    return Plan([item for _, item in statements], Group(pieces), view.omitted)


def _told_title(title: Title) -> str:
    return _statement([_CONTEXT], [f"[{title.role.upper()}]"], title.text)


def _told(view: View, cell: Cell) -> str:
    subjects = [head.text for head in view.left(cell)]
    if not subjects and view.table.kind == "triples":
        subjects = [_CONTEXT]
    elif not subjects and (number := view.row_number(cell)):
        subjects = [f"[ROW_{number}]"]
    return _statement(subjects, [head.text for head in view.above(cell)], cell.value)


def _lone(cell: Cell) -> str:
    return _statement([cell.text], [], None) if cell.row_header else _statement([], [cell.text], None)


def _statement(subjects: list[str], predicates: list[str], value: str | None) -> str:
    """The triple; a slot that has no value has no object."""
    parts = [(_SUBJECT, text) for text in subjects] + [(_PREDICATE, text) for text in predicates]
    if value is not None:
        parts.append((_OBJECT, value))
    return " ".join([f"{tag_} {escaped(text)}" if text else tag_ for tag_, text in parts])


TRIPLES = Linearizer("triples", 1, plan, (_SUBJECT, _PREDICATE, _OBJECT))
