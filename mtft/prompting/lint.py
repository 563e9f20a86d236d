"""Findings about templates that render but mislead; each rule is a mistake of published collections."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from jinja2 import Environment

from mtft.errors import TemplateError, nearest
from mtft.prompting.rewrite import SEPARATOR
from mtft.prompting.template import Template

Severity = Literal["error", "warning"]
# promptsource's thirteen, then ours.
METRICS = frozenset(
    {
        *("BLEU", "ROUGE", "Squad", "Trivia QA", "Accuracy", "Pearson Correlation", "Spearman Correlation"),
        *("MultiRC", "AUC", "COQA F1", "Edit Distance", "Mean Reciprocal Rank", "Other"),
        *("chrF", "Span F1", "nDCG"),
    }
)
_LEXER = Environment()  # only cuts texts into tokens; nothing is compiled or rendered with it
_ANSWER_CHOICES = re.compile(r"\banswer_choices\b")


@dataclass(frozen=True)
class Finding:
    """One thing to mend in a template.

    Attributes:
        rule: The rule's name.
        severity: "error" for what trains on wrong text, "warning" for the rest.
        template: The template's name.
        where: File and line.
        message: What was found and how to mend it.
    """

    rule: str
    severity: Severity
    template: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.severity} {self.rule}: template `{self.template}`: {self.message}"


Rule = Callable[[Template, Collection[str] | None], Iterator[str]]


def lint(templates: Iterable[Template], columns: Collection[str] | None = None) -> list[Finding]:
    """The findings over some templates, in their order.

    Args:
        templates: Those of one dataset (a `DatasetTemplates`' values), or of several.
        columns: The dataset's columns after its card's transforms; None leaves columns unchecked.
    """
    listed = list(templates)
    findings = [finding for template in listed for finding in _template_findings(template, columns)]
    return findings + list(_duplicates(listed))


def _template_findings(template: Template, columns: Collection[str] | None) -> Iterator[Finding]:
    try:
        template.fields()
    except TemplateError as error:
        yield _finding("compiles", "error", template, f"{error.rule} Found: {error.found}.")
        return
    for name, (severity, rule) in RULES.items():
        for message in rule(template, columns):
            yield _finding(name, severity, template, message)


def _finding(rule: str, severity: Severity, template: Template, message: str) -> Finding:
    return Finding(rule, severity, template.name, template.where, message)


def _duplicates(templates: list[Template]) -> Iterator[Finding]:
    """Templates that share an id, or whose text and choices are the same."""
    ids: dict[str, Template] = {}
    bodies: dict[tuple[str, str | None], Template] = {}
    for template in templates:
        first = ids.setdefault(template.id, template)
        if first is not template:
            message = f"the id {template.id} is also that of `{first.name}` ({first.where})."
            yield _finding("duplicate-id", "error", template, message)
        body = (" ".join(template.jinja.split()), template.answer_choices)
        first = bodies.setdefault(body, template)
        if first is not template:
            message = f"text and choices are those of `{first.name}` ({first.where})."
            yield _finding("duplicate-text", "warning", template, message)


def _unknown_column(template: Template, columns: Collection[str] | None) -> Iterator[str]:
    if columns is None:
        return
    known = {*columns, *(column.replace("-", "_") for column in columns)}
    for name in sorted(template.fields() - known):
        yield f"uses `{name}`, which is no column. {nearest(name, columns)}"


def _choice_not_in_prompt(template: Template, columns: Collection[str] | None) -> Iterator[str]:
    if not template.metadata.choices_in_prompt:
        return
    choices = template.fixed_choices()
    if not _has_choices(template):
        yield "says `choices_in_prompt: true` and has no answer choices."
    prompt = template.jinja.split(SEPARATOR)[0]
    if choices is None or _ANSWER_CHOICES.search(prompt):
        return
    absent = [choice for choice in choices if choice.casefold() not in prompt.casefold()]
    if absent:
        yield f"says `choices_in_prompt: true`; absent from the prompt: {', '.join(absent)}."


def _choices_unused(template: Template, columns: Collection[str] | None) -> Iterator[str]:
    used = _ANSWER_CHOICES.search(template.jinja) is not None
    if _has_choices(template) and not used:
        yield "never uses its `answer_choices`: the target may not be one of them."
    if used and not _has_choices(template):
        yield "uses `answer_choices` and has none."


def _choices_blank(template: Template, columns: Collection[str] | None) -> Iterator[str]:
    if template.answer_choices is not None and not template.answer_choices.strip():
        yield "has empty `answer_choices`; write null for none."
    if "" in (template.fixed_choices() or ()):
        yield "has an empty answer choice."


def _language(template: Template, columns: Collection[str] | None) -> Iterator[str]:
    count = len(template.metadata.languages)
    if count != 1:
        yield f"has {count} codes in `metadata.languages`; give the one language the prompt is written in."


def _backslash_n(template: Template, columns: Collection[str] | None) -> Iterator[str]:
    texts = (text for _, kind, text in _LEXER.lex(template.jinja) if kind == "data")
    if any("\\n" in text for text in texts):
        yield "shows a backslash and an n; a line break in YAML stands in double quotes or in a block."


def _metric(template: Template, columns: Collection[str] | None) -> Iterator[str]:
    for metric in template.metadata.metrics:
        if metric not in METRICS:
            yield f"names the unknown metric `{metric}`. {nearest(metric, METRICS)}"


def _original_task(template: Template, columns: Collection[str] | None) -> Iterator[str]:
    if template.metadata.original_task is None:
        yield "does not say whether it asks the dataset's original task."


def _has_choices(template: Template) -> bool:
    return bool(template.answer_choices and template.answer_choices.strip())


RULES: Mapping[str, tuple[Severity, Rule]] = {
    "unknown-column": ("error", _unknown_column),
    "choices-in-prompt": ("error", _choice_not_in_prompt),
    "choices-unused": ("warning", _choices_unused),
    "choices-blank": ("error", _choices_blank),
    "language": ("warning", _language),
    "backslash-n": ("error", _backslash_n),
    "metric": ("warning", _metric),
    "original-task": ("warning", _original_task),
}
