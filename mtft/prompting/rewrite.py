"""The syntax tree of a template, checked against the allowed statements and fitted with meters.

The separator `|||` is found here, in the template's own text and constants, and replaced by three
noncharacters that no data may hold: rendered text is later split at these, so a `|||` inside a row, at
whatever depth, stays text.
"""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateAssertionError
from jinja2.visitor import NodeTransformer

SEPARATOR = "|||"
MARK = "\ufdd0\ufdd1\ufdd0"  # noncharacters: never interchanged as text (Unicode 16.0, section 23.7)

ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.NSRef, nodes.Getitem),
    *(nodes.Getattr, nodes.Filter, nodes.Test, nodes.Call, nodes.Keyword, nodes.Pair, nodes.List),
    *(nodes.Dict, nodes.Slice, nodes.Assign, nodes.AssignBlock, nodes.FilterBlock, nodes.For, nodes.If),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.With, nodes.BinExpr, nodes.UnaryExpr, nodes.Concat),
    nodes.Tuple,
)


def rewrite(tree: nodes.Template, *, strict: bool) -> nodes.Template:
    """The tree with metered loops and concatenation; in strict mode also with marked separators and checked
    indices.

    Raises:
        TemplateAssertionError: A statement is not allowed.
    """
    for node in tree.find_all(nodes.Node):
        _check_allowed(node)
        if strict:
            _mark_separators(node)
    rewritten: nodes.Template = _Meter(strict).visit(tree)
    return rewritten


def _check_allowed(node: nodes.Node) -> None:
    if not isinstance(node, ALLOWED) or (isinstance(node, nodes.For) and node.recursive):
        statement = type(node).__name__.lower()
        raise TemplateAssertionError(f"`{statement}` is not allowed in a prompt", node.lineno)
    if isinstance(node, nodes.Name) and node.name == "self":
        raise TemplateAssertionError("the name `self` is not allowed in a prompt", node.lineno)


def _mark_separators(node: nodes.Node) -> None:
    """Mark the separators this node writes; those it only compares or searches for stay as they are."""
    if isinstance(node, nodes.TemplateData):
        node.data = node.data.replace(SEPARATOR, MARK)
    elif isinstance(node, nodes.Output):
        for child in node.nodes:
            _mark_written(child)
    elif isinstance(node, nodes.Assign):
        _mark_written(node.node)
    elif isinstance(node, nodes.Filter) and node.name == "join":
        for argument in (*node.args[:1], *(pair.value for pair in node.kwargs)):
            _mark_written(argument)


def _mark_written(expression: nodes.Node) -> None:
    """Mark the constants whose text becomes part of this expression's value."""
    if isinstance(expression, nodes.Const) and isinstance(expression.value, str):
        expression.value = expression.value.replace(SEPARATOR, MARK)
    for part in _written_parts(expression):
        _mark_written(part)


def _written_parts(expression: nodes.Node) -> list[Any]:
    if isinstance(expression, nodes.Concat):
        return list(expression.nodes)
    if isinstance(expression, nodes.CondExpr):
        return [part for part in (expression.expr1, expression.expr2) if part is not None]
    if isinstance(expression, (nodes.Add, nodes.Or, nodes.And)):
        return [expression.left, expression.right]
    if isinstance(expression, (nodes.List, nodes.Tuple)):
        return list(expression.items)
    if isinstance(expression, nodes.Mod):
        return [expression.left]
    if isinstance(expression, nodes.Call):
        return [expression.node]
    if isinstance(expression, (nodes.Filter, nodes.Getattr, nodes.Getitem)):
        return [] if expression.node is None else [expression.node]
    return []


class _Meter(NodeTransformer):
    """Puts the internal filters around loops, concatenations, comparisons and computed indices."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802, the visitor's naming
        literal = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "%each", nodes.Const(literal, lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "%concat")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        self.generic_visit(node)
        node.expr = _read(node.expr)
        for operand in node.ops:
            operand.expr = _read(operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Getitem:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _filtered(node.node, "%slice")
        # A literal -1 means the last element; a computed one is a missing label or a wrapped-around offset.
        literal = isinstance(node.arg, (nodes.Const, nodes.Slice)) or (
            isinstance(node.arg, nodes.Neg) and isinstance(node.arg.node, nodes.Const)
        )
        if self._strict and not literal:
            node.arg = _filtered(node.arg, "%index")
        return node


def _read(expression: nodes.Expr) -> nodes.Expr:
    """The expression as a comparison reads it."""
    return expression if isinstance(expression, nodes.Const) else _filtered(expression, "%read")


def _filtered(expression: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    """`expression | name(*arguments)` as a node."""
    node = nodes.Filter(expression, name, list(arguments), [], None, None, lineno=expression.lineno)
    if expression.environment is not None:
        node.set_environment(expression.environment)
    return node
