"""Rules on the columns that templates use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import nodes

from mtft.errors import nearest
from mtft.prompting.linting.case import Case
from mtft.prompting.linting.finding import CHOICES, JINJA, Found, Key, rule


@rule("unknown-column", "error", "Every variable is a column of the dataset.")
def unknown_column(case: Case) -> Iterator[Found]:
    """A name that no row has: promptsource renders it as nothing, the strict engine refuses the row."""
    columns = _columns(case)
    if columns is None:
        return
    known = {*columns, *(column.replace("-", "_") for column in columns)}
    for name in sorted(case.template.fields() - known):
        key, line = _place(case, name)
        yield Found(f"uses `{name}`, which is no column. {nearest(name, columns)}", key, line)


def _columns(case: Case) -> Sequence[str] | None:
    """The card's columns, else those of rows."""
    if case.facts.columns is not None:
        return case.facts.columns
    found = {str(column): None for row in case.facts.examples for column in row}
    return list(found) or None


def _place(case: Case, name: str) -> tuple[Key, int]:
    """Where a name is used first."""
    for key, tree in ((JINJA, case.view.tree), (CHOICES, case.view.choices_tree)):
        lines = [node.lineno for node in tree.find_all(nodes.Name) if node.name == name] if tree else []
        if lines:
            return key, min(lines)
    return JINJA, 1


class Missing(NamedTuple):
    """A part that a row's value does not have.

    Attributes:
        path: Of the value it was looked for in.
        part: Its name.
        known: The parts there are.
    """

    path: str
    part: str
    known: tuple[str, ...]


@rule("unknown-field", "error", "A part of a column, `answers.text`, is there in rows.")
def unknown_field(case: Case) -> Iterator[Found]:
    """An attribute or key that no example row has within the column."""
    examples = case.facts.examples
    reported: set[tuple[str, str]] = set()
    for key, tree in ((JINJA, case.view.tree), (CHOICES, case.view.choices_tree)):
        for node in tree.find_all((nodes.Getattr, nodes.Getitem)) if tree and examples else ():
            missing = _missing_everywhere(node, examples, case.view.assigned)
            if missing and (missing.path, missing.part) not in reported:
                reported.add((missing.path, missing.part))
                remedy = nearest(missing.part, missing.known) if missing.known else "It is a plain value."
                yield Found(
                    f"uses `{missing.part}` of `{missing.path}`, which has none. {remedy}", key, node.lineno
                )


def _missing_everywhere(
    node: nodes.Expr, examples: Sequence[Mapping[str, Any]], assigned: frozenset[str]
) -> Missing | None:
    """What the expression asks for that every example lacks."""
    found = [_evaluated(node, row, assigned) for row in examples]
    lacking = [value for value in found if isinstance(value, Missing)]
    return lacking[0] if lacking and len(lacking) == sum(value is not None for value in found) else None


def _evaluated(node: nodes.Node, row: Mapping[str, Any], assigned: frozenset[str]) -> Any:
    """The value, `Missing`, or None where nothing can be said."""
    if isinstance(node, nodes.Name):
        return None if node.name in assigned else row.get(node.name)
    if isinstance(node, nodes.Getattr):
        return _part(_evaluated(node.node, row, assigned), node.attr, _path(node.node), True)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return _part(_evaluated(node.node, row, assigned), node.arg.value, _path(node.node), False)
    return None


def _part(value: Any, part: Any, path: str, is_attribute: bool) -> Any:
    if value is None or isinstance(value, Missing):
        return value
    if isinstance(value, Mapping) and part in value:
        return value[part]
    if isinstance(value, (list, str)) and isinstance(part, int):
        return value[part] if -len(value) <= part < len(value) else None
    if is_attribute and hasattr(value, str(part)):
        return None  # a method
    return Missing(path, str(part), tuple(map(str, value)) if isinstance(value, Mapping) else ())


def _path(node: nodes.Node) -> str:
    """The expression as a reader would write it."""
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Getattr):
        return f"{_path(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return f"{_path(node.node)}[{node.arg.value!r}]"
    return "…"


@rule("truncatable", "error", "The column that the card lets be shortened is one the template uses.")
def truncatable(case: Case) -> Iterator[Found]:
    """A card's `truncatable` that shortens nothing."""
    column = case.facts.truncatable.get(case.template.id)
    if column is not None and column not in case.template.fields():
        remedy = nearest(column, case.template.fields())
        yield Found(f"may be shortened in `{column}`, which it does not use ({case.facts.card}). {remedy}")
