"""Inputs are shortened in one named column, to a token budget; promptsource's own cut stays reproducible."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import TemplateError
from mtft.prompting import RenderError, Template, Truncation
from mtft.prompting.truncation import cut_points, start_points

WORDS = " ".join(f"w{number}" for number in range(1000))


def template(jinja: str, choices: str | None = None) -> Template:
    return Template("6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11", "probe", jinja, choices, where="probe.yaml:3")


class Words:
    """A tokenizer's stand-in that says how often it was asked: a token per word, one more per text."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, text: str) -> int:
        self.calls += 1
        return len(text.split()) + 1


def fit(jinja: str, row: dict[str, Any], most: int, column: str = "text", **settings: Any) -> Any:
    return template(jinja, settings.pop("choices", None)).fit(
        row, Truncation(column, most, settings.pop("count", Words())), **settings
    )


def test_what_fits_stays_whole() -> None:
    assert fit("Sum up: {{ text }} ||| {{ s }}", {"text": "a b", "s": "c"}, 5) == (
        ("Sum up: a b", ("c",), None),
        0,
    )


def test_the_longest_beginning_that_fits_is_kept_and_the_cut_counted() -> None:
    row = {"text": WORDS, "s": WORDS}
    rendered, cut = fit("Sum up: {{ text }} Briefly. ||| {{ s }}", row, 100)
    assert rendered.inputs == f"Sum up: {' '.join(WORDS.split()[:96])} Briefly."
    assert rendered.targets == (WORDS,)
    assert cut == 1004 - 100
    assert row["text"] is WORDS


def test_few_renderings_are_needed() -> None:
    count = Words()
    rendered, _ = fit("{{ text }} {{ text }} ||| x", {"text": WORDS * 9}, 501, count=count)
    assert len(rendered.inputs.split()) == 500
    assert count.calls <= 6


@given(
    words=st.lists(st.text("abcdef", min_size=1, max_size=12), min_size=1, max_size=60),
    most=st.integers(4, 200),
    per_token=st.integers(1, 5),
)
def test_no_longer_beginning_would_have_fitted(words: list[str], most: int, per_token: int) -> None:
    def count(text: str) -> int:
        return sum(-(-len(word) // per_token) for word in text.split())

    text = " ".join(words)
    try:
        rendered, cut = fit("Q {{ text }} A ||| x", {"text": text}, most, count=count)
    except RenderError as error:
        refused = error.fault
    else:
        refused = None
    if refused is not None:
        assert refused == "too_long"
        assert count(f"Q {words[0]} A") > most
        return
    kept = len(rendered.inputs.split()) - 2
    assert rendered.inputs.split() == ["Q", *words[:kept], "A"]
    assert count(rendered.inputs) <= most
    assert cut == count(f"Q {text} A") - count(rendered.inputs)
    assert kept == len(words) or count(f"Q {' '.join(words[: kept + 1])} A") > most


@pytest.mark.parametrize(
    ("jinja", "choices", "found"),
    [
        ("{{ text }} ||| {{ text }}", None, "other targets"),
        ("{{ text }} ||| {{ text.split() | length }}", None, "other targets"),
        ("{{ text }} ||| x", "x ||| {{ text }}", "other targets"),
        ("{{ text }} ||| {{ answer_choices[0] }}", "{{ text[:3000] }} ||| {{ s }}", "other targets"),
        ("{% if text | length > 3000 %}{{ text }} ||| x{% endif %}", None, "left out"),
        ("{{ text }} ||| {{ text.split().index('w999') }}", None, "without errors"),
    ],
)
def test_targets_and_choices_are_never_touched(jinja: str, choices: str | None, found: str) -> None:
    with pytest.raises(RenderError, match=found) as caught:
        fit(jinja, {"text": WORDS, "s": "c"}, 100, choices=choices)
    assert caught.value.fault == "cut_changes_target"
    assert "probe.yaml:3" in str(caught.value)


def test_a_column_may_feed_the_target_with_what_the_cut_leaves() -> None:
    rendered, _ = fit("{{ text }} ||| {{ text.split()[0] }}", {"text": WORDS}, 100)
    assert rendered.targets == ("w0",)


@pytest.mark.parametrize(
    ("row", "column"),
    [({"text": WORDS, "s": "c"}, "s"), ({"text": WORDS, "s": ""}, "s"), ({"text": WORDS, "s": 3}, "none")],
)
def test_what_cannot_fit_is_refused(row: dict[str, Any], column: str) -> None:
    with pytest.raises(RenderError, match=r"100\d tokens") as caught:
        fit("Q {{ text }} {{ s }} ||| x", {**row, "s": row["s"] or " "}, 2, column)
    assert caught.value.fault == "too_long"


def test_a_skipped_row_stays_skipped_and_draws_stay_the_same() -> None:
    assert fit("{% if s %}{{ text }} ||| x{% endif %}", {"text": WORDS, "s": ""}, 5) == (None, 0)
    jinja = "{{ ['a', 'b', 'c', 'd'] | choice }} {{ text }} ||| x"
    for name in map(str, range(8)):
        whole = template(jinja).render({"text": WORDS}, example_id=name, seed=5)
        cut, _ = fit(jinja, {"text": WORDS}, 10, example_id=name, seed=5)
        assert whole is not None
        assert whole.inputs[0] == cut.inputs[0]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("one two  three", ["one", "one two"]),
        ("one ", []),
        ("", []),
        ("猫が好き。", ["猫", "猫が", "猫が好", "猫が好き"]),
        ("ที่นี่", ["ที่", "ที่นี", "ที่นี่"][:1]),
        ("ខ្មែរ ក", ["ខ្មែ", "ខ្មែរ"]),
        ("한국어 말", ["한국어"]),
        ("cafe\u0301 au", ["cafe\u0301"]),
        ("👩‍👩‍👧" * 20, [("👩‍👩‍👧" * n) for n in range(1, 20)]),
        ("👍🏽" * 30, [("👍🏽" * n) for n in range(1, 30)]),
        ("🇩🇪🇫🇷" * 20, [("🇩🇪🇫🇷" * 20)[: 2 * n] for n in range(1, 40)]),
        ("كلمة أخرى", ["كلمة"]),
    ],
)
def test_texts_are_cut_between_words_or_whole_characters(text: str, pieces: list[str]) -> None:
    assert [text[:point] for point in cut_points(text)] == pieces


@given(st.text(max_size=80))
def test_no_cut_leaves_a_mark_behind(text: str) -> None:
    points = cut_points(text)
    assert points == sorted(set(points))
    for point in points:
        assert 0 < point < len(text)
        assert text[:point].strip()
        assert not unicodedata.category(text[point]).startswith("M")


# promptsource's own cut, by hand from its rule: every `}}` becomes ` | string | truncate(2048) }}`, and Jinja's
# truncate keeps up to 2048 + 5 characters, else the words within the first 2045 and three dots.
LONG = "ab " * 1000  # of its first 2045 characters the last word, an `ab` without its space, goes


@pytest.mark.parametrize(
    ("jinja", "inputs", "target"),
    [
        ("{{ t }} ||| {{ s }}", "ab " * 680 + "ab...", "short"),
        ("{{ s }} ||| {{ t }}", "short", "ab " * 680 + "ab..."),  # targets are cut as well
        ("{{ x }} ||| {{ s }}", "x" * 2045 + "...", "short"),  # no space to cut at
        ("{{ y }} ||| {{ s }}", "y" * 2053, "short"),  # within the leeway
        ("{{ t ~ 'end' }} ||| {{ s }}", LONG + "end", "short"),  # a filter binds tighter than `~`
        ("{{ t if s else s }} ||| {{ s }}", LONG.strip(), "short"),  # … and than the inline if
        ("{{ n }}{{ missing }} ||| {{ s }}", "None", "short"),
        ("{% for c in [t] %}{{ c }}{% endfor %} ||| {{ s }}", "ab " * 680 + "ab...", "short"),
        ("{% set c = t %}{{ c | length }} ||| {{ s }}", "3000", "short"),
        ("{{ answer_choices[0] }} ||| {{ answer_choices[1] }}", "ab " * 680 + "ab...", "short"),
    ],
)
def test_promptsources_cut_by_hand(jinja: str, inputs: str, target: str) -> None:
    row = {"t": LONG, "s": "short", "x": "x" * 3000, "y": "y" * 2053, "n": None}
    probe = template(jinja, "{{ t }} ||| {{ s }}")
    rendered = probe.render(row, compat=True, truncate=True)
    assert rendered is not None
    assert rendered == (inputs, (target,), (LONG.strip(), "short"))  # choices are not cut
    assert probe.render({"t": "a", "s": "b", "x": "x", "y": "y", "n": 1}, compat=True) is not None


@pytest.mark.parametrize("jinja", ["{{ t -}} ||| x", "{{ {'a': {}}['a'] }}{{ t }} ||| x"])
def test_what_promptsources_rewriting_breaks_is_an_error_by_name(jinja: str) -> None:
    row = {"t": "text"}
    assert template(jinja).render(row, compat=True) is not None
    with pytest.raises(TemplateError, match="valid Jinja"):
        template(jinja).render(row, compat=True, truncate=True)


def test_strict_rendering_has_no_such_cut() -> None:
    with pytest.raises(TemplateError, match="`fit`"):
        template("{{ t }} ||| x").render({"t": "a"}, truncate=True)


def fit_left(jinja: str, row: dict[str, Any], most: int) -> Any:
    return template(jinja).fit(row, Truncation("text", most, Words(), "left"))


def test_from_the_left_the_longest_ending_that_fits_is_kept() -> None:
    rendered, cut = fit_left("Sum up: {{ text }} Briefly. ||| {{ s }}", {"text": WORDS, "s": WORDS}, 100)
    assert rendered.inputs == f"Sum up: {' '.join(WORDS.split()[-96:])} Briefly."
    assert rendered.targets == (WORDS,)
    assert cut == 1004 - 100
    with pytest.raises(RenderError, match="would be left"):
        fit_left("Sum up: {{ text }} Briefly. ||| x", {"text": "one two"}, 4)
    with pytest.raises(RenderError, match="targets and choices"):
        fit_left("Sum up: {{ text }} ||| {{ text }}", {"text": WORDS}, 100)


@given(
    st.lists(
        st.sampled_from(["abc", "de\u0301f", "นี่คือ", "\u4e2d\u6587", "x" * 50, "\U0001f1e9\U0001f1ea"]),
        max_size=8,
    )
)
def test_endings_begin_where_a_reader_sees_a_beginning(words: list[str]) -> None:
    text = " ".join(words)
    points = start_points(text)
    assert points == sorted(set(points))
    assert all(0 < point < len(text) for point in points)
    for point in points:
        assert not text[point].isspace()
        assert not unicodedata.category(text[point]).startswith("M")
    # both sides are cut at the same places: an ending begins where a beginning ends, or after the space behind it
    inside = {p for p in points if not text[p - 1].isspace()}
    assert inside <= set(cut_points(text))
