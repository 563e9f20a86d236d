"""Tagged text: an exact round trip in every style, and a reading of whatever a model writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import StructureError
from mtft.structured.escaping import escaped, unescaped
from mtft.structured.tag_codecs import (
    TAG_STYLES,
    parse_tags,
    read_tags,
    style_of,
    written_tags,
    written_words,
)
from mtft.structured.tag_spans import Span, bio_tags, spans_of

WORDS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8),
    st.sampled_from(
        [
            "<extra_id_0>",
            "<extra_id_12>",
            "[0]",
            "[1]",
            "<PER>",
            "</PER>",
            "\\",
            "\\l",
            "\\u{20}",
            "a\u00a0b",
            "O",
            "0",
            "B-PER",
            "아미나",
            "ಅ",
        ]
    ),
)
TYPES = st.sampled_from(["PER", "LOC", "AM-NEG", "a/b"])
PLAIN = st.sampled_from(["NOUN", "VERB", "PRP$", ".", ",", "''", "B-PER", "I-LOC", "O"])


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Words with tags in IOB2."""
    words = draw(st.lists(WORDS, min_size=1, max_size=12))
    tags: list[str] = []
    while len(tags) < len(words):
        kind, length = draw(st.one_of(st.just("O"), TYPES)), draw(st.integers(1, 3))
        tags += ["O"] if kind == "O" else [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]
    return words, tags[: len(words)]


@given(sentences(), st.sampled_from(["sentinel", "index", "spans"]))
def test_tags_come_back(sentence: tuple[list[str], list[str]], style: str) -> None:
    words, tags = sentence
    text = written_tags(words, tags, style)
    assert read_tags(text, style, words) == (tuple(tags), False, False)
    assert style_of(text) == style
    assert [item.tag for item in parse_tags(text, style_of(text)).items] == tags


@given(
    st.lists(st.tuples(WORDS, PLAIN), min_size=1, max_size=10),
    st.sampled_from(["sentinel", "index", "words"]),
)
def test_plain_tags_come_back(pairs: list[tuple[str, str]], style: str) -> None:
    words, tags = zip(*pairs, strict=True)
    assert read_tags(written_tags(words, tags, style), style, words) == (tags, False, False)


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_words_come_back_and_none_holds_a_mark(words: list[str]) -> None:
    inline = written_words(words)
    assert [unescaped(part) for part in inline.split()] == words
    assert "<" not in inline
    assert "[" not in inline
    for style in ("sentinel", "index"):
        shown = written_words(words, style)
        assert shown.count("<") + shown.count("[") == len(words)


@given(st.text(max_size=40), st.booleans())
def test_escapes_come_back(text: str, spaces: bool) -> None:
    made = escaped(text, spaces=spaces)
    assert unescaped(made) == text
    assert made == " ".join(made.split())


@given(st.text(max_size=60), st.sampled_from(TAG_STYLES))
def test_any_output_can_be_read(text: str, style: str) -> None:
    reading = read_tags(text, style, ["a", "b"])
    assert len(reading.tags) == 2


@pytest.mark.parametrize(
    ("style", "text", "tags", "malformed", "mismatch"),
    [
        ("sentinel", "<extra_id_0>O<extra_id_1> B-PER", ("O", "B-PER"), False, False),
        ("sentinel", "<extra_id_0>O", ("O", ""), False, True),
        ("sentinel", "<extra_id_1>O <extra_id_0>B-PER", ("B-PER", "O"), False, True),
        ("sentinel", "<extra_id_0>O <extra_id_0>X <extra_id_1>O", ("O", "O"), False, True),
        ("sentinel", "well <extra_id_0>O <extra_id_1>O", ("O", "O"), True, False),
        ("sentinel", "<extra_id_0>O O <extra_id_1>", ("", ""), True, False),
        ("sentinel", "nothing", ("", ""), True, True),
        ("index", "[0] O [1] B-PER [2] O", ("O", "B-PER"), False, True),
        ("spans", "in <LOC> Kano </LOC>", ("O", "B-LOC"), False, False),
        ("spans", "in<LOC>Kano</LOC>", ("O", "B-LOC"), False, False),
        ("spans", "in <LOC> Kano", ("O", "B-LOC"), True, False),
        ("spans", "in <LOC> Kano </PER>", ("O", "B-LOC"), True, False),
        ("spans", "in Kano </LOC>", ("O", "O"), True, False),
        ("spans", "in <LOC> </LOC> Kano", ("O", "O"), True, False),
        ("spans", "<LOC> Kano </LOC>", ("", "B-LOC"), False, True),
        ("spans", "in the <LOC> Kano </LOC>", ("O", "B-LOC"), False, True),
        ("spans", "", ("", ""), True, True),
        ("words", "<ADP> in </ADP> <PROPN> Kano </PROPN>", ("ADP", "PROPN"), False, False),
        ("words", "<ADP> in Kano </ADP>", ("ADP", ""), True, False),
        ("words", "in <PROPN> Kano </PROPN>", ("", "PROPN"), True, False),
    ],
)
def test_what_is_wrong_is_counted_and_the_rest_is_read(
    style: str, text: str, tags: tuple[str, ...], malformed: bool, mismatch: bool
) -> None:
    assert read_tags(text, style, ["in", "Kano"]) == (tags, malformed, mismatch)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        # The two schemes of CoNLL-2003 and CoNLL-2000, worked by hand from conlleval's rules.
        ("I-PER I-PER O I-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("I-PER B-PER I-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        ("B-PER I-LOC I-LOC", [(0, 1, "PER"), (1, 3, "LOC")]),
        ("B-PER O I-PER", [(0, 1, "PER"), (2, 3, "PER")]),
        ("S-PER B-LOC E-LOC S-LOC", [(0, 1, "PER"), (1, 3, "LOC"), (3, 4, "LOC")]),
        ("U-PER B-LOC I-LOC L-LOC", [(0, 1, "PER"), (1, 4, "LOC")]),
        ("E-PER I-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("B-AM-NEG I-AM-NEG", [(0, 2, "AM-NEG")]),
        ("NOUN NOUN O", [(0, 1, "NOUN"), (1, 2, "NOUN")]),
    ],
)
def test_spans_of_every_scheme(tags: str, spans: list[tuple[int, int, str]]) -> None:
    assert spans_of(tags.split()) == [Span(*span) for span in spans]


@given(sentences())
def test_spans_and_tags_are_each_others_inverse(sentence: tuple[list[str], list[str]]) -> None:
    _, tags = sentence
    assert bio_tags(spans_of(tags), len(tags)) == tuple(tags)


@pytest.mark.parametrize(
    ("words", "tags", "style"),
    [
        (["a"], ["O", "O"], "spans"),
        ([], [], "spans"),
        ([""], ["O"], "index"),
        (["a"], [""], "index"),
        (["a"], ["x y"], "words"),
        (["a"], ["extra_id_3"], "words"),
        (["a"], ["/PER"], "words"),
        (["a"], ["O"], "sentinels"),
    ],
)
def test_what_could_not_come_back_is_refused(words: list[str], tags: list[str], style: str) -> None:
    with pytest.raises(StructureError):
        written_tags(words, tags, style)
