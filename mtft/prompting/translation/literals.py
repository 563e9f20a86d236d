"""The strings within a template's code that become part of what it writes, such as `{{ "Yes" if label }}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.parser import Parser

from mtft.prompting.sandbox import STRICT
from mtft.prompting.translation.chunks import Chunk

_STRING = re.compile(r"""'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)\"""", re.DOTALL)
_NAME = "literal{}literal"


class Literal(NamedTuple):
    """A string in code.

    Attributes:
        chunk: Number of its chunk.
        start: Where its quotes begin in the chunk's source.
        end: Where they end.
        text: What it says.
    """

    chunk: int
    start: int
    end: int
    text: str


def written_literals(chunks: list[Chunk]) -> list[Literal]:
    """The strings with letters in the code of a text that reach the output, in order.

    Strings that are compared, searched for or used as keys stay out: translating them would break the
    template. Each string gets a name of its own, and the names are looked for in the parsed text.
    """
    found = [literal for number, chunk in enumerate(chunks) for literal in _strings(number, chunk)]
    replaced = {literal: f'"{_NAME.format(number)}"' for number, literal in enumerate(found)}
    try:
        tree = Parser(STRICT, with_literals(chunks, replaced)).parse()
    except TemplateSyntaxError:
        return []
    written = set(_written(tree))
    return [
        literal
        for number, literal in enumerate(found)
        if _NAME.format(number) in written and any(map(str.isalpha, literal.text))
    ]


def with_literals(chunks: Iterable[Chunk], replaced: Mapping[Literal, str]) -> str:
    """The text with some of its strings, quotes included, replaced."""
    texts = [chunk.source for chunk in chunks]
    for literal in sorted(replaced, reverse=True):  # from the end, so that positions stay
        source = texts[literal.chunk]
        texts[literal.chunk] = source[: literal.start] + replaced[literal] + source[literal.end :]
    return "".join(texts)


def quoted(text: str) -> str:
    """The text as a string of Jinja."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def _strings(number: int, chunk: Chunk) -> Iterator[Literal]:
    if chunk.kind in ("value", "block") and "raw" not in chunk.source[:10]:
        for string in _STRING.finditer(chunk.source):
            raw = string.group(1) if string.group(1) is not None else string.group(2)
            # As Jinja's lexer reads it.
            text = raw.encode("ascii", "backslashreplace").decode("unicode-escape", "replace")
            yield Literal(number, string.start(), string.end(), text)


def _written(tree: nodes.Template) -> Iterator[str]:
    """The constants that reach the output, directly, in a variable, or through a filter that keeps them."""
    for output in tree.find_all(nodes.Output):
        for child in output.nodes:
            yield from _constants(child)
    for assignment in tree.find_all(nodes.Assign):
        yield from _constants(assignment.node)


def _constants(node: nodes.Node | None) -> Iterator[str]:
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    for part in _parts(node):
        yield from _constants(part)


def _parts(node: nodes.Node | None) -> list[nodes.Node | None]:
    """What of an expression becomes part of its value."""
    if isinstance(node, (nodes.Concat, nodes.Output)):
        return list(node.nodes)
    if isinstance(node, nodes.CondExpr):
        return [node.expr1, node.expr2]
    if isinstance(node, (nodes.Add, nodes.Or, nodes.And)):
        return [node.left, node.right]
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return list(node.items)
    if isinstance(node, nodes.Dict):
        return [pair.value for pair in node.items]
    if isinstance(node, nodes.Mod):
        return [node.left]
    if isinstance(node, nodes.Filter):
        return [node.node, *_kept_arguments(node)]
    if isinstance(node, nodes.Call):
        return [node.node] if isinstance(node.node, (nodes.Getattr, nodes.Getitem)) else []
    return [node.node] if isinstance(node, (nodes.Getattr, nodes.Getitem)) else []


def _kept_arguments(node: nodes.Filter) -> list[nodes.Node | None]:
    """The arguments of a filter that it writes: separators, defaults, replacements."""
    if node.name in ("join", "default", "d"):
        return list(node.args[:1])
    return list(node.args[1:2]) if node.name == "replace" else []
