"""Templates cut into segments with protected tags, and put together again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.errors import TemplateError
from mtft.prompting import Rendered, RenderError, Template, TemplateCollection, TemplateMetadata
from mtft.prompting.translation import segments_of, translated, translated_id
from mtft.prompting.translation.chunks import chunks
from mtft.prompting.translation.rebuild import target_problems
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, sample_fields

ID = "11111111-1111-4111-8111-111111111111"


def template(jinja: str, choices: str | None = None) -> Template:
    return Template(ID, "t", jinja, choices, metadata=TemplateMetadata(languages=("en",)))


def sources(jinja: str, choices: str | None = None) -> dict[str, str]:
    return {segment.id: segment.source for segment in segments_of(template(jinja, choices))}


def test_lines_choices_and_strings_are_segments() -> None:
    question = 'Is it {{ "so" if x == "cause" else "not" }}?'
    jinja = f"Premise: {{{{ premise }}}}\n\n  {question}\n- {{{{ a }}}}\n|||\n{{{{ answer_choices[b] }}}}"
    assert sources(jinja, "Yes ||| {{ b }} ||| 3 ||| not {{ c }}") == {
        "input.1": "Premise: ⟦1⟧",
        "input.3": "Is it ⟦2⟧?",
        "string.1": "so",
        "string.2": "not",
        "choice.1": "Yes",
        "choice.4": "not ⟦3⟧",
    }


def test_statements_at_the_ends_of_a_line_are_not_shown() -> None:
    assert sources("{% if a %}A: {{ a }}{% endif %} ||| {% if b %}B{% else %}C{% endif %}") == {
        "input.1": "A: ⟦1⟧",
        "target.1": "B⟦2⟧C",
    }


def test_brackets_of_the_text_itself_are_protected() -> None:
    made = template("See ⟦1⟧ {{ a }} ||| x")
    (segment, target) = segments_of(made)
    assert segment.source == "See ⟦1⟧1⟦2⟧ ⟦3⟧"
    back = translated(made, "sw", {segment.id: "Ona ⟦1⟧1⟦2⟧ ⟦3⟧", target.id: "y"})
    assert back.jinja == "Ona ⟦1⟧ {{ a }} ||| y"


@pytest.mark.parametrize(
    "jinja",
    [
        "{{ a", "{% if a", "{# a", "{% raw %} a", "{{ {'}}': 1}['}}'] ",
    ],
)  # fmt: skip
def test_open_code_is_refused(jinja: str) -> None:
    with pytest.raises(TemplateError, match="closed"):
        chunks(jinja)


def test_code_may_hold_what_looks_like_its_end() -> None:
    text = "{{ '}}' ~ {'a': {1: 2}} }}x{%- set y = '%}' -%}{# }} #}{% raw %}{{ z }}{% endraw %}"
    assert [c.source for c in chunks(text)] == [
        "{{ '}}' ~ {'a': {1: 2}} }}", "x", "{%- set y = '%}' -%}", "{# }} #}", "{% raw %}{{ z }}{% endraw %}",
    ]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "'", '"', "a", "{", "}", "\n", "⟦", "raw"]),
        max_size=12,
    )
)
def test_chunks_are_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        found = chunks(text)
    except TemplateError:
        return
    assert "".join(chunk.source for chunk in found) == text


RULES = {
    "Swali: ⟦1⟧ na ⟦2⟧": None,
    "⟦2⟧, swali ⟦1⟧": None,
    "Swali: ⟦1⟧": "Lost: ⟦2⟧",
    "Swali: ⟦1⟧ ⟦2⟧ ⟦2⟧": "2 times",
    "Swali: ⟦1⟧ ⟦2⟧ ⟦7⟧": "not of this segment",
    "Swali: ⟦1⟧ ⟦2⟧ ⟦": "bracket",
    "Swali: ⟦1⟧ ⟦2⟧ ⟦x⟧": "bracket",
    "": "empty",
    "⟦1⟧ ⟦2⟧ {{ c }}": "no Jinja code",
    "⟦1⟧ ⟦2⟧ {% raw": "no Jinja code",
    "⟦1⟧ ||| ⟦2⟧": "as many `|||`",
    "⟦1⟧\n⟦2⟧": "as many lines",
    "⟦1⟧ ⟦2⟧ \x1b[31m": "U+001B",
    "⟦1⟧ ⟦2⟧ \ufdd0": "U+FDD0",
}


@pytest.mark.parametrize(("target", "problem"), RULES.items())
def test_a_translation_keeps_its_tags(target: str, problem: str | None) -> None:
    segment = segments_of(template("Question: {{ a }} and {{ b }} ||| {{ c }}"))[0]
    problems = target_problems(segment, target)
    assert not problems if problem is None else problem in " ".join(problems)


def test_tags_stay_in_their_block() -> None:
    segment = segments_of(template("x {% if a %}one {{ b }}{% else %}two {{ c }}{% endif %} y ||| {{ d }}"))[
        0
    ]
    assert segment.source == "x ⟦1⟧one ⟦2⟧⟦3⟧two ⟦4⟧⟦5⟧ y"
    assert target_problems(segment, "x ⟦1⟧⟦2⟧ moja⟦3⟧⟦4⟧ mbili⟦5⟧") == []
    for crossed in ("x ⟦1⟧moja⟦3⟧⟦2⟧⟦4⟧⟦5⟧", "⟦2⟧⟦1⟧ x⟦3⟧⟦4⟧⟦5⟧", "x ⟦3⟧⟦2⟧⟦1⟧⟦4⟧⟦5⟧", "⟦1⟧⟦2⟧⟦3⟧⟦5⟧⟦4⟧"):
        assert "block" in " ".join(target_problems(segment, crossed)), crossed


def test_words_do_not_become_code_beside_a_tag() -> None:
    source = template("Question {{ a }} ||| {{ b }}")
    with pytest.raises(TemplateError, match="beside a tag"):
        translated(source, "sw", {"input.1": "{⟦1⟧"})


def test_a_translation_says_what_it_is_of() -> None:
    source = template("Question {{ a }} ||| {{ answer_choices[b] }}", "yes ||| no")
    made = translated(source, "sw", {"input.1": "Swali ⟦1⟧", "choice.1": "ndiyo", "choice.2": "hapana"})
    assert made.jinja == "Swali {{ a }} ||| {{ answer_choices[b] }}"
    assert made.answer_choices == "ndiyo ||| hapana"
    assert (made.name, made.language) == ("t_sw", "sw")
    assert made.reference == f"translation of {ID}"
    assert made.id == translated_id(source, "sw") == translated_id(source, "sw")
    assert made.id != translated_id(source, "zh")
    assert made.render({"a": "x", "b": 0}) == Rendered("Swali x", ("ndiyo",), ("ndiyo", "hapana"))


def test_strings_in_code_are_quoted_again() -> None:
    source = template("{{ 'it is' if a else \"it isn't\" }} ||| {{ b | default('none\\n') }}")
    assert [s.source for s in segments_of(source)] == ["it is", "it isn't", "none\n"]
    made = translated(
        source, "fr", {"string.1": 'c\'est "ça" \\o/', "string.2": "it isn't", "string.3": "rien\n"}
    )
    assert made.render({"a": True, "b": "x"}) == Rendered('c\'est "ça" \\o/', ("x",), None)


def rendered(of: Template, row: dict) -> Rendered | str | None:
    try:
        return of.render(row, example_id="1")
    except RenderError as error:
        return error.fault


INDEX = CardIndex.load([builtin_folder("prompts")])
LIBRARY = TemplateCollection.builtin()
BUILT_IN = [name if subset is None else f"{name}/{subset}" for name, subset in LIBRARY.keys()]  # noqa: SIM118


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_identity_translation_of_a_built_in_template_renders_the_same(name: str) -> None:
    rows = sample_fields(INDEX.get(name)) if name in INDEX.names() else []
    for source in LIBRARY.get(name).values():
        made = translated(source, "mi", {s.id: s.source for s in segments_of(source)})
        assert (made.jinja, made.answer_choices) == (source.jinja, source.answer_choices)
        twin = Template(source.id, source.name, made.jinja, made.answer_choices)  # dice go by the id
        assert all(rendered(twin, row) == rendered(source, row) for row in rows)


@pytest.mark.data
def test_public_templates_come_back_as_they_were(data_root: Path) -> None:
    collection, seen = TemplateCollection.from_folder(data_root / "promptsource" / "templates"), 0
    for dataset, subset in collection.keys()[::6]:  # every sixth file: a full pass takes half a minute
        for source in collection.get(dataset, subset).values():
            segments = segments_of(source)
            assert not [p for segment in segments for p in target_problems(segment, segment.source)], (
                source.place
            )
            made = translated(source, "mi", {segment.id: segment.source for segment in segments})
            assert (made.jinja, made.answer_choices) == (source.jinja, source.answer_choices)
            seen += 1
    assert seen > 200
