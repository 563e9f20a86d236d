"""What templates call their columns: `Premise: {{ premise }}`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from jinja2 import nodes

from mtft.prompting.linting.view import View

_COLONS = (":", "：", "፡", "։")
_QUOTES = " \t\"'“”‘’«»„「」『』*"
Labels = dict[str, Counter[tuple[str, str]]]  # language → (label, column) → templates


def labelled(view: View) -> list[tuple[str, str]]:
    """(label, column) for every column of the input that a word and a colon introduce, in order."""
    found = []
    for before, item in pairwise(view.items):
        column = _column(item.node)
        if before.kind == "text" and item.kind == "value" and not item.target and column is not None:
            label = _label(before.text)
            if label:
                found.append((label, column))
    return found


def _column(node: nodes.Node) -> str | None:
    """The column that an expression prints, filtered or not."""
    while isinstance(node, nodes.Filter) and node.node is not None:
        node = node.node
    return node.name if isinstance(node, nodes.Name) else None


def _label(text: str) -> str:
    """The words between the line's beginning and the colon at the text's end."""
    line = text.rstrip(_QUOTES + "\n").rsplit("\n", 1)[-1]
    return line[:-1].strip(_QUOTES).casefold() if line.endswith(_COLONS) else ""


def labels_of(views: Iterable[tuple[str | None, View]]) -> Labels:
    """How many templates of each language call a column by a label."""
    found: Labels = {}
    for language, view in views:
        found.setdefault(language or "", Counter()).update(set(labelled(view)))
    return found
