"""Rows made for a template from nothing but its own text: what it loops over is a list, and so on."""

from __future__ import annotations

import random
from typing import Any

from jinja2 import Environment, nodes

from mtft.prompting import Template

_PARSER = Environment()
_SEQUENCES = {
    "join",
    "choice",
    "random",
    "first",
    "last",
    "sort",
    "unique",
    "reverse",
    "map",
    "select",
    "reject",
}
_SAME = {"sort", "unique", "reverse", "list", "select", "reject", "selectattr", "rejectattr"}
_ITEMS = {"first", "last", "choice", "random", "max", "min"}
_WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet"]


class Shape:
    """What a value must be like: learnt from how it is used."""

    def __init__(self) -> None:
        self.kind = "text"
        self.keys: dict[str, Shape] = {}
        self.constants: list[Any] = []
        self._item: Shape | None = None

    def item(self) -> Shape:
        self.kind = "list"
        self._item = self._item or Shape()
        return self._item

    def key(self, name: str) -> Shape:
        self.kind = "dict"
        return self.keys.setdefault(name, Shape())

    def make(self, draw: random.Random) -> Any:
        if self.kind == "dict":
            return {name: shape.make(draw) for name, shape in self.keys.items()}
        if self.kind == "list":
            # As many as labels count up to, all different.
            return [self.item().make(draw) for _ in range(4)]
        if self.constants and draw.random() < 0.8:
            return draw.choice(self.constants)
        return draw.randrange(2) if self.kind == "int" else " ".join(draw.sample(_WORDS, 3))


class Learner:
    """Walks a template's tree and gathers the shapes of its columns."""

    def __init__(self) -> None:
        self.columns: dict[str, Shape] = {}
        self._scope: dict[str, Shape] = {}

    def learn(self, source: str) -> None:
        tree = _PARSER.parse(source)
        for loop in tree.find_all((nodes.For, nodes.Assign)):
            self._bind(loop)
        for node in tree.find_all(nodes.Node):
            self._use(node)

    def _bind(self, node: Any) -> None:
        source = node.iter if isinstance(node, nodes.For) else node.node
        if isinstance(source, nodes.Call) and getattr(source.node, "name", "") == "zip":
            items = [self._shape(each) for each in source.args]
            for name, shape in zip(getattr(node.target, "items", []), items, strict=False):
                self._scope[name.name] = shape.item() if shape else Shape()
            return
        shape = self._shape(source)
        for name in (
            node.target.find_all(nodes.Name) if not isinstance(node.target, nodes.Name) else [node.target]
        ):
            self._scope[name.name] = (
                (shape.item() if isinstance(node, nodes.For) else shape) if shape else Shape()
            )

    def _use(self, node: nodes.Node) -> None:
        if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Filter)):
            self._shape(node)
        elif isinstance(node, nodes.Compare):
            self._compare(node)
        elif isinstance(node, (nodes.Sub, nodes.Mul, nodes.Add, nodes.FloorDiv, nodes.Mod)):
            for one, other in ((node.left, node.right), (node.right, node.left)):
                shape = self._shape(one) if isinstance(other, nodes.Const) else None
                if shape is not None and isinstance(other.value, int):
                    shape.kind = "int"

    def _compare(self, node: nodes.Compare) -> None:
        shape, other = self._shape(node.expr), node.ops[0].expr
        if shape is not None and isinstance(other, nodes.Const):
            shape.constants.append(other.value)
        elif shape is not None and isinstance(other, (nodes.List, nodes.Tuple)):
            shape.constants += [each.value for each in other.items if isinstance(each, nodes.Const)]

    def _shape(self, node: nodes.Node | None) -> Shape | None:
        if node is None:
            return None
        if isinstance(node, nodes.Name):
            if node.name in self._scope:
                return self._scope[node.name]
            if node.ctx == "store" or node.name in (
                "answer_choices",
                "loop",
                "range",
                "zip",
                "namespace",
                "dict",
            ):
                return None
            return self.columns.setdefault(node.name, Shape())
        if isinstance(node, nodes.Call):
            self._shape(node.node.node if isinstance(node.node, nodes.Getattr) else None)
            return None
        base = self._shape(getattr(node, "node", None))
        if isinstance(node, nodes.Getattr) and base is not None:
            known = (*dir(str), *dir(list), *dir(dict))
            return None if node.attr in known else base.key(node.attr)
        if isinstance(node, nodes.Getitem):
            return self._indexed(node, base)
        return self._filtered(node, base) if isinstance(node, nodes.Filter) and base is not None else None

    def _indexed(self, node: nodes.Getitem, base: Shape | None) -> Shape | None:
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return base.key(node.arg.value) if base else None
        if not isinstance(node.arg, nodes.Slice):
            index = self._shape(node.arg)
            if index is not None and not index.keys:
                index.kind = "int"
            return base.item() if base else None
        return base

    def _filtered(self, node: nodes.Filter, base: Shape) -> Shape | None:
        if node.name in _SEQUENCES:
            base.item()
        attributes = [pair.value for pair in node.kwargs if pair.key == "attribute"]
        if node.name in ("selectattr", "rejectattr"):
            attributes = node.args[:1]
        for attribute in attributes:
            base.item().key(str(getattr(attribute, "value", "text")))
        if node.name in _ITEMS:
            return base.item()
        return base if node.name in _SAME else None


def rows_for(template: Template, count: int) -> list[dict[str, Any]]:
    """`count` rows for a template; the same ones in every process."""
    learner = Learner()
    for source in (template.answer_choices, template.jinja):
        if source:
            learner.learn(source)
    draw = random.Random(template.id)
    return [
        {name: shape.make(draw) for name, shape in learner.columns.items() if name in template.fields()}
        for _ in range(count)
    ]
