"""The modules under eval/metrics are loaded by path, without a network, and give the scorers' own figures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import evaluate
import pytest

from mtft.evaluation.metrics import METRICS
from mtft.evaluation.metrics.bleu import BleuSetting, corpus_bleu
from mtft.evaluation.metrics.of_tables import corpus_coverage, corpus_parent, corpus_slot_error
from mtft.evaluation.metrics.rouge import corpus_rouge_l
from mtft.evaluation.metrics.ter import corpus_ter
from mtft.resources import builtin_folder
from mtft.structured.meaning_representation import read_meaning_representation
from mtft.structured.triples import read_triples
from tests.evaluation.corpora import samples_of, value
from tests.evaluation.wordnet import write_bert, write_wordnet

FOLDER = builtin_folder("eval") / "metrics"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_EVALUATE_OFFLINE", "1")


def load(name: str, tmp_path: Path) -> Any:
    return evaluate.load(str(FOLDER / name), cache_dir=str(tmp_path))


def test_every_module_is_tested_here() -> None:
    assert {p.parent.name for p in FOLDER.rglob("*.py")} == {
        "span_f1", "multilingual_qa", "chrf", "ndcg", "bleu", "ter", "rouge", "meteor", "bertscore", "parent",
        "slot_error", "coverage",
    }  # fmt: skip


def test_span_f1(tmp_path: Path) -> None:
    found = load("span_f1", tmp_path).compute(
        predictions=["PER: Amina", "Kano"], references=["PER: Amina ; LOC: Kano", "none"]
    )
    assert found == {"span_f1": pytest.approx(2 / 3), "malformed_rate": 0.5}


def test_multilingual_qa(tmp_path: Path) -> None:
    found = load("multilingual_qa", tmp_path).compute(
        predictions=["der Rhein", "Elbe"], references=[["Rhein"], ["die Elbe bei Prag"]], language="de"
    )
    assert found == {"exact_match": 0.5, "f1": pytest.approx((1 + 0.5) / 2)}


def test_chrf(tmp_path: Path) -> None:
    found = load("chrf", tmp_path).compute(predictions=["the old boat"], references=[["the old boat"]])
    assert found == {"chrf": pytest.approx(100), "chrf_pp": pytest.approx(100)}


def test_ndcg(tmp_path: Path) -> None:
    found = load("ndcg", tmp_path).compute(
        predictions=[[2.0, 1.0], [1.0, 1.0]], references=[[1.0, 0.0], [0.0, 0.0]]
    )
    assert found == {"ndcg": 1.0, "mrr": 1.0, "auc": 1.0, "auc_overall": 1.0, "n_queries": 1.0}


PREDICTIONS = ["Ada wrote a note in 1843", "", "the old boat is old"]
REFERENCES = [
    ["Ada wrote the note in 1843.", "A note was written"],
    ["a boat"],
    ["The old boat", "boat", "old"],
]
ROWS = list(zip(PREDICTIONS, REFERENCES, strict=True))
TRIPLES = [
    read_triples([("Ada", "wrote", "a note"), ("a note", "year", year)]) for year in ("1843", "1", "2")
]
MEANINGS = [read_meaning_representation(f"name[Ada], year[{year}], old[yes]") for year in ("1843", "1", "2")]


@pytest.mark.parametrize("name", ["bleu", "ter", "chrf"])
def test_corpus_metrics_give_the_report_s_own_figures(name: str, tmp_path: Path) -> None:
    found = load(name, tmp_path).compute(predictions=PREDICTIONS, references=REFERENCES)
    metric = METRICS[name][0]
    assert found[name] == pytest.approx(value(metric, samples_of(ROWS)))
    if name != "chrf":
        assert found["signature"] == metric.signature(samples_of(ROWS))


def test_bleu_ter_and_rouge(tmp_path: Path) -> None:
    setting = BleuSetting("intl", True, 2)
    found = load("bleu", tmp_path).compute(
        predictions=PREDICTIONS, references=REFERENCES, tokenize="intl", lowercase=True, orders=2
    )
    assert tuple(found.values()) == corpus_bleu(PREDICTIONS, REFERENCES, setting)
    found = load("ter", tmp_path).compute(predictions=PREDICTIONS, references=REFERENCES)
    assert tuple(found.values()) == corpus_ter(PREDICTIONS, REFERENCES)
    found = load("rouge", tmp_path).compute(predictions=PREDICTIONS, references=REFERENCES, language="sw")
    assert tuple(found.values()) == corpus_rouge_l(PREDICTIONS, REFERENCES, "sw")


@pytest.mark.parametrize("preset", ["totto", "original", "kaijuml"])
def test_parent(preset: str, tmp_path: Path) -> None:
    tables = [json.dumps(table.as_dict()) for table in TRIPLES]
    found = load("parent", tmp_path).compute(
        predictions=PREDICTIONS, references=REFERENCES, tables=tables, preset=preset
    )
    score, signature = corpus_parent(PREDICTIONS, REFERENCES, TRIPLES, preset)
    assert (found["parent_precision"], found["parent_recall"], found["parent"]) == score
    assert found["signature"] == signature
    assert f"nrefs:var|preset:{preset}|case:lc|tok:" in signature


def test_slot_error_and_coverage(tmp_path: Path) -> None:
    tables = [json.dumps(table.as_dict()) for table in MEANINGS]
    found = load("slot_error", tmp_path).compute(predictions=PREDICTIONS, tables=tables)
    shares, signature = corpus_slot_error(PREDICTIONS, MEANINGS)
    assert found == {**shares, "signature": signature}
    # Of 9 slots: `old` in the first; all in the second; name and year in the third.
    assert found["slot_error"] == pytest.approx(6 / 9)
    tables = [json.dumps(table.as_dict()) for table in TRIPLES]
    found = load("coverage", tmp_path).compute(predictions=PREDICTIONS, tables=tables)
    assert tuple(found.values()) == corpus_coverage(PREDICTIONS, TRIPLES)
    assert found["coverage"] == pytest.approx(2 / 6)


def test_meteor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFT_WORDNET", str(write_wordnet(tmp_path / "wordnet")))
    found = load("meteor", tmp_path).compute(predictions=["boat", ""], references=[["vessel", "x"], ["x"]])
    assert found["meteor"] == pytest.approx(0.5 / 2)
    assert "nrefs:var|" in found["signature"]


@pytest.mark.skipif(importlib.util.find_spec("bert_score") is None, reason="the extra `bertscore` is missing")
def test_bertscore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFT_BERTSCORE_MODEL", str(write_bert(tmp_path / "bert")))
    monkeypatch.setenv("MTFT_BERTSCORE_LAYERS", "1")
    found = load("bertscore", tmp_path).compute(
        predictions=["the boat", ""], references=[["the boat"], ["a"]]
    )
    assert found["bertscore"] == pytest.approx(0.5, abs=1e-5)
