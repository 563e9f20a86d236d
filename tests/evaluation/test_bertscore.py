"""BERTScore with a small model of our own, and what is said where the extra or the model is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from mtft.errors import MissingExtraError, SuiteError
from mtft.evaluation.metrics.bertscore import bert_scores, bert_setting, corpus_bertscore
from mtft.evaluation.scorers import find_scorer
from tests.evaluation.wordnet import write_bert

INSTALLED = importlib.util.find_spec("bert_score") is not None
needs_extra = pytest.mark.skipif(not INSTALLED, reason="the extra `bertscore` is not installed")
ROWS = [
    ("the boat is old", ("the boat is old", "a new vessel")),
    ("a vessel sank", ("the boat is new",)),
    ("", ("the boat",)),
    ("the boat", ("", "the boat")),
]


@pytest.mark.skipif(INSTALLED, reason="the extra `bertscore` is installed")
def test_the_extra_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'mtft\[bertscore\]'"):
        find_scorer("bertscore")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_bert(tmp_path / "tiny-bert")
    monkeypatch.setenv("MTFT_BERTSCORE_MODEL", str(folder))
    monkeypatch.setenv("MTFT_BERTSCORE_LAYERS", "2")
    return folder


@needs_extra
def test_equal_to_the_package(model: Path) -> None:
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type=str(model), num_layers=2)
    scorer._tokenizer.model_max_length = 512
    expected = scorer.score([p for p, _ in ROWS[:2]], [list(r) for _, r in ROWS[:2]])
    found = bert_scores(ROWS)
    for at in range(2):
        assert found[at] == pytest.approx([float(column[at]) for column in expected], abs=1e-5)
    assert found[2].f == 0
    assert found[3].f == pytest.approx(1, abs=1e-5)


@needs_extra
def test_order_is_nothing(model: Path) -> None:
    whole = corpus_bertscore([p for p, _ in ROWS], [r for _, r in ROWS])
    mixed = [(p, r[::-1]) for p, r in reversed(ROWS)]
    again = corpus_bertscore([p for p, _ in mixed], [r for _, r in mixed])
    assert again.value == pytest.approx(whole.value, abs=1e-5)
    assert whole.signature.startswith("nrefs:var|model:tiny-bert|layer:2|idf:no|rescaled:no|bert-score:")


@needs_extra
def test_a_model_must_be_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFT_BERTSCORE_LAYERS", "some")
    with pytest.raises(SuiteError, match="number of a layer"):
        bert_setting()
    monkeypatch.delenv("MTFT_BERTSCORE_MODEL")
    with pytest.raises(SuiteError, match="MTFT_BERTSCORE_MODEL"):
        bert_setting()
