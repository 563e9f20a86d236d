"""PARENT: the published figures, values by hand, and what must not change it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from mtft.errors import StructureError
from mtft.structured import Cell, Table, Title
from mtft.structured.meaning_representation import read_meaning_representation
from mtft.structured.parent import PRESETS, mentioned, parent, parent_score, parent_values
from mtft.structured.parent_tokens import mteval_tokens
from mtft.structured.totto import read_totto
from mtft.structured.triples import read_triples

# Overall, overlap subset, non-overlap subset: precision, recall, F.
# Source: google-research/language, language/totto/README.md, "Running the evaluation scripts locally".
PUBLISHED = {
    None: (0.7611, 0.4383, 0.5334),
    True: (0.7140, 0.3135, 0.4134),
    False: (0.8317, 0.6256, 0.7135),
}
WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
SENTENCES = st.lists(WORDS, max_size=8)


def films(*, marked: bool = True) -> Table:
    cells = (
        Cell(0, 0, "Year", column_header=True),
        Cell(0, 1, "Role", column_header=True),
        Cell(1, 0, "1999"),
        Cell(1, 1, "Bo", highlighted=marked),
    )
    titles = (Title("page_title", "Zed Ark"), Title("section_text", "Long ago"))
    return Table(titles=titles, cells=cells, n_rows=2, n_columns=2)


@pytest.mark.data
@pytest.mark.parametrize("subset", PUBLISHED)
def test_the_published_figures_of_the_sample(data_root: Path, subset: bool | None) -> None:
    folder = data_root / "totto_sample" / "en"
    rows = [json.loads(line) for line in (folder / "dev_sample.jsonl").read_text("utf-8").splitlines()]
    texts = (folder / "output_sample.txt").read_text("utf-8").splitlines()
    scores = [
        parent_score(text, [a["final_sentence"] for a in row["sentence_annotations"]], read_totto(row))
        for row, text in zip(rows, texts, strict=True)
        if subset in (None, row["overlap_subset"])
    ]
    found = [sum(column) / len(scores) for column in zip(*scores, strict=True)]
    assert [round(value, 4) for value in found] == list(PUBLISHED[subset])


def test_one_text_by_hand() -> None:
    """Text `a b`, reference `a c`, table value `b`.

    Order 1: precision (1 + 1)/2; recall weights: a 0, c 0, so nothing is wanted: 1. Order 2: `a b` is not in the
    reference, half of it in the table: 1/2; `a c` has weight 0: 1. Orders 3 and 4: nothing: smoothed, and 1.
    """
    preset = PRESETS["totto"]
    found = parent(["a", "b"], [["a", "c"]], [["b"]], [["b"]], preset)
    assert found.precision == pytest.approx((1.0 * 0.5 * 1e-5 * 1e-5) ** 0.25)
    # The reference mentions nothing of the table: its weight is 1, and the text mentions all of it.
    assert found.recall == pytest.approx(1.0)
    original = parent(["a"], [["a", "b"]], [["b"]], [["b"], ["a"]], PRESETS["original"])
    # Reference: order 1 wants b alone, not said: 0, so smoothed as a whole. Table: a is said, b is not.
    assert original.recall == pytest.approx(math.sqrt(1e-5 * 0.5))


def test_a_perfect_text() -> None:
    text = "Bo was the lead in Zed Ark"
    for preset in PRESETS:
        found = parent_score(text, [text], films(), preset)
        assert found.precision == pytest.approx(1)
        assert found.f == pytest.approx(2 * found.recall / (1 + found.recall), rel=1e-6)


def test_presets_differ_where_published_programs_do() -> None:
    references = ["zed ark had bo", "long ago"]
    totto, kaijuml = (parent_score("bo long ago", references, films(), p) for p in ("totto", "kaijuml"))
    one = [parent_score("bo long ago", [r], films(), "kaijuml") for r in references]
    assert kaijuml == tuple(max(column) for column in zip(*one, strict=True))
    single = [parent_score("bo long ago", [r], films(), "totto") for r in references]
    assert totto == max(single, key=lambda score: score.f)
    # Nothing of the table said: smoothed, or no recall at all.
    assert parent_score("nothing", ["bo"], films(), "original").recall > 0
    assert parent_score("nothing", ["bo"], films(), "kaijuml").recall == 0


def test_the_two_tables_of_totto() -> None:
    support, claims = parent_values(films(), two_tables=True)
    assert support == ["Year", "Role", "1999", "Bo", "Zed Ark", "Long ago"]
    assert claims == ["Bo", "Zed Ark"]
    assert parent_values(films(), two_tables=False)[1] == ["Bo", "Zed Ark", "Long ago"]


def test_triples_and_slots_have_values_too() -> None:
    triples = read_triples([("Ada_L", "wrote", "a note"), ("[TABLECONTEXT]", "[TITLE]", "Letters")])
    assert parent_values(triples, two_tables=True)[1] == ["Ada L a note", "Letters"]
    meaning = read_meaning_representation("inform(name[Tetris], rating)")
    assert parent_values(meaning, two_tables=True)[0] == ["Tetris", ""]
    told, untold = (parent_score(t, ["By Ada L: a note"], triples).recall for t in ("Ada L: a note", "note"))
    assert told > untold > 0


@pytest.mark.parametrize("preset", PRESETS)
def test_empty_parts(preset: str) -> None:
    assert parent_score("", ["Bo"], films(), preset)[0::2] == (0, 0)
    empty = parent_score("Bo", ["Bo"], Table(), preset)
    assert 0 < empty.precision <= 1
    assert 0 <= parent_score("", [""], Table(), preset).f <= 1
    with pytest.raises(StructureError, match="at least one reference"):
        parent_score("Bo", [], films(), preset)


def test_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(StructureError, match="Did you mean: totto"):
        parent_score("a", ["a"], films(), "toto")


@given(SENTENCES, st.lists(SENTENCES, min_size=1, max_size=4), st.lists(SENTENCES, max_size=3), st.randoms())
def test_order_of_references_and_of_values_is_nothing(
    made: list[str], references: list[list[str]], values: list[list[str]], draw: random.Random
) -> None:
    claims = [value for value in values if value]
    for preset in PRESETS.values():
        before = parent(made, references, claims, claims, preset)
        mixed, turned = references[:], claims[:]
        draw.shuffle(mixed)
        draw.shuffle(turned)
        assert parent(made, mixed, turned, turned, preset) == pytest.approx(before)
        assert all(0 <= value <= 1 + 1e-9 for value in before)
        # A further reference never lowers F.
        assert parent(made, [*references, made], claims, claims, preset).f >= before.f - 1e-12


def test_a_value_counts_as_far_as_it_is_a_subsequence() -> None:
    assert mentioned([["new", "york", "city"], ["x"]], ["the", "city", "of", "new", "york"]) == pytest.approx(
        (2 / 3 + 0) / 2
    )


TEXTS = [
    'In 2010, 7,230 "people" (all) - 3-4 km/h; it\'s &amp; A.B. 5% x_y\n-z.',
    "Préss £5.50, «oui»",
    "",
    "a.1 1.a ,b,",
]


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_mteval(text: str) -> None:
    assert mteval_tokens(text) == Tokenizer13a()(text).split()


@given(st.text(alphabet="aB1é.,-&;\"'()_/\\[]{}|~^$%! \n", max_size=30))
def test_tokens_are_those_of_sacrebleu(text: str) -> None:
    assert mteval_tokens(text) == Tokenizer13a()(text).split()
