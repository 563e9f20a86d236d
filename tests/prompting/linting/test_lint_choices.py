"""Rules on answer choices and on what templates make of rows."""

from __future__ import annotations

from typing import Any

import pytest

from mtft.prompting import Template
from mtft.prompting.linting import FactRow, Facts, linted
from tests.prompting.linting.seeds import TARGET, found, free, rules, template

CASES: list[tuple[str, Template, Template]] = [
    ("choices-in-prompt", template(jinja=f"{{{{ question }}}} Yes? {TARGET}"), template()),
    (
        "choices-in-prompt",
        free("{{ question }} ||| yes", choices_in_prompt=True),
        free("{{ question }} ||| yes"),
    ),
    (
        "choices-in-prompt",
        template(jinja=f"Was it a dance? {{{{ question }}}} {TARGET}", choices="A ||| B"),
        template(jinja=f"{{{{ question }}}} (A or B) {TARGET}", choices="A ||| B"),
    ),
    (
        "choices-in-prompt",
        template(jinja=f"{{{{ question }}}} {{{{ one }}}}? {TARGET}", choices="{{ one }} ||| {{ two }}"),
        template(jinja=f"{{{{ one }}}} or {{{{ two }}}}? {TARGET}", choices="{{ one }} ||| {{ two }}"),
    ),
    (
        "choices-shown",
        template(choices="Yes ||| no", choices_in_prompt=False),
        template(jinja=f"{{{{ question }}}} Is it so, knowing nothing? {TARGET}", choices_in_prompt=False),
    ),
    (
        "choices-shown",
        template(
            jinja=f"{{{{ question }}}} {{{{ answer_choices | join(', ') }}}} {TARGET}",
            choices_in_prompt=False,
        ),
        template(
            jinja=f"{{{{ question }}}} {{{{ answer_choices[0] }}}} {{{{ answer_choices | length }}}} {TARGET}",
            choices_in_prompt=False,
        ),
    ),
    ("choices-unused", template(jinja="{{ question }} yes or no ||| {{ label }}"), template()),
    ("choices-unused", free("{{ question }} ||| {{ answer_choices[0] }}"), free("{{ question }} ||| a")),
    (
        "choices-blank",
        template(jinja="{{ question }} ||| a", choices="", choices_in_prompt=False),
        free("{{ question }} ||| a"),
    ),
    ("choices-blank", template(choices="yes ||| no |||"), template()),
    ("choices-alike", template(choices="yes ||| no ||| Yes"), template()),
]


@pytest.mark.parametrize(("rule", "bad", "good"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_choices(rule: str, bad: Template, good: Template) -> None:
    assert rule in rules(bad)
    assert rules(good) == set()


@pytest.mark.parametrize(
    ("labels", "wrong"), [(["yes", "no", "maybe"], True), (["yes", "no"], False), ([], False)]
)
def test_there_are_as_many_choices_as_labels(labels: list[str], wrong: bool) -> None:
    assert ("choice-count" in rules(template(), labels=labels)) is wrong


def test_an_index_that_is_no_label_has_any_number_of_choices() -> None:
    other = template(jinja="{{ question }} yes or no ||| {{ answer_choices[number] }}")
    rows = [{"question": "q", "number": 7}]
    assert "choice-count" not in rules(other, labels=["a", "b", "c"], samples=rows)
    assert "choice-count" in rules(other, labels=["a", "b", "c"], samples=[{"question": "q", "number": 1}])


GUARDED = "{% if label != -1 %}{{ question }} Yes or no? ||| {{ answer_choices[label] }}{% endif %}"


@pytest.mark.parametrize(
    ("hidden", "jinja", "severity"),
    [
        (True, None, "warning"),
        (None, None, "note"),
        (False, None, None),
        (True, GUARDED, None),
    ],
)
def test_the_guard_of_hidden_labels(hidden: bool | None, jinja: str | None, severity: str | None) -> None:
    made = template() if jinja is None else template(jinja=jinja)
    findings = [f.severity for f in found(made, hidden_labels=hidden) if f.rule == "label-guard"]
    assert findings == ([] if severity is None else [severity])


# --- what templates make of rows


def row(**fields: Any) -> FactRow:
    return FactRow("r", {"question": "q", "label": 0, **fields}, "en")


@pytest.mark.parametrize(
    ("rule", "severity", "made", "rows"),
    [
        ("row-fails", "error", template(), [row(label=5)]),
        ("row-fails", "warning", template(), [row()] * 30 + [row(label=5)]),
        ("row-fails", "error", free("{{ gone }} ||| x"), [row()]),
        (
            "target-not-in-choices",
            "error",
            template(jinja="{{ question }} yes or no ||| {{ answer_choices[label] }}!"),
            [row()],
        ),
        ("rows-skipped", "warning", template(), [row(), row(label=-1)]),
        (
            "blank-rate",
            "warning",
            free("{% if label %}{{ question }} ||| x{% endif %}"),
            [row(), row(), row(label=1)],
        ),
        ("blank-rate", "error", free("{% if label %}{{ question }} ||| x{% endif %}"), [row()]),
        ("long-input", "warning", free("{{ question }} ||| x"), [row(question="word " * 3000)]),
        (
            "row-choices-in-prompt",
            "error",
            template(
                jinja=f"{{{{ one | upper }}}} {{{{ two }}}} {TARGET}", choices="{{ one }}! ||| {{ two }}"
            ),
            [row(one="a", two="b")],
        ),
    ],
)
def test_rows(rule: str, severity: str, made: Template, rows: list[FactRow]) -> None:
    findings = {finding.rule: finding for finding in found(made, rows=rows, hidden_labels=False)}
    assert findings[rule].severity == severity


def test_sound_rows_have_no_findings_and_are_counted() -> None:
    checked = linted([template()], Facts(rows=[row(), row(label=1)], hidden_labels=False))
    assert checked.findings == []
    (outcome,) = checked.outcomes.values()
    assert outcome.as_dict() == {
        "rows": 2,
        "rendered": 2,
        "blank": 0,
        "hidden_label": 0,
        "failed": {},
        "input_characters": {"median": 12.0, "maximum": 12},
        "target_characters": {"median": 2.5, "maximum": 3},
    }


def test_blanks_among_made_up_rows_say_nothing() -> None:
    made = free("{% if label %}{{ question }} ||| x{% endif %}")
    assert rules(made, samples=[row().fields]) == set()


def test_choices_that_a_column_shows_are_in_the_prompt() -> None:
    made = template(jinja=f"{{{{ options }}}} {TARGET}", choices="first ||| second")
    assert "choices-in-prompt" in rules(made)
    assert rules(made, samples=[{"options": "first or second", "label": 0}]) == set()


def test_a_truncatable_column_makes_long_inputs_fit() -> None:
    made = free("{{ question }} ||| x")
    assert rules(made, rows=[row(question="w " * 9000)], truncatable={made.id: "question"}) == set()
