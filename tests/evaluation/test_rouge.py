"""ROUGE-L: equal to rouge-score for English, of use for every script."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from mtft.errors import SuiteError
from mtft.evaluation.metrics.rouge import UnicodeTokens, corpus_rouge_l, rouge_l
from tests.evaluation.corpora import ROWS, Row, shuffled


@given(ROWS)
def test_equal_to_rouge_score(rows: list[Row]) -> None:
    theirs = RougeScorer(["rougeL"])
    for prediction, references in rows:
        expected = theirs.score_multi(references, prediction)["rougeL"].fmeasure
        assert rouge_l(prediction, tuple(references)).f == pytest.approx(expected)


@given(ROWS, st.randoms(), st.sampled_from(["en", "sw"]))
def test_order_is_nothing(rows: list[Row], draw: random.Random, language: str) -> None:
    whole = corpus_rouge_l([p for p, _ in rows], [r for _, r in rows], language)
    mixed = shuffled(rows, draw)
    again = corpus_rouge_l([p for p, _ in mixed], [r for _, r in mixed], language)
    assert again.value == pytest.approx(whole.value)
    assert again.signature == whole.signature


def test_by_hand() -> None:
    found = rouge_l("the old boat sank", ("the boat", "a new boat sank at sea"))
    assert found == pytest.approx((2 / 4, 2 / 2, 2 * 0.5 / 1.5))
    assert rouge_l("", ("the boat",)).f == 0
    with pytest.raises(SuiteError, match="at least one reference"):
        rouge_l("a", ())
    with pytest.raises(SuiteError, match="at least one prediction"):
        corpus_rouge_l([], [])


@pytest.mark.parametrize(
    ("text", "language", "tokens"),
    [
        ("Mto ni mpana!", "sw", ["mto", "ni", "mpana"]),
        ("नदी चौड़ी है।", "hi", ["नदी", "चौड़ी", "है"]),
        ("東京タワー 2", "ja", ["東", "京", "タ", "ワ", "ー", "2"]),
        ("القاهرة، مدينة", "ar", ["القاهرة", "مدينة"]),
    ],
)
def test_no_script_is_dropped(text: str, language: str, tokens: list[str]) -> None:
    """rouge-score's own tokeniser keeps a-z and 0-9 alone: every other text would score 0."""
    assert UnicodeTokens().tokenize(text) == tokens
    assert rouge_l(text, (text,), language).f == pytest.approx(1)
    assert "tok:unicode" in corpus_rouge_l([text], [[text]], language).signature
    assert "nrefs:1|case:lc|tok:rouge" in corpus_rouge_l([text], [[text]]).signature
