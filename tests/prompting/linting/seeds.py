"""Templates with a defect in them, and the same without it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid5

from mtft.prompting import Finding, Template, TemplateMetadata
from mtft.prompting.linting import Facts, linted

NAMESPACE = UUID("5f1f2bd5-67c9-4c41-8a16-0d3a8a6c9b1e")
TARGET = "||| {{ answer_choices[label] }}"
JINJA = "{{ question }} Yes or no? ||| {{ answer_choices[label] }}"


def template(
    name: str = "odd", jinja: str = JINJA, choices: str | None = "yes ||| no", **changes: Any
) -> Template:
    """A sound template, changed."""
    said = {"choices_in_prompt": True, "languages": ("en",), "metrics": ("Accuracy",), "original_task": True}
    said |= {key: changes.pop(key) for key in list(changes) if key in said}
    uuid = changes.pop("id", str(uuid5(NAMESPACE, name)))
    return Template(uuid, name, jinja, choices, metadata=TemplateMetadata(**said), **changes)


def free(jinja: str, name: str = "odd", *, answer_choices: str | None = None, **changes: Any) -> Template:
    """A template without choices."""
    return template(
        name, jinja, answer_choices, **{"choices_in_prompt": False, "metrics": ("Other",), **changes}
    )


def linted_text(templates: Iterable[Template]) -> list[Finding]:
    """The findings over templates and rows that hold what rows may not."""
    rows = [{"a": "x", "label": 0}, {"a": None, "label": -1}, {"a": {"b": ["|||"]}, "label": 9}, {}]
    return found(templates, columns=["a", "label"], labels=["x"], samples=rows)


def found(templates: Template | Iterable[Template], **facts: Any) -> list[Finding]:
    """All findings, notes too."""
    listed = [templates] if isinstance(templates, Template) else list(templates)
    return linted(listed, Facts(**facts)).findings


def rules(templates: Template | Iterable[Template], **facts: Any) -> set[str]:
    """The rules that find something; hidden labels are known not to be there."""
    return {finding.rule for finding in found(templates, **{"hidden_labels": False, **facts})}
