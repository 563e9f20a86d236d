"""Rows that a template cannot render are errors that name the cause, never silently wrong text."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from mtft.errors import TemplateError
from mtft.prompting import RENDER_FAULTS, RenderError, Template


def template(jinja: str, choices: str | None = None) -> Template:
    return Template("6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11", "probe", jinja, choices, where="probe.yaml:3")


def fault_of(jinja: str, row: dict[str, Any], choices: str | None = None) -> RenderError:
    with pytest.raises(RenderError) as caught:
        template(jinja, choices).render(row, example_id="row-7")
    assert caught.value.fault in RENDER_FAULTS
    return caught.value


def test_a_row_becomes_input_target_and_choices() -> None:
    rendered = template("Q: {{ q }} ||| {{ answer_choices[label] }}", "no ||| yes").render(
        {"q": "ok?", "label": 1}
    )
    assert rendered == ("Q: ok?", ("yes",), ("no", "yes"))


def test_an_unknown_field_names_the_columns_the_nearest_and_the_place() -> None:
    error = fault_of("Q: {{ qestion }} ||| x", {"question": "why", "label": 0})
    assert error.fault == "missing_field"
    for part in ("probe.yaml:3", "probe", "row-7", "`qestion`", "label, question", "Did you mean: question?"):
        assert part in str(error)


@pytest.mark.parametrize(
    ("row", "fault", "parts"),
    [
        ({"q": "why", "label": -1}, "index_range", ["q='why'", "label=-1"]),
        ({"q": None, "label": 0}, "none_value", ["None in q", "label=0"]),
        ({"q": "a" * 9000, "label": "0"}, "missing_field", ["q='aaa", "label='0'"]),
    ],
)
def test_every_error_shows_the_row_in_short(row: dict[str, Any], fault: str, parts: list[str]) -> None:
    error = fault_of("{{ q }} ||| {{ answer_choices[label] }}", row, "no ||| yes")
    assert error.fault == fault
    for part in ("probe.yaml:3", "row-7", *parts):
        assert part in str(error)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    "jinja",
    [
        "{% if typo %}a{% endif %} ||| x",
        "{% for t in typo %}{{ t }}{% endfor %} ||| x",
        "{{ typo.lower() }} ||| x",
        "{{ typo[0] }} ||| x",
        "{{ typo ~ 'a' }} ||| x",
        "{{ typo == 'a' }} ||| x",
        "{{ [typo] }} ||| x",
        "{{ items | map(attribute='typo') | join }} ||| x",
        "{{ record.typo }} ||| x",
        "{{ record['typo'] }} ||| x",
        "{{ q[typo] }} ||| x",
    ],
)
def test_an_undefined_value_is_an_error_wherever_it_is_used(jinja: str) -> None:
    row = {"q": "text", "items": [{"a": 1}], "record": {"type": 1}}
    assert fault_of(jinja, row).fault == "missing_field"


def test_optional_fields_are_said_to_be_optional() -> None:
    optional = template("{{ hint | default('none') }}{% if title is defined %}{{ title }}{% endif %} ||| x")
    rendered = optional.render({})
    assert rendered is not None
    assert rendered.inputs == "none"


@pytest.mark.parametrize(
    "jinja",
    [
        "{{ a }} ||| x",
        "{{ 'b' ~ a }} ||| x",
        "{{ a | upper }} ||| x",
        "{{ a | string }} ||| x",
        "{{ a | trim }} ||| x",
        "{{ [a, 'b'] | join(' ') }} ||| x",
        "{{ ' '.join([a]) }} ||| x",
        "{{ '%s' | format(a) }} ||| x",
        "{{ '%s' % a }} ||| x",
        "{{ 'b' | replace('b', a) }} ||| x",
        "q ||| {{ a }}",
    ],
)
def test_none_never_becomes_the_word_none(jinja: str) -> None:
    assert fault_of(jinja, {"a": None}).fault == "none_value"


def test_none_may_be_asked_about() -> None:
    rendered = template("{% if a is none %}nothing{% endif %} ||| x").render({"a": None})
    assert rendered is not None
    assert rendered.inputs == "nothing"


@pytest.mark.parametrize(
    "printed", ["{{ q.upper }}", "{{ items | map('upper') }}", "{{ zip(items, items) }}"]
)
def test_methods_and_generators_are_not_text(printed: str) -> None:
    assert fault_of(printed + " ||| x", {"q": "a", "items": ["b"]}).fault == "failed"


@pytest.mark.parametrize(("label", "index"), [(-1, "-1"), (2, "2 of 2")])
def test_a_label_outside_its_choices_is_an_error(label: int, index: str) -> None:
    error = fault_of("q ||| {{ answer_choices[label] }}", {"label": label}, "no ||| yes")
    assert error.fault == "index_range"
    assert index in str(error)


def test_a_literal_negative_index_is_meant() -> None:
    rendered = template("{{ words[-1] }} ||| {{ words[:-1] | join }}").render({"words": ["a", "b"]})
    assert rendered == ("b", ("a",), None)


def test_the_guard_for_rows_without_a_label_skips_them() -> None:
    guarded = template("{% if label != -1 %}q ||| {{ answer_choices[label] }}{% endif %}", "no ||| yes")
    assert guarded.render({"label": -1}) is None
    assert guarded.render({"label": 0}) is not None


@pytest.mark.parametrize(
    ("jinja", "choices", "fault"),
    [
        ("q ||| maybe", "yes ||| no", "target_not_in_choices"),
        ("q ||| yes ||| maybe", "yes ||| no", "target_not_in_choices"),
        ("q ||| yes", "yes ||| yes", "duplicate_choices"),
        ("q ||| yes", "yes ||| {{ empty }}", "empty_choice"),
        ("{{ empty }} ||| yes", None, "empty_input"),
        ("q ||| {{ empty }}", None, "empty_target"),
        ("q {% if empty %}||| x{% endif %}", None, "no_target"),
        ("{{ 1 // 0 }} ||| x", None, "failed"),
        ("{{ empty + 1 }} ||| x", None, "failed"),
    ],
)
def test_a_malformed_rendering_has_its_own_fault(jinja: str, choices: str | None, fault: str) -> None:
    assert fault_of(jinja, {"empty": ""}, choices).fault == fault


def test_blank_means_skip() -> None:
    assert template("{% if use %}q ||| t{% endif %}").render({"use": False}) is None
    assert template("{{ text }} ||| {{ text }}").render({"text": " \n"}) is None


def test_several_targets_are_references_and_blank_ones_are_dropped() -> None:
    rendered = template("q ||| {{ names | join('|||') }}").render({"names": ["a", "", "b"]})
    assert rendered is not None
    assert rendered.targets == ("a", "b")


def test_a_row_may_not_bring_its_own_answer_choices() -> None:
    assert fault_of("q ||| x", {"answer_choices": ["a"]}).fault == "reserved_text"


def test_columns_with_hyphens_are_written_with_underscores() -> None:
    rendered = template("{{ part_of }} ||| x").render({"part-of": "whole"})
    assert rendered is not None
    assert rendered.inputs == "whole"


def test_nothing_is_cut() -> None:
    text = "x" * 6000
    rendered = template("{{ t }} ||| {{ t }}").render({"t": text})
    assert rendered == (text, (text,), None)


@pytest.mark.parametrize(
    ("jinja", "part"),
    [
        ("{{ a | lowr }} ||| x", "Did you mean: lower"),
        ("{% if a %} ||| x", "line 1 of the text"),
        ("no separator", "|||"),
        ("{% macro m() %}{% endmacro %} ||| x", "macro"),
        ("(" * 3 + "{{ " + "(" * 5000 + "a" + ")" * 5000 + " }} ||| x", "nested"),
        ("{{ a" + ".b" * 5000 + " }} ||| x", "nested"),
        ("{{ " + "not " * 5000 + "a }} ||| x", "nested"),
    ],
)
def test_a_template_that_does_not_compile_says_where(jinja: str, part: str) -> None:
    with pytest.raises(TemplateError) as caught:
        template(jinja).render({"a": "b"})
    assert not isinstance(caught.value, RenderError)
    assert "probe.yaml:3" in str(caught.value)
    assert part in str(caught.value)


def test_fields_are_the_columns_of_text_and_choices() -> None:
    probe = template(
        "{% for i in range(n) %}{{ a[i] }}{% endfor %} ||| {{ answer_choices[0] }}", "{{ b }} ||| c"
    )
    assert probe.fields() == {"n", "a", "b"}
    assert probe.fixed_choices() is None
    assert template("q ||| a", "a ||| b").fixed_choices() == ("a", "b")


def test_a_column_may_bear_the_name_of_a_function() -> None:
    rendered = template("{{ zip }} {{ range }} ||| x").render({"zip": "12345", "range": "wide"})
    assert rendered is not None
    assert rendered.inputs == "12345 wide"


def test_draws_depend_on_seed_example_and_template_alone() -> None:
    probe = template("{{ words | choice }}{{ words | random }} ||| x")
    row = {"words": [str(i) for i in range(50)]}

    def inputs(**settings: Any) -> str:
        rendered = probe.render(row, **settings)
        assert rendered is not None
        return rendered.inputs

    first = [inputs(example_id=str(i), seed=3) for i in range(40)]
    random.seed(99)
    again = [inputs(example_id=str(i), seed=3) for i in reversed(range(40))]
    assert first == again[::-1]
    assert first != [inputs(example_id=str(i), seed=4) for i in range(40)]
    assert len(set(first)) > 30


def test_the_stream_of_draws_is_fixed_for_ever() -> None:
    probe = template("{{ ['a', 'b', 'c', 'd'] | choice }} ||| x")
    drawn = "".join(probe.render({}, example_id=str(i), seed=0).inputs for i in range(12))  # type: ignore[union-attr]
    assert drawn == "bddbdcdbcacd"


def test_draws_are_about_uniform() -> None:
    probe = template("{{ ['a', 'b', 'c'] | choice }} ||| x")
    drawn = [probe.render({}, example_id=str(i)).inputs for i in range(1500)]  # type: ignore[union-attr]
    assert all(430 < drawn.count(letter) < 570 for letter in "abc")


def test_rendering_leaves_the_row_as_it_was() -> None:
    row = {"items": ["a"], "record": {"k": [1]}}
    mutating = template("{% set _ = items.append('b') %}{% set _ = record.k.append(2) %}{{ items }} ||| x")
    rendered = mutating.render(row)
    assert rendered is not None
    assert rendered.inputs == "['a', 'b']"
    assert row == {"items": ["a"], "record": {"k": [1]}}


def test_a_compiled_template_is_kept_and_pickles_without_its_code() -> None:
    probe = template("{{ a }} ||| x")
    probe.render({"a": 1})
    assert probe._strict is probe._strict
    copy = pickle.loads(pickle.dumps(probe))
    assert copy == probe
    assert copy.where == probe.where
    assert copy.render({"a": 1}) == probe.render({"a": 1})


def test_the_fingerprint_follows_what_is_rendered() -> None:
    assert template("a ||| b").fingerprint == template("a ||| b").fingerprint
    assert template("a ||| b").fingerprint != template("a ||| c").fingerprint
    assert template("a ||| b").fingerprint != template("a ||| b", "b ||| c").fingerprint
