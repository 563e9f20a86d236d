"""The ways through a template's conditions, and what each of them writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jinja2 import nodes

from mtft.prompting.linting.expressions import shape
from mtft.prompting.rewrite import SEPARATOR
from mtft.prompting.sandbox import MUTATORS

MOST_WAYS = 256  # beyond, nothing is said


class Way(NamedTuple):
    """One way through.

    Attributes:
        input: Whether it writes an input.
        separators: How many separators, two for more.
        target: Whether it writes a target.
        assumed: The conditions it went by, each with its outcome.
    """

    input: bool = False
    separators: int = 0
    target: bool = False
    assumed: frozenset[tuple[str, bool]] = frozenset()


class TooManyWaysError(Exception):
    """A template has more ways than are followed."""


def ways(tree: nodes.Template) -> set[Way] | None:
    """Every way through the text; loops are taken to run once. None where there are too many."""
    try:
        return _through(tree.body, {Way()})
    except TooManyWaysError:
        return None


def _through(body: Sequence[nodes.Node], before: set[Way]) -> set[Way]:
    for node in body:
        if isinstance(node, nodes.Output):
            before = {_written(node, way) for way in before}
        elif isinstance(node, nodes.If):
            before = _branched(node, before)
        elif isinstance(node, nodes.For):
            before = {_looped(node, way) for way in before}
        elif isinstance(node, (nodes.With, nodes.FilterBlock)):
            before = _through(node.body, before)
        if len(before) > MOST_WAYS:
            raise TooManyWaysError
    return before


def _written(node: nodes.Output, way: Way) -> Way:
    for child in node.nodes:
        way = _with_text(child.data if isinstance(child, nodes.TemplateData) else _example(child), way)
    return way


def _looped(node: nodes.For, way: Way) -> Way:
    """All that any round may write: what one round leaves out, another writes."""
    after = _through(node.body, {way})
    return way._replace(
        input=any(found.input for found in after),
        separators=max(found.separators for found in after),
        target=any(found.target for found in after),
    )


def _example(node: nodes.Node | None) -> str:
    """Text such as an expression writes: its own strings, a word for every value."""
    if isinstance(node, nodes.Const):
        return str(node.value)
    if isinstance(node, nodes.Concat):
        return "".join(map(_example, node.nodes))
    if isinstance(node, nodes.Add):
        return _example(node.left) + _example(node.right)
    if isinstance(node, nodes.Filter) and node.name == "join" and node.args:
        return f"value{_example(node.args[0])}value"
    if node is not None and any(call.attr in MUTATORS for call in node.find_all(nodes.Getattr)):
        return ""  # `{{ list.append(x) or "" }}`: done for what it does
    found = [_example(part) for part in _alternatives(node)]
    return next((text for text in found if SEPARATOR in text), "value")


def _alternatives(node: nodes.Node | None) -> list[nodes.Node | None]:
    """The expressions of which one is this one's value."""
    if isinstance(node, nodes.CondExpr):
        return [node.expr1, node.expr2]
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return list(node.items)
    return [node.node] if isinstance(node, (nodes.Filter, nodes.Getitem)) else []


def _with_text(text: str, way: Way) -> Way:
    head, *rest = text.split(SEPARATOR)
    if not way.separators:
        way = way._replace(input=way.input or bool(head.strip()))
        behind: Iterable[str] = rest
    else:
        behind = (head, *rest)
    return way._replace(
        separators=min(2, way.separators + len(rest)), target=way.target or any(map(str.strip, behind))
    )


def _branched(node: nodes.If, before: set[Way]) -> set[Way]:
    """The ways through each branch and past all of them; a condition that was met before keeps its outcome."""
    after: set[Way] = set()
    for branch in (node, *node.elif_):
        test = shape(branch.test)
        after |= _through(branch.body, _assuming(before, test, True))
        before = _assuming(before, test, False)
    return after | _through(node.else_, before)


def _assuming(found: set[Way], test: str, outcome: bool) -> set[Way]:
    return {
        way._replace(assumed=way.assumed | {(test, outcome)})
        for way in found
        if (test, not outcome) not in way.assumed
    }
