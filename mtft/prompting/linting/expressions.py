"""Jinja expressions as the linter reads them: what they write, and when two are the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

_KEPT_ARGUMENTS = {"join": 0, "default": 0, "d": 0, "replace": 1}  # what a filter writes beside its value
MASKED = "…"


def written_strings(node: nodes.Node | None) -> Iterator[nodes.Const]:
    """The string constants that become part of an expression's value; compared or searched ones do not."""
    if isinstance(node, nodes.Const):
        if isinstance(node.value, str):
            yield node
        return
    for part in _written_parts(node):
        yield from written_strings(part)


def _written_parts(node: nodes.Node | None) -> list[Any]:
    if isinstance(node, nodes.Concat):
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
        kept = _KEPT_ARGUMENTS.get(node.name)
        return [node.node, *([] if kept is None else node.args[kept : kept + 1])]
    if isinstance(node, nodes.Call):
        return [node.node]
    return [node.node] if isinstance(node, (nodes.Getattr, nodes.Getitem)) else []


def shape(node: nodes.Node, masked: frozenset[int] | None = None) -> str:
    """The expression in one spelling, its written strings masked: translations of it have the same.

    Example: `{{ "Yes" if label else "No" }}` and `{{ 'Sí' if label else 'No' }}`.
    """
    if masked is None:
        masked = frozenset(map(id, written_strings(node)))
    if isinstance(node, nodes.Const):
        return MASKED if id(node) in masked else repr(node.value)
    if isinstance(node, nodes.Name):
        return str(node.name)
    parts = [_field_shape(value, masked) for name, value in node.iter_fields() if name != "ctx"]
    return f"{type(node).__name__}({', '.join(parts)})"


def _field_shape(value: Any, masked: frozenset[int]) -> str:
    if isinstance(value, nodes.Node):
        return shape(value, masked)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_field_shape(item, masked) for item in value)}]"
    return repr(value)


def names(node: nodes.Node) -> set[str]:
    """The names an expression reads."""
    found = {name.name for name in node.find_all(nodes.Name) if name.ctx == "load"}
    return found | ({node.name} if isinstance(node, nodes.Name) else set())


def assigned(tree: nodes.Template) -> frozenset[str]:
    """The names that a text gives values of its own, in `set`, `for` or `with`."""
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx != "load")
