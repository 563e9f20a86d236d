"""All rules over the templates of one dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from mtft.errors import TemplateError
from mtft.prompting.linting.case import Case
from mtft.prompting.linting.copies import copies
from mtft.prompting.linting.facts import Facts
from mtft.prompting.linting.finding import RULES, Finding, Found, Rule, Severity
from mtft.prompting.linting.labelled import labels_of
from mtft.prompting.linting.outcomes import Outcomes
from mtft.prompting.linting.pairing import language_of, paired
from mtft.prompting.linting.structure import COMPILES, NO_SEPARATOR
from mtft.prompting.linting.view import View
from mtft.prompting.rewrite import SEPARATOR
from mtft.prompting.template import Template


class Linted(NamedTuple):
    """What the rules say of the templates of one dataset.

    Attributes:
        findings: In the templates' order.
        outcomes: Template id → what it makes of rows, where there are any.
    """

    findings: list[Finding]
    outcomes: dict[str, Outcomes]


def lint(
    templates: Iterable[Template],
    columns: Collection[str] | None = None,
    *,
    facts: Facts | None = None,
    others: Iterable[Template] = (),
    ignore: Collection[str] = (),
    notes: bool = False,
) -> list[Finding]:
    """The findings over some templates, in their order.

    Args:
        templates: Those of one dataset (a `DatasetTemplates`' values).
        columns: The dataset's columns after its card's transforms; None leaves columns unchecked.
        facts: What else is known of the dataset.
        others: Templates of the dataset in other files, which may be sources of translations.
        ignore: Names of rules to leave out.
        notes: Whether to give notes too.
    """
    known = facts or Facts()
    if columns is not None:
        known = replace(known, columns=tuple(columns))
    found = linted(list(templates), known, list(others)).findings
    return [f for f in found if f.rule not in ignore and (notes or f.severity != "note")]


def linted(templates: Sequence[Template], facts: Facts, others: Sequence[Template] = ()) -> Linted:
    """All findings over the templates of one dataset, notes too, and what they make of rows."""
    looked = [_looked_at(template) for template in templates]
    cases = _cases([view for view in looked if isinstance(view, View)], facts, others)
    findings: list[Finding] = []
    for view in looked:
        findings += [view] if isinstance(view, Finding) else _checked(cases[view])
    counted = {case.template.id: case.outcomes for case in cases.values() if facts.rows or facts.samples}
    return Linted(findings + list(copies(templates)), counted)


def _looked_at(template: Template) -> View | Finding:
    """The template taken apart, or why it cannot be."""
    if SEPARATOR not in template.jinja:
        return _finding(NO_SEPARATOR, template, Found(f"has no `{SEPARATOR}` between input and target."))
    view = View(template)
    message = _failure(view)
    return _finding(COMPILES, template, Found(message)) if message else view


def _failure(view: View) -> str:
    """What compiling the text, or rendering choices that are the same for all rows, ends in; empty if well."""
    try:
        view.template.fields()
        _ = view.choices, view.items
        return ""
    except TemplateError as error:
        return f"{error.rule} Found: {error.found}."
    except RecursionError:
        return "is nested too deeply."
    except Exception as error:  # a template may fail in any way
        return f"has choices that fail: {type(error).__name__}: {error}."


def _cases(views: Sequence[View], facts: Facts, others: Sequence[Template]) -> dict[View, Case]:
    """The templates that compile, each beside its source."""
    pairs = paired([view.template for view in views], others, facts.translation_of)
    labels = labels_of((language_of(view.template), view) for view in views)
    known = {view.template.id: view for view in views}
    found = {}
    for view in views:
        source = pairs.get(view.template.id)
        beside = None if source is None else known.get(source.id) or _looked_at(source)
        apart = beside if isinstance(beside, View) else None
        found[view] = Case(view, facts, language_of(view.template), apart, labels)
    return found


def _checked(case: Case) -> Iterator[Finding]:
    for rule in RULES.values():
        for found in dict.fromkeys(rule.check(case)) if rule.check is not None else ():
            yield _finding(rule, case.template, found)


def _finding(rule: Rule, template: Template, found: Found) -> Finding:
    severity: Severity = found.severity or rule.severity
    return Finding(
        rule.name,
        severity,
        template.name,
        template.where,
        found.message,
        template.id,
        found.key,
        found.line,
        found.fix,
    )
