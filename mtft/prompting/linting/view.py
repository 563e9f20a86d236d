"""A template taken apart once, for all rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

from jinja2 import nodes
from jinja2.parser import Parser

from mtft.prompting.linting.expressions import assigned, names, shape, written_strings
from mtft.prompting.rewrite import SEPARATOR
from mtft.prompting.sandbox import STRICT
from mtft.prompting.template import Template

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Item(NamedTuple):
    """A stretch of a template in reading order.

    Attributes:
        kind: Literal `text`, a `value` that is printed, or a `control`: a condition, a loop's list, what is
            assigned.
        text: The text; a value's or control's shape.
        node: Its node.
        target: Whether it stands behind the separator.
        line: In the template's text, from 1.
    """

    kind: Literal["text", "value", "control"]
    text: str
    node: nodes.Node
    target: bool
    line: int


class View:
    """A template that compiles, and what it consists of.

    Args:
        template: The template.
    """

    def __init__(self, template: Template) -> None:
        self.template = template

    @cached_property
    def tree(self) -> nodes.Template:
        """The syntax tree of the text, as it is written."""
        return Parser(STRICT, self.template.jinja).parse()

    @cached_property
    def choices_tree(self) -> nodes.Template | None:
        """The syntax tree of the answer choices."""
        return Parser(STRICT, self.template.answer_choices or "").parse() if self.has_choices else None

    @property
    def has_choices(self) -> bool:
        """Whether there are answer choices, were they the wrong ones."""
        return bool(self.template.answer_choices and self.template.answer_choices.strip())

    @cached_property
    def choices(self) -> tuple[str, ...] | None:
        """The answer choices, where they are the same for all rows."""
        return self.template.fixed_choices()

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Texts and code in reading order, each branch of an `if` after the other."""
        found: list[Item] = []
        _walk(self.tree.body, False, found)
        return tuple(found)

    @cached_property
    def assigned(self) -> frozenset[str]:
        """The names that the text gives values of its own."""
        return assigned(self.tree)

    @cached_property
    def indexed(self) -> tuple[tuple[int, str], ...]:
        """(line, column) of every `answer_choices[column]` in the text."""
        return tuple(
            (node.lineno, node.arg.name)
            for node in self.tree.find_all(nodes.Getitem)
            if isinstance(node.node, nodes.Name)
            and node.node.name == "answer_choices"
            and isinstance(node.arg, nodes.Name)
            and node.arg.name not in self.assigned
        )

    def code(self, *, target: bool | None = None) -> list[Item]:
        """The values and controls, on one side of the separator or on both."""
        return [item for item in self.items if item.kind != "text" and target in (None, item.target)]

    def texts(self, *, target: bool | None = None) -> list[Item]:
        """The literal texts, on one side of the separator or on both."""
        return [item for item in self.items if item.kind == "text" and target in (None, item.target)]

    def literals(self, *, target: bool | None = None) -> list[tuple[str, int]]:
        """The strings in code that are written, each with its line."""
        return [
            (str(string.value), string.lineno)
            for item in self.code(target=target)
            for node in (_assigned_parts(item) if item.kind == "control" else [item.node])
            for string in written_strings(node)
        ]

    def written(self, *, target: bool | None = None) -> list[str]:
        """All words of the template's own: texts and written strings."""
        return [item.text for item in self.texts(target=target)] + [
            text for text, _ in self.literals(target=target)
        ]

    @cached_property
    def prompt(self) -> str:
        """The words of the template's own on the input's side."""
        return "\n".join(self.written(target=False))

    @cached_property
    def prompt_names(self) -> frozenset[str]:
        """The names that the input's side reads."""
        return frozenset().union(*(names(item.node) for item in self.code(target=False)))

    @cached_property
    def all_names(self) -> frozenset[str]:
        """The names that the text reads."""
        return frozenset().union(*(names(item.node) for item in self.code()))


def _assigned_parts(item: Item) -> Sequence[nodes.Node]:
    return [item.node.node] if isinstance(item.node, nodes.Assign) else []


def words(text: str) -> list[str]:
    """The words of a text, of letters alone."""
    return _WORD.findall(text)


def _walk(body: Sequence[nodes.Node], target: bool, found: list[Item]) -> bool:
    """Adds the items of a body; comes back with whether its end is behind the separator."""
    for node in body:
        if isinstance(node, nodes.Output):
            target = _output(node, target, found)
        elif isinstance(node, nodes.If):
            target = _branches(node, target, found)
        else:
            found += [_item("control", part, target) for part in _controls(node)]
            for inner in (getattr(node, "body", []), getattr(node, "else_", [])):
                target = _walk(inner or [], target, found)
    return target


def _output(node: nodes.Output, target: bool, found: list[Item]) -> bool:
    for child in node.nodes:
        if not isinstance(child, nodes.TemplateData):
            found.append(_item("value", child, target))
            target = target or any(SEPARATOR in string.value for string in written_strings(child))
            continue
        line = child.lineno
        for number, part in enumerate(child.data.split(SEPARATOR)):
            target = target or number > 0
            found.append(Item("text", part, child, target, line))
            line += part.count("\n")
    return target


def _branches(node: nodes.If, before: bool, found: list[Item]) -> bool:
    """Each branch begins where the `if` stands; behind it is what any of them is behind."""
    ends = []
    for branch in (node, *node.elif_):
        found.append(_item("control", branch.test, before))
        ends.append(_walk(branch.body, before, found))
    ends.append(_walk(node.else_, before, found))
    return any(ends)


def _controls(node: nodes.Node) -> Iterator[nodes.Node]:
    if isinstance(node, nodes.For):
        yield node.iter
        if node.test is not None:
            yield node.test
    elif isinstance(node, nodes.Assign):
        yield node
    elif isinstance(node, nodes.With):
        yield from node.values
    elif isinstance(node, nodes.FilterBlock):
        yield node.filter


def _item(kind: Literal["value", "control"], node: nodes.Node, target: bool) -> Item:
    # What is assigned to a name is written where the name is.
    masked = frozenset(map(id, written_strings(node.node))) if isinstance(node, nodes.Assign) else None
    return Item(kind, shape(node, masked), node, target, node.lineno)
