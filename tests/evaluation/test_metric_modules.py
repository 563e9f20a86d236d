"""The modules under eval/metrics are loaded by path, without a network, and give the scorers' own figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import pytest

from mtft.resources import builtin_folder

FOLDER = builtin_folder("eval") / "metrics"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_EVALUATE_OFFLINE", "1")


def load(name: str, tmp_path: Path) -> Any:
    return evaluate.load(str(FOLDER / name), cache_dir=str(tmp_path))


def test_every_module_is_tested_here() -> None:
    assert {p.parent.name for p in FOLDER.rglob("*.py")} == {"span_f1", "multilingual_qa", "chrf", "ndcg"}


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
    assert found == {"ndcg": 1.0, "mrr": 1.0, "n_queries": 1.0}
