"""YAML text as a small tree of nodes with lines, built from libyaml's events.

PyYAML's own composer recurses in C, and deeply nested text ends the process; this one keeps its stack on the
heap and bounds it. Nothing is ever constructed from a tag.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
)

MAX_DEPTH = 16  # the format needs four levels
TEXT, NULL, BOOL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"
LIST, MAP = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers


class Node:
    """One value of a YAML text.

    Attributes:
        tag: What it is, written or by YAML 1.1's rules.
        line: Where it begins, counted from 1.
        value: A scalar's text; a sequence's or mapping's nodes, keys and values in turn.
    """

    __slots__ = ("line", "tag", "value")

    def __init__(self, tag: str, line: int, value: str | list[Node]) -> None:
        self.tag = tag
        self.line = line
        self.value = value

    @property
    def text(self) -> str | None:
        """A scalar's text; None for a list or mapping."""
        return self.value if isinstance(self.value, str) else None

    @property
    def children(self) -> list[Node]:
        """The nodes of a sequence or mapping; none for a scalar."""
        return [] if isinstance(self.value, str) else self.value

    def __repr__(self) -> str:
        return repr(self.value[:60]) if isinstance(self.value, str) else self.tag.rpartition(":")[2]


def parse_tree(text: str) -> Node | None:
    """The root of the only document in `text`, None for an empty text.

    Raises:
        yaml.YAMLError: The text is no YAML, holds several documents, or nests deeper than `MAX_DEPTH`.
        ValueError: Its characters cannot be read.
    """
    root = Node(LIST, 0, [])
    open_nodes = [root]
    anchors: dict[str, Node] = {}
    for event in _events(text):
        if isinstance(event, CollectionEndEvent):
            open_nodes.pop()
            continue
        node = _node(event, anchors)
        open_nodes[-1].children.append(node)
        if isinstance(event, CollectionStartEvent):
            open_nodes.append(node)
            if len(open_nodes) > MAX_DEPTH:
                raise yaml.YAMLError(f"nested deeper than {MAX_DEPTH} levels, line {node.line}")
    if len(root.children) > 1:
        raise yaml.YAMLError(f"more than one document, the second at line {root.children[1].line}")
    return root.children[0] if root.children else None


def shallow(text: str, depth: int = 4 * MAX_DEPTH) -> str:
    """The text, which nests no deeper than `depth`: only then may PyYAML's composer have it.

    Raises:
        yaml.YAMLError: It nests deeper, or is no YAML.
    """
    level = 0
    for event in _events(text):
        if isinstance(event, CollectionStartEvent):
            level += 1
            if level > depth:
                raise yaml.YAMLError(f"nested deeper than {depth} levels")
        elif isinstance(event, CollectionEndEvent):
            level -= 1
    return text


def _events(text: str) -> Iterator[Any]:
    """The events that make nodes or close them, one at a time: memory stays with the tree."""
    loader = _Loader(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, (ScalarEvent, AliasEvent, CollectionStartEvent, CollectionEndEvent)):
                yield event
            elif isinstance(event, DocumentStartEvent) and event.version not in (None, (1, 1), (1, 2)):
                raise yaml.YAMLError(f"YAML version {event.version} is not known")
    finally:
        loader.dispose()


def _node(event: Any, anchors: dict[str, Node]) -> Node:
    line = event.start_mark.line + 1
    if isinstance(event, AliasEvent):
        if event.anchor not in anchors:
            raise yaml.YAMLError(f"undefined alias `{event.anchor}`, line {line}")
        return anchors[event.anchor]
    if isinstance(event, ScalarEvent):
        node = Node(_scalar_tag(event), line, event.value)
    else:
        is_map = isinstance(event, MappingStartEvent)
        implied = MAP if is_map else LIST
        tag = implied if event.tag in (None, "!") else event.tag
        if is_map == (tag == LIST):  # so that a list's tag alone tells lists from mappings
            raise yaml.YAMLError(f"the tag {tag} cannot stand here, line {line}")
        node = Node(tag, line, [])
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _scalar_tag(event: Any) -> str:
    """A scalar's tag: the written one, text for quoted ones, else what the plain text looks like."""
    if event.tag not in (None, "!"):
        return str(event.tag)
    if not event.implicit[0] or event.tag == "!":
        return TEXT
    for tag, pattern in _RESOLVERS.get(event.value[:1], ()):
        if pattern.match(event.value):
            return str(tag)
    return TEXT
