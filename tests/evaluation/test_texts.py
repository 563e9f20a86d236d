from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from mtft.evaluation.answers import answer_tokens, exact_match, normalised, token_f1
from mtft.evaluation.metrics.character_f import CHRF_6, CHRF_PLUS_PLUS, chrf_score
from mtft.evaluation.ranking import ndcg, reciprocal_rank
from mtft.evaluation.spans import parse_spans, span_counts


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("The  Nile!", "en", "nile"),
        ("El río Amazonas.", "es", "río amazonas"),
        ("der Rhein", "de", "rhein"),
        ("der Rhein", "en", "der rhein"),  # articles are the language's own
        ("a casa", "pt", "a casa"),
        ("«القاهرة»", "ar", "قاهرة"),
        ("दिल्ली।", "hi", "दिल्ली"),  # the danda is punctuation, vowel signs are not
        ("những con sông", "vi", "con sông"),
        ("$5.00", "en", "500"),
    ],
)
def test_normalisation_by_language(text: str, language: str, expected: str) -> None:
    assert normalised(text, language) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("在1990年 Berlin", "zh", ["在", "1990", "年", "berlin"]),
        ("東京タワー", "ja", ["東", "京", "タ", "ワ", "ー"]),
        ("น้ำ", "th", ["น้", "ำ"]),  # a tone mark stays with its consonant
        ("Kano city", "ha", ["kano", "city"]),
        ("दिल्ली", "hi", ["दिल्ली"]),
    ],
)
def test_segmentation(text: str, language: str, expected: list[str]) -> None:
    assert answer_tokens(text, language) == expected


def test_exact_match_and_f1_by_hand() -> None:
    assert exact_match("the Nile", ["Nile", "river Nile"], "en") == 1.0
    assert token_f1("the old Nile", ["Nile"], "en") == pytest.approx(2 / 3)
    assert token_f1("在北京", ["北京市"], "zh") == pytest.approx(2 * 2 / 6)
    assert token_f1("", ["Nile"], "en") == 0.0
    assert token_f1("the", ["a"], "en") == 1.0
    # Composed and decomposed forms of one answer agree.
    assert exact_match("Ìbàdàn", ["I\u0300ba\u0300da\u0300n"], "yo") == 1.0


@pytest.mark.parametrize(
    ("text", "spans", "malformed"),
    [
        ("PER: Amina ; LOC: Kano", {("PER", "Amina"): 1, ("LOC", "Kano"): 1}, False),
        ("none", {}, False),
        ("None.", {}, False),
        ("", {}, True),
        ("  ; ", {}, True),
        ("PER: Amina ; Kano", {("PER", "Amina"): 1}, True),
        ("per:Amina;PER: Amina;", {("PER", "Amina"): 2}, False),
        ("DATE: 12:30 ; ORG:", {("DATE", "12:30"): 1}, True),
        ("none ; PER: Amina", {("PER", "Amina"): 1}, True),
        ("the the the", {}, True),
    ],
)
def test_spans_are_read_robustly(text: str, spans: dict[tuple[str, str], int], malformed: bool) -> None:
    assert parse_spans(text) == (Counter(spans), malformed)


def test_span_counts_by_hand() -> None:
    gold = parse_spans("PER: Amina ; LOC: Kano ; LOC: Kano").spans
    made = parse_spans("PER: Amina ; LOC: Kano ; ORG: Kano").spans
    assert span_counts(made, gold) == (2, 1, 1)


def test_ndcg_by_hand() -> None:
    assert ndcg([1, 0, 0], [3, 2, 1]) == 1.0
    assert ndcg([0, 1, 0], [3, 2, 1]) == pytest.approx(1 / math.log2(3))
    # Graded: gains 2, 1 in the wrong order.
    assert ndcg([1, 2], [2, 1]) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))
    assert math.isnan(ndcg([0, 0], [1, 2]))


def test_ties_are_worth_their_average() -> None:
    one, two = ndcg([1, 0], [2, 1]), ndcg([1, 0], [1, 2])
    assert ndcg([1, 0], [5, 5]) == pytest.approx((one + two) / 2)
    assert ndcg([0, 1], [5, 5]) == ndcg([1, 0], [5, 5])
    assert reciprocal_rank([0, 1, 0], [1, 1, 1]) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert reciprocal_rank([0, 1, 1], [1, 1, 1]) == pytest.approx((2 * 1 + 1 / 2) / 3)
    assert reciprocal_rank([0, 0, 1], [9, 5, 5]) == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert math.isnan(reciprocal_rank([0], [1]))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=12), st.randoms())
def test_ndcg_ignores_the_order_of_rows(rows: list[tuple[int, int]], draw: object) -> None:
    mixed = rows[:]
    draw.shuffle(mixed)  # type: ignore[attr-defined]
    for measure in (ndcg, reciprocal_rank):
        a = measure([g for g, _ in rows], [s for _, s in rows])
        b = measure([g for g, _ in mixed], [s for _, s in mixed])
        assert a == pytest.approx(b, nan_ok=True)
        assert math.isnan(a) or 0 < a <= 1 + 1e-9


TEXTS = [
    ("the boat is old", ["the boat is old!", "an old boat"]),
    ("नदी चौड़ी", ["नदी चौड़ी है"]),
    ("", ["mto ni mpana"]),
    ("x", ["y"]),
    ("ab", ["a"]),
    ('"quoted" words, here', ["quoted words here"]),
]


@pytest.mark.parametrize("word_order", [0, 2])
def test_chrf_equals_sacrebleu(word_order: int) -> None:
    ours, theirs = (CHRF_PLUS_PLUS if word_order else CHRF_6), CHRF(word_order=word_order)
    counts = np.stack([ours.counts(p, r) for p, r in TEXTS])
    for (prediction, references), row in zip(TEXTS, counts, strict=True):
        assert float(chrf_score(row)) == pytest.approx(theirs.sentence_score(prediction, references).score)
    single = [(p, r[0]) for p, r in TEXTS]
    total = np.stack([ours.counts(p, [r]) for p, r in single]).sum(axis=0)
    expected = theirs.corpus_score([p for p, _ in single], [[r for _, r in single]]).score
    assert float(chrf_score(total)) == pytest.approx(expected)
    assert chrf_score(counts).shape == (len(TEXTS),)
