"""What a collection of templates holds, counted from the templates alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from mtft.errors import TemplateError
from mtft.prompting.rewrite import SEPARATOR
from mtft.prompting.template import Template

NOT_SAID = "not said"


class Spread(NamedTuple):
    """The smallest, middle and largest of some numbers."""

    least: int
    median: float
    most: int


@dataclass(frozen=True)
class TemplateCounts:
    """Counts over some templates.

    Attributes:
        templates: How many there are.
        languages: Prompt language → templates.
        metrics: Metric → templates; one template may name several.
        choices: `none`, `2`, `3`, … for choices that are the same for all rows, `from the row`.
        original_task: yes, no, not said.
        choices_in_prompt: yes, no, not said.
        length: Characters of the input's text, Jinja included; None of no templates.
    """

    templates: int
    languages: Mapping[str, int]
    metrics: Mapping[str, int]
    choices: Mapping[str, int]
    original_task: Mapping[str, int]
    choices_in_prompt: Mapping[str, int]
    length: Spread | None


def count_templates(templates: Iterable[Template]) -> TemplateCounts:
    """The counts over some templates, each most frequent first."""
    listed = list(templates)
    return TemplateCounts(
        len(listed),
        _counted(listed, lambda template: template.metadata.languages or (NOT_SAID,)),
        _counted(listed, lambda template: template.metadata.metrics or (NOT_SAID,)),
        _counted(listed, lambda template: (choices_kind(template),)),
        _counted(listed, lambda template: (_said(template.metadata.original_task),)),
        _counted(listed, lambda template: (_said(template.metadata.choices_in_prompt),)),
        spread([len(template.jinja.split(SEPARATOR)[0].strip()) for template in listed]),
    )


def _counted(templates: Iterable[Template], names: Callable[[Template], Sequence[str]]) -> dict[str, int]:
    return dict(Counter(name for template in templates for name in names(template)).most_common())


def _said(flag: bool | None) -> str:
    return NOT_SAID if flag is None else "yes" if flag else "no"


def choices_kind(template: Template) -> str:
    """`none`, the number of choices where all rows have the same ones, else `from the row`."""
    text = template.answer_choices
    if text is None or not text.strip():
        return "none"
    if "{" not in text:  # plain text, which needs no compiling
        return str(text.count(SEPARATOR) + 1)
    try:
        fixed = template.fixed_choices()
    except TemplateError:
        return "malformed"
    return "from the row" if fixed is None else str(len(fixed))


def spread(numbers: Sequence[int]) -> Spread | None:
    """Least, median and most; None of no numbers."""
    return Spread(min(numbers), median(numbers), max(numbers)) if numbers else None
