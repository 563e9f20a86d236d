"""A template's text cut into words and code, so that the pieces put together are the text again."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from mtft.errors import TemplateError

Kind = Literal["text", "value", "block", "comment"]
OPEN_TAG, CLOSE_TAG = "⟦", "⟧"
_OPENING = re.compile(r"\{\{|\{%|\{#|[⟦⟧]")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{(\[]|[})\]]|[-+]?%\}""", re.DOTALL)
_KINDS: dict[str, Kind] = {"{{": "value", "{%": "block", "{#": "comment"}


class Chunk(NamedTuple):
    """A stretch of a template's source.

    Attributes:
        kind: `text` is words; `value` prints something, `block` is a statement, `comment` neither.
        source: As it is written.
    """

    kind: Kind
    source: str


def chunks(jinja: str) -> list[Chunk]:
    """The chunks of a Jinja text, in order; joined they are the text.

    The brackets of translation tags are values where the text itself holds them: translators see a tag.

    Raises:
        TemplateError: Code is not closed.
    """
    found: list[Chunk] = []
    position = 0
    while opening := _OPENING.search(jinja, position):
        if opening.start() > position:
            found.append(Chunk("text", jinja[position : opening.start()]))
        position = _end(jinja, opening)
        kind = _KINDS.get(opening.group(), "value")
        found.append(Chunk(kind, jinja[opening.start() : position]))
    if position < len(jinja):
        found.append(Chunk("text", jinja[position:]))
    return found


def _end(jinja: str, opening: re.Match[str]) -> int:
    """The position after the code that is opened there."""
    if opening.group() in (OPEN_TAG, CLOSE_TAG):
        return opening.end()
    if opening.group() == "{#":
        return _after(jinja, jinja.find("#}", opening.end()), 2, opening)
    raw = _RAW.match(jinja, opening.start())
    if raw is not None:
        end = _END_RAW.search(jinja, raw.end())
        return _after(jinja, -1 if end is None else end.end(), 0, opening)
    return _code_end(jinja, opening)


def _code_end(jinja: str, opening: re.Match[str]) -> int:
    """The end of `{{ … }}` or `{% … %}`, whose strings and braces may hold what looks like one."""
    depth = 0
    closing = "}}" if opening.group() == "{{" else "%}"
    for token in _TOKEN.finditer(jinja, opening.end()):
        text = token.group()
        if not depth and closing == "}}" and jinja.startswith(closing, token.start()):
            return token.start() + 2
        if text.endswith("%}"):
            if closing == "%}" and not depth:
                return token.end()
        elif text in "{([":
            depth += 1
        elif text in "})]":
            depth -= 1
    return _after(jinja, -1, 0, opening)


def _after(jinja: str, position: int, length: int, opening: re.Match[str]) -> int:
    if position < 0:
        line = jinja.count("\n", 0, opening.start()) + 1
        rule = f"`{opening.group()}` must be closed."
        raise TemplateError(rule, found="no end", where=f"line {line} of the text")
    return position + length
