"""Rules on form, columns and metadata: each finds its defect and leaves its counter-example alone."""

from __future__ import annotations

import pytest

from mtft.prompting import Template
from mtft.prompting.linting import METRICS, RULES
from mtft.prompting.linting.ways import ways
from tests.prompting.linting.seeds import found, free, rules, template

SAMPLE = {"question": "q", "answers": {"text": ["a"], "start": [0]}, "turns": [{"who": "x"}], "label": 1}
FORM: list[tuple[str, Template, Template]] = [
    ("compiles", free("{{ a | lowr }} ||| x"), free("{{ a | lower }} ||| x")),
    ("compiles", free("{% if a %} x ||| y"), free("{% if a %} x ||| y {% endif %}")),
    ("compiles", template(choices="{{ 1 / 0 }} ||| no"), template()),
    ("separator", free("{{ a }} || x"), free("{{ a }} ||| x")),
    ("target", free("{{ a }} ||| "), free("{{ a }} ||| {{ b }}")),
    ("target", free("{{ a }} ||| {% set x = b %}"), free("{{ a }} ||| {% set x = b %}{{ x }}")),
    (
        "target-may-lack",
        free("Say. {{ a }} {% if b %} ||| {{ b }} {% endif %}"),
        free("{% if b %} Say. {{ a }} ||| {{ b }} {% endif %}"),
    ),
    (
        "target-may-lack",
        free("{{ a }} ||| {% if b %}{{ b }}{% endif %}"),
        free("{{ a }} ||| {% if b %}{{ b }}{% else %}none{% endif %}"),
    ),
    (
        "input-may-lack",
        free("{% if a %}{{ a }}{% endif %} ||| {{ b }}"),
        free("{% if a %}{{ a }}{% else %}Say.{% endif %} ||| {{ b }}"),
    ),
    (
        "separator-in-code",
        free("{{ ['{} ||| yes', '{} ||| no'] | choice }}"),
        free("{{ a }} ||| {{ b | join(' ||| ') }}"),
    ),
    ("backslash-n", free("{{ a }}\\nSay. ||| x"), free("{{ a.split('\\n') }}, $\\nabla$ \n Say. ||| x")),
    ("mustache", free("{a} {{ a }} ||| x"), free("{x} {{ a }} ||| x")),
    ("mustache", free("{ { a }} {{ a }} ||| x"), free("{ {{ a }} } ||| x")),
    ("html-entity", free("&quot;{{ a }}&quot; ||| x"), free('"{{ a }}" & more; ||| x')),
    (
        "unused-loop-variable",
        free("{% for b in a %}{{ c }}{% endfor %} ||| x"),
        free("{% for b in a %}{{ loop.index }}{% endfor %}{% for _ in a %}!{% endfor %} ||| x"),
    ),
    ("literal", free('{{ a }} ||| {{"Yes"}}'), free('{{ a }} ||| {{ "Yes" if a else "No" }}')),
]


@pytest.mark.parametrize(
    ("rule", "bad", "good"), FORM, ids=lambda value: value if isinstance(value, str) else ""
)
def test_form(rule: str, bad: Template, good: Template) -> None:
    assert rule in rules(bad)
    assert rules(good) <= {"choices-unused"}


def test_conditions_that_recur_keep_their_outcome() -> None:
    text = "{% if a %} Say {{ a }} {% endif %} ||| {% if a %} {{ b }} {% endif %}"
    assert rules(free(text)) == set()


def test_what_one_round_of_a_loop_leaves_out_another_writes() -> None:
    text = "{{ a }} ||| {% for b in a %}{% if b %}{{ b }}{% endif %}{% endfor %}"
    assert rules(free(text)) == set()


def test_a_call_that_only_changes_a_list_writes_nothing() -> None:
    text = "{% set found = [] %}{{ found.append(a) or '' }}{% if found %}{{ a }} ||| {{ b }}{% endif %}"
    assert rules(free(text)) == set()


def test_what_recurs_in_a_line_is_said_once() -> None:
    (finding,) = found(free("&quot;{{ a }}&quot; ||| x"))
    assert finding.rule == "html-entity"


def test_too_many_ways_are_not_followed() -> None:
    from mtft.prompting.linting.view import View

    text = "".join(f"{{% if a{n} %}}1{{% endif %}}" for n in range(20)) + " ||| y"
    assert ways(View(free(text)).tree) is None
    assert rules(free(text)) == set()


def test_the_line_is_that_of_the_defect() -> None:
    (finding,) = found(free("{{ a }}\n\n{b}&amp;{{ b }} ||| x", name="m"), columns=["a", "b"])[:1]
    assert (finding.rule, finding.line) == ("mustache", 3)


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        ("unknown-column", "{{ qestion }}", "{{ question }}"),
        ("unknown-field", "{{ answers.txt[0] }}", "{{ answers.text[0] }} {{ answers['start'] }}"),
        (
            "unknown-field",
            "{{ answers.text.first }}",
            "{{ answers.text.index('a') }} {{ answers.items() | list }}",
        ),
        ("unknown-field", "{{ question.text }}", "{{ question.upper() }} {{ question[0] }}"),
        ("unknown-field", "{{ turns[0].whom }}", "{{ turns[0].who }} {{ turns[5].whom }}"),
    ],
)
def test_columns(rule: str, bad: str, good: str) -> None:
    columns = list(SAMPLE)
    assert rule in rules(free(f"{bad} ||| x"), columns=columns, samples=[SAMPLE])
    assert not {"unknown-column", "unknown-field"} & rules(
        free(f"{good} ||| x"), columns=columns, samples=[SAMPLE]
    )


def test_a_field_that_one_example_has_is_known() -> None:
    rows = [SAMPLE, {**SAMPLE, "answers": {"txt": ["a"]}}]
    assert "unknown-field" not in rules(free("{{ answers.txt }} ||| x"), samples=rows)


def test_a_name_of_the_templates_own_is_no_column() -> None:
    text = "{% set answers = turns[0] %}{{ answers.who }}{% for label in turns %}{{ label.who }}{% endfor %} ||| x"
    assert rules(free(text), columns=["turns"], samples=[SAMPLE]) == set()


def test_columns_of_rows_stand_in_for_a_card() -> None:
    assert "unknown-column" in rules(free("{{ qestion }} ||| x"), samples=[SAMPLE])
    assert rules(free("{{ qestion }} ||| x")) == set()


def test_the_truncatable_column_is_used() -> None:
    made = free("{{ a }} ||| {{ b }}")
    assert "truncatable" in rules(made, truncatable={made.id: "c"})
    assert rules(made, truncatable={made.id: "a"}) == set()


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        ("language", {"languages": ()}, {"languages": ("en",)}),
        ("language", {"languages": ("en", "fr")}, {"languages": ("en",)}),
        ("language", {"languages": ("xx",)}, {"languages": ("en",)}),
        ("language", {"languages": ("eng",)}, {"languages": ("en",)}),
        ("metric", {"metrics": ("Mean Squared Error",)}, {"metrics": ("Accuracy", "Other")}),
        ("metric", {"metrics": ()}, {"metrics": ("BLEU",)}),
        ("original-task", {"original_task": None}, {"original_task": False}),
        ("choices-unsaid", {"choices_in_prompt": None}, {"choices_in_prompt": True}),
    ],
)
def test_metadata(rule: str, bad: dict[str, object], good: dict[str, object]) -> None:
    assert rule in rules(template(**bad))  # type: ignore[arg-type]
    assert rules(template(**good)) == set()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Pearson correlation", "Pearson Correlation"),
        ("accuracy", "Accuracy"),
        ("trivia-qa", "Trivia QA"),
        ("F1", None),
    ],
)
def test_a_metric_is_mended_where_only_case_and_signs_differ(said: str, meant: str | None) -> None:
    (finding,) = found(template(metrics=(said,)), hidden_labels=False)
    assert (finding.fix.value if finding.fix else None) == meant
    assert meant is None or meant in METRICS


@pytest.mark.parametrize(("said", "meant"), [("jp", "ja"), ("eng", "en"), ("xx", None), ("English", "en")])
def test_a_language_is_mended_where_its_alias_is_known(said: str, meant: str | None) -> None:
    fixes = [f.fix for f in found(free("{{ a }} ||| {{ b }}", languages=(said,))) if f.rule == "language"]
    assert [fix.value if fix else None for fix in fixes] == [meant]


def test_every_rule_says_what_it_finds() -> None:
    assert all(rule.name == name and rule.what.endswith(".") for name, rule in RULES.items())
