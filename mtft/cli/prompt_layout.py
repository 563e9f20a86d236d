"""How a row and its rendering are laid out: side by side on a wide terminal, one below the other elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from mtft.cli.output import console, say
from mtft.cli.prompt_rows import ShownRow

if TYPE_CHECKING:
    from mtft.prompting import Template
    from mtft.prompting.highlight import Piece, TracedRendering

SIDE_BY_SIDE = 100  # columns of a terminal
# Control characters of a row must not steer the terminal.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {
    0x7F: 0x2421,
    0x9B: 0x241B,
}
# Readable on dark and light backgrounds alike; a column keeps its colour in the row and in the text.
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta")


class Shown(NamedTuple):
    """One template on one row.

    Attributes:
        template: The template.
        row: The row.
        traced: What it renders to; None where it leaves the row out or fails.
        error: Why it failed.
    """

    template: Template
    row: ShownRow
    traced: TracedRendering | None = None
    error: str | None = None


def shown(template: Template, row: ShownRow, seed: int) -> Shown:
    """A template on a row; a row that it cannot render says why."""
    from mtft.errors import TemplateError
    from mtft.prompting.highlight import render_traced

    try:
        return Shown(template, row, render_traced(template, row.fields, example_id=row.id, seed=seed))
    except TemplateError as error:
        return Shown(template, row, error=str(error))


def as_json(item: Shown) -> dict[str, Any]:
    """One rendering as plain data; `pieces` are the input's [text, column or null]."""
    head = {"template": item.template.name, "row": item.row.id, "language": item.row.language}
    if item.traced is None:
        return head | ({"error": item.error} if item.error else {"skipped": "blank"})
    rendered = item.traced.rendered
    choices = rendered.answer_choices
    return head | {
        "inputs": rendered.inputs,
        "targets": list(rendered.targets),
        "answer_choices": None if choices is None else list(choices),
        "pieces": [list(piece) for piece in item.traced.inputs] if item.traced.traced else None,
        "fields": dict(item.row.fields),
    }


def say_shown(items: Iterable[Shown]) -> None:
    """Prints rows next to their renderings."""
    out = console()
    for item in items:
        say(_head(item))
        if out.is_terminal and out.width >= SIDE_BY_SIDE and item.traced is not None:
            _side_by_side(out, item)
        else:
            _one_below_the_other(item)
        say("")


def _head(item: Shown) -> Text:
    language = f" · {item.row.language}" if item.row.language else ""
    return Text(f"── {item.template.name}{language} · row {item.row.id}", style="bold")


def _side_by_side(out: Console, item: Shown) -> None:
    table = Table.grid(padding=(0, 3))
    table.add_column(ratio=2, overflow="fold")
    table.add_column(ratio=3, overflow="fold")
    rendered = Group(*_rendered(item))
    table.add_row(Group(*_fields(item.row.fields)), rendered)
    out.print(table)


def _one_below_the_other(item: Shown) -> None:
    say(*_fields(item.row.fields), "", *_rendered(item))


def _fields(fields: Mapping[str, Any]) -> list[Text]:
    """The row's columns, one line each, in their colours."""
    return [
        Text.assemble((f"{name}: ", "bold"), (_value(value), _colour(name, fields)))
        for name, value in fields.items()
    ]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return _visible(text)


def _visible(text: str) -> str:
    """The text, with pictures of control characters on a terminal."""
    return text.translate(_PICTURES) if console().is_terminal else text


def _colour(column: str, fields: Mapping[str, Any]) -> str:
    return COLOURS[list(fields).index(column) % len(COLOURS)]


def _rendered(item: Shown) -> list[Text]:
    """Input, target and choices, with what came from a column in the column's colour."""
    if item.traced is None:
        return [Text(item.error or "The template leaves this row out.", style="red" if item.error else "dim")]
    traced, fields = item.traced, item.row.fields
    lines = [_coloured(traced.inputs, fields), _listed("→ ", traced.targets, fields)]
    if traced.answer_choices:
        lines.append(_listed("choices: ", traced.answer_choices, fields))
    return lines


def _listed(head: str, texts: Sequence[Sequence[Piece]], fields: Mapping[str, Any]) -> Text:
    joined = Text(" | ").join(_coloured(pieces, fields) for pieces in texts)
    return Text.assemble((head, "bold"), joined)


def _coloured(pieces: Sequence[Piece], fields: Mapping[str, Any]) -> Text:
    return Text.assemble(
        *(
            (_visible(piece.text), "" if piece.column is None else f"bold {_colour(piece.column, fields)}")
            for piece in pieces
        )
    )
