from __future__ import annotations

import math
import pickle
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mtft.errors import ModelError, SuiteError
from mtft.evaluation import (
    EngineSettings,
    EvalExample,
    EvaluationResults,
    ModelInfo,
    Suite,
    cells_of,
    evaluate,
)
from mtft.evaluation import runner as runner_module
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources
from tests.evaluation.conftest import Tiny, make
from tests.launching import TORCHRUN, launched


@pytest.fixture(scope="module")
def examples() -> list[EvalExample]:
    index = CardIndex.load([builtin_folder("prompts")])
    suite = Suite.load("mini_xp3").with_items(3)
    found = suite.examples(index, TemplateCollection.builtin(), Sources(), Problems())
    # Short generations, so that a random model's chatter does not take long.
    return [replace(e, cell=replace(e.cell, max_new_tokens=4)) for e in found]


def test_every_example_becomes_a_sample_in_order(tiny: Tiny, examples: list[EvalExample]) -> None:
    samples = evaluate(*tiny, examples, "trained", model_name="base")
    assert [(s.task, s.id.split("/")[1], s.template) for s in samples] == [
        (e.cell.task, e.example.row_id, e.template) for e in examples
    ]
    assert {s.metric for s in samples} >= {"accuracy", "chrf", "qa"}
    assert all(s.scores and not s.unscored_reason for s in samples)
    chosen = next(s for s in samples if s.metric == "accuracy")
    assert len(chosen.loglikelihoods) == len(chosen.choices)
    assert chosen.prediction == chosen.choices[chosen.loglikelihoods.index(max(chosen.loglikelihoods))]


def test_neither_order_nor_batch_size_changes_a_score(tiny: Tiny, examples: list[EvalExample]) -> None:
    some = examples[::3]
    whole = {(s.task, s.config, s.id, s.template): s for s in evaluate(*tiny, some, "trained")}
    mixed = random.Random(0).sample(some, len(some))
    for s in evaluate(*tiny, mixed, "trained", EngineSettings(batch_tokens=128)):
        other = whole[s.task, s.config, s.id, s.template]
        assert s.loglikelihoods == pytest.approx(other.loglikelihoods, abs=1e-5, rel=1e-5)
        assert s.prediction == other.prediction


def test_identical_requests_run_once(tiny: Tiny, examples: list[EvalExample]) -> None:
    finished: list[tuple[int, int]] = []
    once = [e for e in examples if "accuracy" in e.cell.metrics][:5]
    samples = evaluate(
        *tiny, once * 3, "trained", progress=lambda done, total: finished.append((done, total))
    )
    assert len(samples) == 15
    assert finished[-1] == (5, 5)
    assert samples[0].loglikelihoods == samples[5].loglikelihoods


def test_too_long_a_prompt_is_unscored_and_never_cut(tiny: Tiny, examples: list[EvalExample]) -> None:
    lengths = sorted(len(tiny.tokenizer(e.example.inputs)["input_ids"]) for e in examples)
    limit = lengths[len(lengths) // 2]
    samples = evaluate(*tiny, examples, "trained", EngineSettings(max_input_tokens=limit))
    reasons = {s.unscored_reason for s in samples}
    assert reasons == {"", f"the prompt is longer than {limit} tokens"}
    assert all((not s.scores) == bool(s.unscored_reason) for s in samples)


def test_a_model_that_yields_nan_is_unscored(examples: list[EvalExample]) -> None:
    broken = make("bloom")
    with torch.no_grad():
        broken.model.transformer.ln_f.weight.fill_(math.nan)
    some = [e for e in examples if "accuracy" in e.cell.metrics][:4]
    samples = evaluate(*broken, some, "trained")
    assert {s.unscored_reason for s in samples} == {"a log-likelihood is not finite"}


def test_self_check_passes_and_finds_a_wrong_engine(
    tiny: Tiny, examples: list[EvalExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [e for e in examples if "accuracy" in e.cell.metrics][::9]
    evaluate(*tiny, some, "trained", EngineSettings(self_check=1))
    score = runner_module.LikelihoodEngine.score
    monkeypatch.setattr(
        runner_module.LikelihoodEngine,
        "score",
        lambda self, batch: [[v + 0.1 for v in row] for row in score(self, batch)],
    )
    with pytest.raises(ModelError, match="naive"):
        evaluate(*tiny, some, "trained", EngineSettings(self_check=1))


def test_protocols_differ_and_unknown_ones_are_refused(tiny: Tiny, examples: list[EvalExample]) -> None:
    some = [e for e in examples if "accuracy" in e.cell.metrics][:3]
    ours, papers = (evaluate(*tiny, some, name)[0].loglikelihoods for name in ("trained", None))
    assert ours != papers
    with pytest.raises(SuiteError, match="bloomz"):
        evaluate(*tiny, some, "bloms")


def test_half_precision_mt5_is_refused(examples: list[EvalExample]) -> None:
    half = make("mt5")
    with pytest.raises(ModelError, match="float16"):
        evaluate(half.model.half(), half.tokenizer, "mt5", examples[:1], "trained")


def test_the_models_mode_is_put_back(tiny: Tiny, examples: list[EvalExample]) -> None:
    tiny.model.train()
    evaluate(*tiny, examples[:2], "trained")
    assert tiny.model.training
    tiny.model.eval()


def test_another_model_or_protocol_never_reads_stored_outputs(
    tiny: Tiny, examples: list[EvalExample], tmp_path: Path
) -> None:
    some = [e for e in examples if "accuracy" in e.cell.metrics][:3]
    settings = EngineSettings(cache_folder=tmp_path)
    first = evaluate(*tiny, some, "trained", settings)
    other = make(tiny.family, seed=9)
    second = evaluate(*other, some, "trained", settings)
    evaluate(*tiny, some, None, settings)
    assert len(list(tmp_path.iterdir())) == 3
    assert [s.loglikelihoods for s in second] == [s.loglikelihoods for s in evaluate(*other, some, "trained")]
    assert first[0].loglikelihoods != second[0].loglikelihoods


def test_from_examples_to_a_report(tiny: Tiny, examples: list[EvalExample], tmp_path: Path) -> None:
    samples = evaluate(*tiny, examples, "trained", model_name="base")
    found = EvaluationResults(
        tuple(samples), (ModelInfo("base"),), cells_of(examples), {"name": "mini"}
    ).save(tmp_path)
    assert {r["task"] for r in found["summary"]} == {e.cell.task for e in examples}
    assert found["languages"]["qac"]["script"] == "Latn"
    assert found["tasks"]["mini_xp3/paraphrase"]["cluster_status"] == "held_out"


SCRIPT = """
import sys, pickle
from accelerate import PartialState
from mtft.evaluation import evaluate
from tests.evaluation.conftest import make
state = PartialState(cpu=True)
examples = pickle.load(open(sys.argv[1], "rb"))
samples = evaluate(*make(sys.argv[3]), examples, "trained")
assert state.num_processes == 2
pickle.dump(samples, open(f"{sys.argv[2]}.{state.process_index}", "wb"))
"""


@pytest.mark.processes
def test_two_processes_find_what_one_does(examples: list[EvalExample], tmp_path: Path) -> None:
    tiny = make("mt5")
    some = examples[::5]
    (tmp_path / "run.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "examples").write_bytes(pickle.dumps(some))
    launched(
        [*TORCHRUN, tmp_path / "run.py", tmp_path / "examples", tmp_path / "out", tiny.family], timeout=180
    )
    one = evaluate(*tiny, some, "trained")
    for rank in range(2):
        both = pickle.loads((tmp_path / f"out.{rank}").read_bytes())
        assert [s.prediction for s in both] == [s.prediction for s in one]
        for a, b in zip(both, one, strict=True):
            assert a.loglikelihoods == pytest.approx(b.loglikelihoods, abs=1e-5, rel=1e-5)
