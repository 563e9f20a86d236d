"""Each lint rule finds its mistake and leaves sound templates alone."""

from __future__ import annotations

import pytest

from mtft.prompting import Template, TemplateMetadata, lint

COLUMNS = ["question", "label", "part-of"]
SOUND = Template(
    "0b6d8a9e-91a4-4d6b-8a4a-5b8bbdd6a001",
    "sound",
    "{{ question }} {{ part_of }} Yes or no? ||| {{ answer_choices[label] }}",
    "yes ||| no",
    "",
    TemplateMetadata(True, ("en",), ("Accuracy",), True),
    "f.yaml:3",
)


def changed(**changes: object) -> Template:
    values = {"id": SOUND.id, "name": "odd", "jinja": SOUND.jinja, "answer_choices": SOUND.answer_choices}
    return Template(**{**values, "metadata": SOUND.metadata, "where": "f.yaml:9", **changes})  # type: ignore[arg-type]


def test_a_sound_template_has_no_findings() -> None:
    assert lint([SOUND], COLUMNS) == []
    listed = changed(jinja="{{ question }} {{ answer_choices | join(', ') }} ||| {{ answer_choices[label] }}")
    assert lint([listed], COLUMNS) == []


@pytest.mark.parametrize(
    ("rule", "severity", "template"),
    [
        ("unknown-column", "error", changed(jinja="{{ qestion }} yes no ||| {{ answer_choices[label] }}")),
        ("choices-in-prompt", "error", changed(jinja="{{ question }} Yes? ||| {{ answer_choices[label] }}")),
        ("choices-in-prompt", "error", changed(answer_choices=None, jinja="{{ question }} ||| yes")),
        ("choices-unused", "warning", changed(jinja="{{ question }} Yes or no? ||| {{ label }}")),
        ("choices-blank", "error", changed(answer_choices="yes ||| no |||")),
        ("language", "warning", changed(metadata=TemplateMetadata(True, (), (), True))),
        ("language", "warning", changed(metadata=TemplateMetadata(True, ("en", "fr"), (), True))),
        (
            "backslash-n",
            "error",
            changed(jinja="{{ question }}\\n Yes or no? ||| {{ answer_choices[label] }}"),
        ),
        ("metric", "warning", changed(metadata=TemplateMetadata(True, ("en",), ("Acuracy",), True))),
        ("original-task", "warning", changed(metadata=TemplateMetadata(True, ("en",), (), None))),
        ("compiles", "error", changed(jinja="{{ question | lowr }} ||| x")),
    ],
)
def test_a_mistake_is_found(rule: str, severity: str, template: Template) -> None:
    (finding,) = [finding for finding in lint([template], COLUMNS) if finding.rule == rule]
    assert finding.severity == severity
    assert finding.where == "f.yaml:9"
    assert "`odd`" in str(finding)


def test_a_backslash_inside_an_expression_is_no_mistake() -> None:
    split = changed(jinja="{{ question.split('\\n')[0] }} Yes or no? ||| {{ answer_choices[label] }}")
    assert lint([split], COLUMNS) == []


def test_columns_are_checked_only_when_given() -> None:
    assert lint([changed(jinja="{{ odd }} Yes or no? ||| {{ answer_choices[label] }}")]) == []


def test_copies_are_found() -> None:
    rules = [finding.rule for finding in lint([SOUND, changed()], COLUMNS)]
    assert rules == ["duplicate-id", "duplicate-text"]
