"""`|||` in a row is text; only the template's own separates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mtft.prompting import RenderError, Template

PIPES = "left ||| right"


def render(jinja: str, row: dict[str, Any], choices: str | None = None, **settings: Any) -> Any:
    return Template("6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11", "probe", jinja, choices).render(row, **settings)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{{ v }}", PIPES),
        ("{{ v[0] }}", [PIPES]),
        ("{{ v.a }}", {"a": PIPES}),
        ("{{ v.a[0].b }}", {"a": [{"b": PIPES}]}),
        ("{{ v | join('') }}", [PIPES]),
        ("{% for x in v %}{{ x }}{% endfor %}", [PIPES]),
        ("{{ v ~ '' }}", PIPES),
        ("{{ v | map(attribute='a') | first }}", [{"a": PIPES}]),
    ],
)
def test_the_data_is_never_split_at_any_depth(expression: str, value: object) -> None:
    rendered = render(f"in {expression} ||| out {expression}", {"v": value})
    assert rendered == (f"in {PIPES}", (f"out {PIPES}",), None)


def test_choices_that_hold_the_separator_stay_whole() -> None:
    row = {"options": [PIPES, "other"], "label": 0}
    rendered = render("q ||| {{ answer_choices[label] }}", row, '{{ options | join("|||") }}')
    assert rendered == ("q", (PIPES,), (PIPES, "other"))


@pytest.mark.parametrize(
    "choices",
    [
        '{{ options | join(" ||| ") }}',
        '{{ options | join(d="|||") }}',
        '{{ "|||".join(options) }}',
        '{{ options[0] ~ "|||" ~ options[1] }}',
        '{{ options[0] + "|||" + options[1] }}',
        '{{ "%s ||| %s" % (options[0], options[1]) }}',
        '{{ "%s ||| %s" | format(options[0], options[1]) }}',
        '{% set mark = "|||" %}{{ options[0] }}{{ mark }}{{ options[1] }}',
        '{% for o in options %}{{ o }}{{ " ||| " if not loop.last else "" }}{% endfor %}',
        "{% for o in options %}{{ o }}{% if not loop.last %}|||{% endif %}{% endfor %}",
    ],
)
def test_every_way_to_write_the_separator_separates(choices: str) -> None:
    rendered = render("q ||| {{ answer_choices[0] }}", {"options": ["a", "b"]}, choices)
    assert rendered.answer_choices == ("a", "b")


def test_a_template_may_search_the_data_for_pipes() -> None:
    jinja = "{{ v.split('|||')[0] }}{{ v | replace('|||', '/') }}{% if '|||' in v %}!{% endif %} ||| x"
    assert render(jinja, {"v": PIPES}).inputs == "left left / right!"


def test_pipes_of_template_and_data_do_not_run_together() -> None:
    assert render("{{ v }}|||{{ v }}", {"v": "|"}) == ("|", ("|",), None)
    assert render("a {{ v }}| ||| b", {"v": "||"}).inputs == "a |||"


def test_lengths_are_those_of_the_data() -> None:
    assert render("{{ v | length }} ||| x", {"v": PIPES}).inputs == str(len(PIPES))


@pytest.mark.parametrize("value", ["\ufdd0", ["\ufdd1"], {"a": "\ufdd0"}, {"\ufdd0": 1}])
def test_the_marks_own_characters_are_refused_in_data(value: object) -> None:
    with pytest.raises(RenderError) as caught:
        render("{{ v }} ||| x", {"v": value})
    assert caught.value.fault == "reserved_text"


def test_unused_columns_are_not_looked_at() -> None:
    assert render("q ||| x", {"other": "\ufdd0"}) == ("q", ("x",), None)


def test_the_compatible_mode_splits_nested_data_as_promptsource_does() -> None:
    assert render("{{ v }} ||| x", {"v": PIPES}, compat=True) == (PIPES, ("x",), None)
    assert render("{{ v[0] }} ||| x", {"v": [PIPES]}, compat=True) == ("left", ("right", "x"), None)


def test_the_compatible_mode_is_as_lenient_as_promptsource() -> None:
    assert render("Q:{{ typo }} {{ n }} ||| x", {"n": None}, compat=True) == ("Q: None", ("x",), None)
    choice = render("q ||| {{ answer_choices[label] }}", {"label": -1}, "a ||| b", compat=True)
    assert choice.targets == ("b",)
    assert render("{{ v }}", {"v": ""}, compat=True) is None
    assert json.dumps(render("only input", {}, compat=True).targets) == "[]"
