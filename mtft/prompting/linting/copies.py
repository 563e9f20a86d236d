"""Templates that share what must be their own: ids, names, texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mtft.prompting.linting.finding import JINJA, Finding, Key, Rule, file_rule
from mtft.prompting.template import Template

_ID = file_rule("duplicate-id", "error", "A template's id is its own in the whole collection.")
_NAME = file_rule("duplicate-name", "error", "A template's name is its own in its file.")
_TEXT = file_rule("duplicate-text", "warning", "Templates of a dataset differ in text or choices.")
_COPIES = file_rule("copied-text", "warning", "A text stands in at most ten datasets.")
MOST_COPIES = 10


def copies(templates: Sequence[Template]) -> Iterator[Finding]:
    """Templates of one dataset that share an id or a name, or whose text and choices are the same."""
    ids: dict[str, Template] = {}
    names: dict[tuple[str, str], Template] = {}
    bodies: dict[tuple[str, str | None], Template] = {}
    for template in templates:
        if (first := ids.setdefault(template.id, template)) is not template:
            yield _shared_id(template, first)
        place = template.where.rpartition(":")[0]
        if (first := names.setdefault((place, template.name), template)) is not template:
            yield _found(_NAME, template, f"has the name of the template at {first.where}.", ("name",))
        if (first := bodies.setdefault(_body(template), template)) is not template:
            message = f"text and choices are those of `{first.name}` ({first.where})."
            yield _found(_TEXT, template, message, JINJA)


def copies_between(files: Iterable[tuple[str, Sequence[Template]]]) -> Iterator[Finding]:
    """Templates of several files that share an id, or whose text is spread over many of them.

    Args:
        files: The dataset of each file, and its templates.
    """
    ids: dict[str, tuple[str, Template]] = {}
    bodies: dict[tuple[str, str | None], dict[str, Template]] = {}
    for place, (_, templates) in enumerate(files):
        for template in templates:
            other, first = ids.setdefault(template.id, (str(place), template))
            if other != str(place):
                yield _shared_id(template, first)
            bodies.setdefault(_body(template), {}).setdefault(str(place), template)
    yield from _spread(bodies)


def _spread(bodies: Mapping[tuple[str, str | None], Mapping[str, Template]]) -> Iterator[Finding]:
    for same in bodies.values():
        if len(same) > MOST_COPIES:
            first = next(iter(same.values()))
            message = (
                f"text and choices stand in {len(same)} files; one template with a column for what differs"
                " serves them all."
            )
            yield _found(_COPIES, first, message, JINJA)


def _body(template: Template) -> tuple[str, str | None]:
    return " ".join(template.jinja.split()), template.answer_choices


def _shared_id(template: Template, first: Template) -> Finding:
    message = f"the id {template.id} is also that of `{first.name}` ({first.where})."
    return _found(_ID, template, message, ("id",))


def _found(rule: Rule, template: Template, message: str, key: Key) -> Finding:
    """A finding about a template among others."""
    return Finding(rule.name, rule.severity, template.name, template.where, message, template.id, key)
