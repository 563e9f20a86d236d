from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.evaluation import evaluate
from mtft.modeling import load_model, save_model
from tests.evaluation.conftest import make
from tests.evaluation.zero3_scoring import examples
from tests.launching import TORCHRUN, launched

SCRIPT = Path(__file__).with_name("zero3_scoring.py")


@pytest.mark.processes
def test_divided_weights_score_and_generate_as_whole_ones(tmp_path: Path) -> None:
    """Both families and another model, in two processes, each with half of every weight."""
    models, output = tmp_path / "models", tmp_path / "found"
    for family in ("bloom", "mt5"):
        tiny = make(family)
        save_model(tiny.model, tiny.tokenizer, models / family)
    tokenizer = make("bloom").tokenizer
    other = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2))
    save_model(other, tokenizer, models / "gpt2")
    launched([*TORCHRUN, SCRIPT, models, output], timeout=170, extensions=tmp_path / "extensions")
    parts = [json.loads((tmp_path / f"found.{rank}").read_text()) for rank in range(2)]
    assert parts[0] == parts[1]
    for name, found in parts[0].items():
        loaded = load_model(models / name)
        samples = evaluate(*loaded, examples())
        assert found["texts"] == [s.prediction for s in samples], name
        for values, sample in zip(found["scores"], samples, strict=True):
            assert values == pytest.approx(sample.loglikelihoods, abs=1e-4), name
        assert found["parameters"] == sum(p.numel() for p in loaded.model.parameters())
    assert len({found["fingerprint"] for found in parts[0].values()}) == 3
    assert len(list((tmp_path / "outputs").iterdir())) == 3
