"""BLEU: equal to sacrebleu on any corpus, additive, with its signature."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from mtft.errors import SuiteError
from mtft.evaluation.metrics import METRICS
from mtft.evaluation.metrics.bleu import BleuSetting, bleu_counts, bleu_score, corpus_bleu, tokenizer_of
from mtft.evaluation.sample_columns import SampleRows
from tests.evaluation.corpora import ROWS, Row, samples_of, shuffled, turned, value


@given(ROWS, st.sampled_from(["13a", "intl", "zh", "none", "char"]), st.booleans(), st.integers(1, 4))
def test_equal_to_sacrebleu(rows: list[Row], tokenize: str, lowercase: bool, orders: int) -> None:
    theirs = BLEU(tokenize=tokenize, lowercase=lowercase, max_ngram_order=orders)
    predictions, references = turned(rows)
    expected = theirs.corpus_score(predictions, references).score
    found = corpus_bleu(predictions, [r for _, r in rows], BleuSetting(tokenize, lowercase, orders))
    assert found.value == pytest.approx(expected, abs=1e-9)
    assert found.signature.split("|orders")[0] == theirs.get_signature().format()


@given(ROWS)
def test_one_sentence_is_sacrebleus_sentence_score(rows: list[Row]) -> None:
    for prediction, references in rows:
        expected = BLEU(effective_order=True).sentence_score(prediction, references).score
        counts = np.array(bleu_counts(prediction, tuple(references), BleuSetting()))
        assert float(bleu_score(counts, effective=True)) == pytest.approx(expected, abs=1e-9)


@given(ROWS, st.randoms())
def test_order_is_nothing_and_groups_add_up(rows: list[Row], draw: random.Random) -> None:
    metric = METRICS["bleu"][0]
    whole = value(metric, samples_of(rows))
    assert value(metric, samples_of(shuffled(rows, draw))) == pytest.approx(whole)
    assert corpus_bleu([p for p, _ in rows], [r for _, r in rows]).value == pytest.approx(whole)
    # Any subset of item groups, from the same statistics.
    samples = samples_of(rows)
    chosen = {g for g in {s.item_group for s in samples} if draw.random() < 0.5} or {"g0"}
    found = metric.rows(samples)
    part = np.array([g in chosen for g in SampleRows.of(samples).names("item_group", found.groups)])
    expected = value(metric, [s for s in samples if s.item_group in chosen])
    assert float(metric.value(found.statistics[part].sum(axis=0))) == pytest.approx(expected)


def test_one_corpus_by_hand() -> None:
    """Five words against six: 4 of 5, 2 of 4, and 1 of 3, 0 of 2 → 1/(2·2) n-grams; exp(1 - 6/5)."""
    found = corpus_bleu(["a b c x d"], [["a b c y d e"]], BleuSetting("none"))
    expected = 100 * np.exp(1 - 6 / 5) * (4 / 5 * 2 / 4 * 1 / 3 * 1 / 4) ** 0.25
    assert found.value == pytest.approx(expected)


def test_empty_predictions_count() -> None:
    full = corpus_bleu(["the old boat sank"], [["the old boat sank"]]).value
    half = corpus_bleu(["the old boat sank", ""], [["the old boat sank"], ["a new boat"]]).value
    assert full == pytest.approx(100)
    assert half == pytest.approx(100 * np.exp(1 - 7 / 4))
    assert corpus_bleu([""], [["a"]]).value == 0
    assert corpus_bleu([], []).value == 0


def test_casing_is_said() -> None:
    cased, lowered = METRICS["bleu"]
    samples = samples_of([("The Boat is old", ["the boat is old", "x"])])
    assert value(cased, samples) < value(lowered, samples) == pytest.approx(100)
    assert "nrefs:2|case:mixed" in cased.signature(samples)
    assert "nrefs:2|case:lc" in lowered.signature(samples)
    assert "nrefs:var" in cased.signature(samples + samples_of([("a", ["a"])]))


def test_tokeniser_follows_the_script() -> None:
    assert [tokenizer_of(code) for code in ("en", "zh", "yue", "th", "ja", "sw", "xyz_unknown")] == [
        "13a", "zh", "zh", "char", "char", "13a", "13a",
    ]  # fmt: skip
    metric = METRICS["bleu"][0]
    samples = samples_of([("我喜歡吃蘋果", ["我喜歡吃蘋果"])], language="zh")
    assert value(metric, samples) == pytest.approx(100)
    assert "tok:zh" in metric.signature(samples)


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["a", "b", "c"], [["a", "b", "c"], ["d", "e", "f"]], "other way round"),
        (["a"], ["a"], "References must be a list"),
        (["a"], "a", "must be lists"),
        (["a"], [[]], "at least one reference"),
        (["a"], [[None]], "at least one reference"),
        (["a", "b"], [["a"]], "one list of references per prediction"),
        ([None], [["a"]], "prediction must be a text"),
        (["a"], [[3]], "reference must be a text"),
    ],
)
def test_references_stand_one_way(predictions: object, references: object, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        corpus_bleu(predictions, references)  # type: ignore[arg-type]


def test_settings_are_checked() -> None:
    with pytest.raises(SuiteError, match="Did you mean: 13a"):
        BleuSetting("13b")
    with pytest.raises(SuiteError, match="n-grams"):
        BleuSetting(orders=0)


@pytest.mark.data
def test_the_published_figure_of_the_sample(data_root: Path) -> None:
    """45.5. Source: google-research/language, language/totto/README.md."""
    folder = data_root / "totto_sample" / "en"
    rows = [json.loads(line) for line in (folder / "dev_sample.jsonl").read_text("utf-8").splitlines()]
    texts = (folder / "output_sample.txt").read_text("utf-8").splitlines()
    references = [[a["final_sentence"] for a in row["sentence_annotations"]] for row in rows]
    found = corpus_bleu(texts, references, BleuSetting(lowercase=True))
    assert found.value == pytest.approx(45.5, abs=0.05)
    assert found.signature.startswith("nrefs:3|case:lc|eff:no|tok:13a|smooth:exp|version:")
