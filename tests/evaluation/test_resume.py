"""An evaluation that is killed goes on where it was, and finds no outputs but its own model's."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from peft import LoraConfig, get_peft_model

from mtft.encoding import train_tokenizer
from mtft.errors import RunError
from mtft.evaluation import EngineSettings, EvalExample, Sample, evaluate, find_protocol, load_outputs
from mtft.evaluation.fingerprints import model_fingerprint
from mtft.evaluation.output_cache import OutputCache
from mtft.evaluation.protocols import ProtocolEncoder
from tests.evaluation.conftest import TEXTS, Tiny
from tests.evaluation.conftest import make as make_model
from tests.evaluation.small_world import make
from tests.launching import TORCHRUN, launched

BATCH_TOKENS = 100  # some twenty batches, each a shard
SCRIPT = """
import os, pickle, signal, sys
from pathlib import Path
from accelerate import PartialState
from mtft.evaluation import EngineSettings, evaluate, runner
from tests.evaluation.conftest import make
state = PartialState(cpu=True)
assert state.num_processes == 2
runner.CHUNK_SECONDS = 0.0

def kill(done, total):
    if done > total / 3 and state.process_index == 0:
        os.kill(os.getpid(), signal.SIGKILL)

settings = EngineSettings(batch_tokens=int(sys.argv[4]), cache_folder=Path(sys.argv[2]))
examples = pickle.load(open(sys.argv[1], "rb"))
evaluate(*make(sys.argv[3]), examples, "trained", settings, progress=kill)
"""


@pytest.fixture
def examples(tmp_path: Path) -> list[EvalExample]:
    """Rankings and generations, forty distinct requests."""
    world = make(tmp_path / "world")
    found = world.examples(world.suite("tasks: [mood, say]"))
    return [replace(e, cell=replace(e.cell, max_new_tokens=2)) for e in found]


def assert_equal(found: list[Sample], expected: list[Sample]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.loglikelihoods == pytest.approx(other.loglikelihoods, abs=1e-5, rel=1e-5)
        assert replace(one, loglikelihoods=()) == replace(other, loglikelihoods=())


def stored(folder: Path) -> dict[str, Any]:
    """The outputs in all shards of the one model there."""
    (inside,) = folder.iterdir()
    return OutputCache(folder, inside.name).read()


def killed(tmp_path: Path, examples: list[EvalExample], family: str) -> Path:
    """The outputs that an evaluation under two processes wrote before SIGKILL ended one of them."""
    (tmp_path / "run.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "examples").write_bytes(pickle.dumps(examples))
    arguments = (tmp_path / "examples", tmp_path / "outputs", family, str(BATCH_TOKENS))
    output = launched([*TORCHRUN, tmp_path / "run.py", *arguments], timeout=180, killed=True)
    assert "SIGKILL" in output, output[-3000:]
    return tmp_path / "outputs"


@pytest.mark.processes
@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_a_killed_evaluation_goes_on_where_it_was(
    tmp_path: Path, examples: list[EvalExample], family: str
) -> None:
    """Killed under two processes it goes on under one, and finished shards are not scored again."""
    outputs = killed(tmp_path, examples, family)
    tiny, kept = make_model(family), stored(outputs)
    whole = evaluate(*tiny, examples, "trained", EngineSettings(batch_tokens=BATCH_TOKENS))
    distinct = len({(s.inputs, s.choices) for s in whole})
    assert 0 < len(kept) < distinct
    frame = load_outputs(tmp_path)
    assert set(frame.key) == set(kept)
    place = {(s.task, s.config, s.template, s.id): s for s in whole}
    for row in frame.itertuples():
        sample = place[row.task, row.config, row.template, row.id]
        assert (row.step, row.item_group, row.prompt_language) == (-1, sample.item_group, "en")
        if row.task == "mood":
            assert list(row.loglikelihoods) == pytest.approx(sample.loglikelihoods, abs=1e-5, rel=1e-5)
        else:
            assert row.text == sample.prediction
    counts: list[int] = []
    settings = EngineSettings(batch_tokens=BATCH_TOKENS, cache_folder=outputs)
    resumed = evaluate(
        *tiny, examples, "trained", settings, progress=lambda done, total: counts.append(total)
    )
    assert set(counts) == {distinct - len(kept)}
    assert_equal(resumed, whole)
    assert {key: value for key, value in stored(outputs).items() if key in kept} == kept
    again: list[int] = []
    evaluate(*tiny, examples, "trained", settings, progress=lambda done, total: again.append(total))
    assert again == []


@pytest.mark.parametrize("harm", ["half", "empty", "flipped", "other model", "other table"])
def test_a_harmed_shard_is_passed_over_and_scored_again(
    tiny: Tiny,
    tmp_path: Path,
    examples: list[EvalExample],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    harm: str,
) -> None:
    monkeypatch.setattr("mtft.evaluation.runner.CHUNK_SECONDS", 0.0)
    outputs = tmp_path / "outputs"
    settings = EngineSettings(batch_tokens=BATCH_TOKENS, cache_folder=outputs)
    whole = evaluate(*tiny, examples, "trained", settings)
    shard = max(outputs.rglob("0-*.parquet"), key=lambda path: pq.read_metadata(path).num_rows)
    lost, content = pq.read_table(shard), shard.read_bytes()
    assert lost.num_rows < len(stored(outputs))
    if harm == "other model":
        pq.write_table(lost.replace_schema_metadata({"mtft.fingerprint": "another"}), shard)
    elif harm == "other table":
        pq.write_table(pa.table({"key": ["a"]}, metadata={"mtft.fingerprint": shard.parent.name}), shard)
    else:
        middle = len(content) // 8
        flipped = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
        shard.write_bytes({"half": content[: len(content) // 2], "empty": b"", "flipped": flipped}[harm])
    counts: list[int] = []
    found = evaluate(*tiny, examples, "trained", settings, progress=lambda done, total: counts.append(total))
    assert set(counts) == {lost.num_rows}
    assert f"{shard} is passed over" in caplog.text
    assert_equal(found, whole)


def test_a_new_start_overwrites_no_shard(tmp_path: Path) -> None:
    first, second = (OutputCache(tmp_path, "f") for _ in range(2))
    for cache, key in ((first, "a"), (second, "b"), (first, "c")):
        cache.write({key: [float("-inf"), 1.0]}, rank=0)
    next(iter(sorted((tmp_path / "f").iterdir()))).unlink()  # numbers are then given twice
    second.write({"d": "text", "e": ""}, rank=0)
    assert len(first.read()) == 4
    assert (first.read()["d"], first.read()["e"]) == ("text", "")
    assert OutputCache(tmp_path, "g").read() == {}


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    cache = OutputCache(None, "f")
    cache.write({"k": "v"}, rank=0)
    cache.describe([("k",)])
    assert cache.read() == {}
    with pytest.raises(RunError, match="outputs"):
        load_outputs(tmp_path)


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_every_byte_of_the_weights_counts(family: str) -> None:
    tiny = make_model(family)
    before = model_fingerprint(tiny.model)
    assert model_fingerprint(make_model(family).model) == before
    parameter = next(iter(tiny.model.parameters()))
    kept, seen = parameter.detach().clone(), {before}
    with torch.no_grad():
        parameter.view(-1)[-1] += 1e-6
        seen.add(model_fingerprint(tiny.model))
        parameter.copy_(kept.flip(0))
        seen.add(model_fingerprint(tiny.model))
        parameter.copy_(kept)
    assert len(seen) == 3
    assert model_fingerprint(tiny.model) == before


def test_buffers_configuration_and_generation_count(tiny: Tiny) -> None:
    """What is in no saved weight decides outputs too."""
    model, seen = tiny.model, {model_fingerprint(tiny.model)}
    model.register_buffer("scale", torch.ones(1), persistent=False)
    seen.add(model_fingerprint(model))
    model.scale += 1
    seen.add(model_fingerprint(model))
    del model.scale
    for settings, name, value in (
        (model.config, "layer_norm_epsilon", 0.5),
        (model.generation_config, "no_repeat_ngram_size", 7),
    ):
        before = getattr(settings, name, None)
        setattr(settings, name, value)
        seen.add(model_fingerprint(model))
        setattr(settings, name, before)
    assert len(seen) == 5
    model.config._name_or_path = "elsewhere"
    assert model_fingerprint(model) in seen


def test_adapters_count_with_their_settings(tiny: Tiny) -> None:
    """Two adapters of equal weights differ by their scale; one that is switched off is not the same model."""
    targets = ["query_key_value"] if tiny.family == "bloom" else ["q", "v"]
    seen = {model_fingerprint(tiny.model)}
    for alpha in (8, 16):
        torch.manual_seed(0)
        adapted = get_peft_model(
            make_model(tiny.family).model, LoraConfig(r=2, lora_alpha=alpha, target_modules=targets)
        )
        seen.add(model_fingerprint(adapted))
        with torch.no_grad():
            next(p for n, p in adapted.named_parameters() if "lora_B" in n).fill_(0.1)
        seen.add(model_fingerprint(adapted))
    with adapted.disable_adapter():
        seen.add(model_fingerprint(adapted))
    assert len(seen) == 6


def test_weights_that_are_dealt_to_processes_count_by_their_parts(tiny: Tiny) -> None:
    """ZeRO-3 leaves empty weights where a model had its own, and this process's part of each beside them."""
    model = make_model(tiny.family).model
    for parameter in model.parameters():
        parameter.ds_tensor = parameter.detach().clone()
        parameter.data = torch.empty(0)
    before = model_fingerprint(model)
    assert model_fingerprint(model) == before != model_fingerprint(tiny.model)
    next(model.parameters()).ds_tensor[0] += 1
    assert model_fingerprint(model) != before


def test_weights_that_are_not_in_memory_are_like_no_others(
    tiny: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    empty = make_model(tiny.family).model.to("meta")
    assert model_fingerprint(empty) != model_fingerprint(empty)
    assert "not in memory" in caplog.text


def test_tokenizer_and_protocol_count(tiny: Tiny) -> None:
    def fingerprint(tokenizer: Any, protocol: str) -> str:
        return ProtocolEncoder(
            find_protocol(protocol, tiny.family), tokenizer, encoder_decoder=tiny.family == "mt5"
        ).fingerprint

    other = train_tokenizer(TEXTS[:2] * 20, 420, tiny.family)  # type: ignore[arg-type]
    named = train_tokenizer(TEXTS, 420, tiny.family)  # type: ignore[arg-type]
    assert fingerprint(named, "trained") == fingerprint(tiny.tokenizer, "trained")
    named.add_special_tokens({"additional_special_tokens": ["<new>"]})
    found = [fingerprint(t, "trained") for t in (tiny.tokenizer, other, named)]
    assert len({*found, fingerprint(tiny.tokenizer, "mt0")}) == 4
