"""Renderings that know which characters came from which column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.prompting import RenderError, Template, TemplateCollection
from mtft.prompting.highlight import Piece, render_traced
from mtft.prompting.marked import MarkedInteger, MarkedText
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, sample_fields

ID = "11111111-1111-4111-8111-111111111111"


def pieces(jinja: str, row: dict[str, Any], choices: str | None = None) -> list[tuple[str, str | None]]:
    made = render_traced(Template(ID, "t", jinja, choices), row)
    assert made is not None
    assert made.traced
    assert "".join(piece.text for piece in made.inputs) == made.rendered.inputs
    return [tuple(piece) for piece in made.inputs]


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("{{ a }}", "cat", [("cat", "a")]),
        ("{{ a }}", 7, [("7", "a")]),
        ("{{ a }}", 0.5, [("0.5", "a")]),
        ("{{ a | upper }}", "cat", [("CAT", "a")]),
        ("{{ a[:2] }}", "cat", [("ca", "a")]),
        ("{{ a.split('-')[1] }}", "x-yz", [("yz", "a")]),
        ("{{ a | length }}", "cat", [("3", None)]),
        ("{{ a ~ ' end' }}", "cat", [("cat", "a"), (" end", None)]),
        ("{{ a | join(', ') }}", ["x", "y"], [("x", "a"), (", ", None), ("y", "a")]),
        ("{{ a.text[0] }}", {"text": ["z"]}, [("z", "a")]),
        (
            "{% for w in a %}{{ w }};{% endfor %}",
            ["x", "y"],
            [("x", "a"), (";", None), ("y", "a"), (";", None)],
        ),
        ("{{ 'yes' if a == 'cat' else 'no' }}", "cat", [("yes", None)]),
        ("{{ {'cat': 'animal'}[a] }}", "cat", [("animal", None)]),
        ("{{ a | replace('c', 'b') }}", "cat", [("bat", "a")]),
        ("{% set t = 'the ' ~ a %}{{ t }}", "cat", [("the ", None), ("cat", "a")]),
        ("{{ '%s!' | format(a) }}", "cat", [("cat", "a"), ("!", None)]),
        ("{{ a }}", " cat\n dog ", [("cat\n dog", "a")]),
        ("{{ a | list }}", "ab", [("[", None), ("'a'", "a"), (", ", None), ("'b'", "a"), ("]", None)]),
    ],
)
def test_what_came_from_a_column_is_known(expression: str, value: Any, expected: list[Any]) -> None:
    assert pieces(f"{expression} ||| x", {"a": value}) == expected


def test_columns_are_told_apart_in_targets_and_choices() -> None:
    template = Template(ID, "t", "{{ q }} ||| {{ answer_choices[label] }}", "{{ c1 }} ||| {{ c2 }} ||| none")
    made = render_traced(template, {"q": "?", "c1": "a", "c2": "b", "label": 1})
    assert made is not None
    assert made.targets == ((Piece("b", "c2"),),)
    assert made.answer_choices == ((Piece("a", "c1"),), (Piece("b", "c2"),), (Piece("none"),))


def test_what_cannot_be_traced_is_one_piece() -> None:
    made = render_traced(Template(ID, "t", "{{ (a ~ b) | length }} ||| x"), {"a": "cat", "b": "12"})
    assert made is not None
    assert not made.traced
    assert made.inputs == (Piece("5"),)


def test_text_that_holds_marks_is_not_traced() -> None:
    made = render_traced(Template(ID, "t", "{{ a }} ||| x"), {"a": "\ufdd2\ufdd5\ufdd3 \ufdd4"})
    assert made is not None
    assert not made.traced


def test_faults_and_blank_rows_are_those_of_render() -> None:
    assert render_traced(Template(ID, "t", "{% if a %}{{ a }} ||| x{% endif %}"), {"a": ""}) is None
    with pytest.raises(RenderError, match="columns"):
        render_traced(Template(ID, "t", "{{ b }} ||| x"), {"a": ""})


def test_random_choices_are_those_of_render() -> None:
    template = Template(ID, "t", "{{ a | choice }} ||| x")
    row = {"a": list("abcdefgh")}
    for example in map(str, range(20)):
        made, plain = (
            render_traced(template, row, example_id=example),
            template.render(row, example_id=example),
        )
        assert made is not None
        assert made.rendered == plain
        assert made.traced


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12), st.text(max_size=4), st.integers(-3, 3))
def test_a_marked_text_reads_as_the_plain_one(text: str, part: str, at: int) -> None:
    marked = MarkedText(text, 3)
    assert marked == text
    assert hash(marked) == hash(text)
    assert len(marked) == len(text)
    assert (part in marked) == (part in text)
    assert marked[:at] == text[:at]
    assert list(marked) == list(text)
    assert marked.upper() == text.upper()
    assert marked.split(part or None) == text.split(part or None)
    assert (marked < part) == (text < part)
    assert MarkedInteger(at, 3) + 1 == at + 1


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=20), min_size=3))
def test_pieces_are_exactly_the_rendering(row: dict[str, str]) -> None:
    template = Template(ID, "t", ">{{ a }}{{ b | trim }}{% if c %}{{ c[1:] }}{% endif %}|{{ a ~ b }} ||| x")
    try:
        made = render_traced(template, row)
    except RenderError:
        return
    assert made is not None
    assert "".join(piece.text for piece in made.inputs) == made.rendered.inputs


def test_built_in_templates_are_traced_on_their_samples() -> None:
    collection, index = TemplateCollection.builtin(), CardIndex.load([builtin_folder("prompts")])
    traced, untraced = 0, []
    for dataset, subset in collection.keys():  # noqa: SIM118  # it is no mapping
        card = index.get(dataset if subset is None else f"{dataset}/{subset}")
        for row in sample_fields(card):
            for template in collection.get(dataset, subset).values():
                made = render_traced(template, row, example_id="sample")
                traced += made is not None and made.traced
                untraced += [template.place] if made is not None and not made.traced else []
    # Joined, then cut at places that depend on the length: a few may be beyond tracing.
    assert len(untraced) <= 0.02 * traced, untraced
    assert traced > 400


@pytest.mark.data
def test_public_templates_are_traced_on_their_golden_rows(data_root: Path) -> None:
    folder = data_root / "promptsource"
    collection, traced, untraced = TemplateCollection.from_folder(folder / "templates"), 0, []
    for line in (folder / "golden.jsonl").read_text(encoding="utf-8").splitlines():
        golden = json.loads(line)
        template = collection.get(golden["dataset"], golden["subset"]).by_id(golden["id"])
        try:
            made = render_traced(template, golden["row"])
        except RenderError:
            continue
        traced += made is not None and made.traced
        untraced += [template.place] if made is not None and not made.traced else []
    assert not untraced
    assert traced > 600
