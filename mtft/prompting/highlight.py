"""Renderings that know which characters came from which column of the row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtft.errors import TemplateError
from mtft.prompting.marked import CLOSE, MARKS, OPEN, OPENED, column_of, marked
from mtft.prompting.rendered import Rendered
from mtft.prompting.template import Template

_MARK = re.compile(f"{OPEN}([^{OPENED}]+){OPENED}|{CLOSE}")
_ANY_MARK = re.compile(f"[{''.join(sorted(MARKS))}]")


class Piece(NamedTuple):
    """A stretch of rendered text.

    Attributes:
        text: Never empty.
        column: The column of the row it came from; None for the template's own words.
    """

    text: str
    column: str | None = None


Pieces = tuple[Piece, ...]


class TracedRendering(NamedTuple):
    """One row as text, in pieces.

    Attributes:
        rendered: The texts whole.
        inputs: The prompt's pieces.
        targets: The targets' pieces.
        answer_choices: The choices' pieces, or None.
        traced: Whether the pieces tell columns; False where the template works on its values in a way
            that loses them, and each text is one piece.
    """

    rendered: Rendered
    inputs: Pieces
    targets: tuple[Pieces, ...]
    answer_choices: tuple[Pieces, ...] | None
    traced: bool


def render_traced(
    template: Template, row: Mapping[str, Any], *, example_id: str = "", seed: int = 0
) -> TracedRendering | None:
    """What `template.render` makes of the row, cut into pieces by column; None where it leaves the row out.

    The row is rendered twice, plain and with marked values. The pieces are used only if they are exactly the
    plain rendering once the marks are gone.

    Raises:
        RenderError: As `Template.render`.
    """
    rendered = template.render(row, example_id=example_id, seed=seed)
    if rendered is None:
        return None
    texts = (rendered.inputs, *rendered.targets, *(rendered.answer_choices or ()))
    pieces = _traced_pieces(template, row, example_id, seed, texts)
    return _assembled(rendered, pieces or [_whole(text) for text in texts], traced=pieces is not None)


def _traced_pieces(
    template: Template, row: Mapping[str, Any], example_id: str, seed: int, texts: Sequence[str]
) -> list[Pieces] | None:
    """The pieces of each text; None where they would not be exact."""
    if any(map(_ANY_MARK.search, (template.jinja, template.answer_choices or "", *texts))):
        return None
    columns = list(row)
    marked_row = {name: marked(value, number) for number, (name, value) in enumerate(row.items())}
    try:
        rendered = template.render(marked_row, example_id=example_id, seed=seed)
    except TemplateError:
        return None
    if rendered is None:
        return None
    parts = (rendered.inputs, *rendered.targets, *(rendered.answer_choices or ()))
    found = [_pieces(part, columns) for part in parts]
    plain = [None if pieces is None else "".join(piece.text for piece in pieces) for pieces in found]
    return [pieces for pieces in found if pieces is not None] if plain == list(texts) else None


def _pieces(text: str, columns: Sequence[str]) -> Pieces | None:
    """The text cut at its marks; None where they are not in pairs."""
    found: list[Piece] = []
    opened: list[str] = []
    position = 0
    for mark in _MARK.finditer(text):
        _add(found, text[position : mark.start()], opened)
        position = mark.end()
        if mark.group(1) is not None:
            opened.append(columns[column_of(mark.group(1))])
        elif opened:
            opened.pop()
        else:
            return None
    _add(found, text[position:], opened)
    return None if opened else tuple(found)


def _add(found: list[Piece], text: str, opened: Sequence[str]) -> None:
    """Add a piece, joined to the last one where both are of the same column."""
    column = opened[-1] if opened else None
    if found and found[-1].column == column:
        text = found.pop().text + text
    if text:
        found.append(Piece(text, column))


def _whole(text: str) -> Pieces:
    return (Piece(text),) if text else ()


def _assembled(rendered: Rendered, pieces: Sequence[Pieces], *, traced: bool) -> TracedRendering:
    last = 1 + len(rendered.targets)
    choices = None if rendered.answer_choices is None else tuple(pieces[last:])
    return TracedRendering(rendered, pieces[0], tuple(pieces[1:last]), choices, traced)
