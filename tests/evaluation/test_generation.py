"""Generated answers: shortest lengths, batches, lengths beside references, all references, vLLM's calls."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.errors import ModelError, SuiteError
from mtft.evaluation import EngineSettings, EvaluationResults, ModelInfo, Sample, cells_of, evaluate
from mtft.evaluation.generation import Generator
from mtft.evaluation.lengths import length_rows
from mtft.evaluation.naive import naive_generation
from mtft.evaluation.requests import GenerationIds, GenerationRequest
from mtft.evaluation.scorers import SCORERS, judge
from mtft.evaluation.vllm_generation import VllmGenerator
from mtft.modeling import with_trees
from tests.evaluation.conftest import Tiny, make
from tests.evaluation.one_task import example, generated
from tests.evaluation.small_world import make as make_world


def ends_early(tiny: Tiny) -> int:
    """A token to end texts with that the model soon writes."""
    (ids,) = naive_generation(
        tiny.model, [GenerationIds("a", (50, 60, 70), 6)], 0, tiny.tokenizer.eos_token_id
    )
    assert ids is not None
    return ids[1]


def made(tiny: Tiny, items: list[GenerationIds], eos: int, tokens: int, **more: Any) -> list[Any]:
    generator = Generator(tiny.model, 0, eos, batch_tokens=tokens, **more)
    with torch.inference_mode():
        found = {
            i.key: g for b in generator.batches(items) for i, g in zip(b, generator.generate(b), strict=True)
        }
    return [found[item.key] for item in items]


def test_answers_have_the_least_length_and_are_the_librarys(tiny: Tiny) -> None:
    eos = ends_early(tiny)
    items = [
        GenerationIds(f"{n}-{least}", (50, 60, 70 + n), 7, least) for n in range(5) for least in (0, 3, 7)
    ]
    found = made(tiny, items, eos, 10_000)
    assert found == made(tiny, items, eos, 10) == made(tiny, items, eos, 100, reference=True)
    lengths = [len(ids) for ids in found]
    assert all(item.min_new_tokens <= n <= 7 for item, n in zip(items, lengths, strict=True))
    assert lengths[0] < 3 <= lengths[1] < 7 or lengths[1] == 7
    assert all(eos not in ids for ids in found)


def test_the_longest_prompts_and_answers_come_first(tiny: Tiny) -> None:
    items = [GenerationIds(str(n), tuple(range(3, 6 + n)), 2 + n % 3) for n in range(12)]
    batches = Generator(tiny.model, 0, 2, batch_tokens=4).batches(items)
    firsts = [(batch[0].max_new_tokens, len(batch[0].inputs)) for batch in batches]
    assert firsts == sorted(firsts, reverse=True)
    assert sorted(i.key for b in batches for i in b) == sorted(i.key for i in items)


def test_a_request_with_another_least_length_is_another(tiny: Tiny) -> None:
    assert GenerationRequest("a", 5).key == GenerationRequest("a", 5, 0).key
    assert len({GenerationRequest("a", 5, least).key for least in (0, 1, 2)}) == 3
    cells = [{"min_new_tokens": least} for least in (0, 6)]
    short, long = (evaluate(*tiny, generated(["the boat"], **cell), "trained")[0] for cell in cells)
    assert len(str(long.prediction)) >= len(str(short.prediction))


def test_a_suite_says_the_least_length_for_all_tasks_or_one(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    suite = world.suite(
        "min_new_tokens: 2\ntasks: [{task: say, min_new_tokens: 4}, {task: mood, templates: [ask]}]"
    )
    cells = {c.task: c.min_new_tokens for c in cells_of(world.examples(suite))}
    assert cells == {"say": 4, "mood": 2}
    plain = world.suite("tasks: [say]")
    assert plain.fingerprint == world.suite("tasks: [{task: say, min_new_tokens: 0}]").fingerprint
    assert plain.fingerprint != world.suite("tasks: [{task: say, min_new_tokens: 1}]").fingerprint
    with pytest.raises(SuiteError, match="at least 0"):
        world.suite("min_new_tokens: -1\ntasks: [say]")
    with pytest.raises(SuiteError, match=r"max_new_tokens.*5, and at most 4"):
        world.examples(world.suite("tasks: [{task: say, min_new_tokens: 5}]"))


def said(prediction: str | None, targets: tuple[str, ...], metric: str = "chrf", **more: Any) -> Sample:
    values = {
        "model": "m", "task": "say", "dataset": "say", "config": "en", "cluster": "c", "language": "en",
        "prompt_language": "en", "metric": metric, "template": "t", "template_id": "t", "id": "test/0",
        "item_group": "g", "inputs": "p", "choices": (), "loglikelihoods": (), "prediction": prediction,
        "target": targets[0], "targets": targets,
    }  # fmt: skip
    return Sample(**{**values, **more})


def test_lengths_by_hand() -> None:
    samples = [
        said("abcd ", ("ab", "abcdef")),
        said("", ("नाव",)),
        said(" \n", ("abc",), template="u"),
        said(None, ("never counted",), unscored_reason="the prompt is empty"),
        said("xx", ("abcd",), language="sw"),
        said("no", ("no",), metric="accuracy"),
    ]
    english, swahili = length_rows(samples)
    assert english == {
        "model": "m", "task": "say", "config": "en", "language": "en", "prompt_language": "en",
        "metric": "chrf", "mean_prediction": 4 / 3, "mean_target": 10 / 3, "ratio": pytest.approx(0.4),
        "n_empty": 2, "n": 3,
    }  # fmt: skip
    assert (swahili["language"], swahili["ratio"]) == ("sw", 0.5)


def test_lengths_stand_in_the_results_and_survive_the_files(tiny: Tiny, tmp_path: Path) -> None:
    examples = generated(["the boat", "mto"], min_new_tokens=3)
    samples = evaluate(*tiny, examples, "trained")
    content = EvaluationResults(
        tuple(samples), (ModelInfo("model"),), cells_of(examples), {"name": "x"}
    ).save(tmp_path)
    (row,) = content["lengths"]
    assert row["n"] == 2
    again = EvaluationResults.load(tmp_path)
    assert "lengths" not in again.extras
    assert again.as_dict()["lengths"] == content["lengths"]


REFERENCES = ("the boat is very old", "a red boat came home")
TEXT_SCORERS = ("chrf", "bleu", "ter", "rouge", "qa")


@pytest.mark.parametrize("name", TEXT_SCORERS)
@pytest.mark.parametrize("which", [0, 1])
def test_every_reference_counts(name: str, which: int) -> None:
    """An answer that is one of the references is perfect, whichever it is."""
    both = example("p", None, targets=REFERENCES)
    only = example("p", None, targets=(REFERENCES[1 - which],))
    text = REFERENCES[which]
    score = next(iter(judge(both, SCORERS[name], None, text).scores))
    found, one = (judge(e, SCORERS[name], None, text).scores[score] for e in (both, only))
    assert found == pytest.approx({"ter": 0.0, "rouge": 1.0, "qa": 1.0}.get(name, 100.0))
    assert found != pytest.approx(one, abs=1e-2)


class Params(SimpleNamespace):
    """What vLLM is asked for."""


class Engine:
    """Answers like `vllm.LLM`: what is asked, with an end token and more behind it."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def generate(self, prompts: list[dict[str, list[int]]], params: list[Params], **more: Any) -> list[Any]:
        assert more == {"use_tqdm": False}
        return [
            SimpleNamespace(
                outputs=[SimpleNamespace(token_ids=[*p["prompt_token_ids"][::-1], 2, 9][: s.max_tokens])]
            )
            for p, s in zip(prompts, params, strict=True)
        ]


def test_vllm_is_asked_in_its_documented_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM itself needs a GPU; this stands in for it, and pins what we ask and how we read its answer."""
    asked: list[Params] = []

    def params(**given: Any) -> Params:
        asked.append(Params(**given))
        return asked[-1]

    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=Engine, SamplingParams=params))
    generator = VllmGenerator("folder", revision=None, eos=2, dtype="bfloat16", family="causal")
    items = [GenerationIds("a", (5, 6), 9, 1), GenerationIds("b", (7,), 1)]
    (batch,) = generator.batches(items)
    assert dict(zip([i.key for i in batch], generator.generate(batch), strict=True)) == {
        "a": (6, 5),
        "b": (7,),
    }
    assert (asked[0].temperature, asked[0].min_tokens, asked[0].max_tokens) == (0.0, 1, 9)
    assert asked[0].stop_token_ids == [2]
    with pytest.raises(ModelError, match="encoder-decoder"):
        VllmGenerator("folder", revision=None, eos=2, dtype="bfloat16", family="mt5")


def test_another_generator_answers_in_the_models_place(tiny: Tiny, tmp_path: Path) -> None:
    class Echo:
        def batches(self, items: Any) -> Any:
            return [list(items)]

        def generate(self, batch: Any) -> Any:
            return [tiny.tokenizer("the boat", add_special_tokens=False)["input_ids"] for _ in batch]

    examples, settings = generated(["mto"]), EngineSettings(cache_folder=tmp_path)
    (found,) = evaluate(*tiny, examples, "trained", settings, generator=Echo())
    assert found.prediction == "the boat"
    (own,) = evaluate(*tiny, examples, "trained", settings)
    assert own.prediction != "the boat"
    assert replace(found, prediction=own.prediction, scores=own.scores) == own


def test_a_model_that_writes_nothing_is_scored_as_empty(tiny: Tiny) -> None:
    size = len(tiny.tokenizer)
    silent = GPT2LMHeadModel(GPT2Config(vocab_size=size, n_embd=8, n_layer=1, n_head=2)).eval()
    with torch.no_grad():
        silent.transformer.wte.weight.zero_()
        silent.transformer.wte.weight[tiny.tokenizer.eos_token_id] = 1.0
        silent.transformer.ln_f.bias.fill_(1.0)
    (found,) = evaluate(silent, tiny.tokenizer, "causal", generated(["mto"]), "bloomz")
    assert (found.prediction, found.unscored_reason) == ("", "")
    assert length_rows([found])[0]["n_empty"] == 1


def test_the_packed_encoder_gives_the_librarys_states() -> None:
    """Rows of any length, in one part or in several."""
    model = make("mt5").model.eval()
    own = with_trees(model)
    lengths = torch.tensor([33, 1, 20, 5, 33, 7, 12])
    ids = torch.randint(5, 300, (7, 33), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(33) < lengths[:, None]).long()
    with torch.no_grad():
        expected = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state * mask[..., None]
    torch.testing.assert_close(own.encode(ids, mask), expected, rtol=1e-4, atol=1e-4)
    longer = ids.repeat(400, 1), mask.repeat(400, 1)  # more than goes through the body together
    torch.testing.assert_close(own.encode(*longer), expected.repeat(400, 1, 1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_what_a_model_says_of_generation_changes_no_greedy_text(family: str) -> None:
    tiny = make(family)
    items = [GenerationIds("a", (50, 60, 70), 8)]
    plain = naive_generation(tiny.model, items, 0, tiny.tokenizer.eos_token_id)
    tiny.model.generation_config.repetition_penalty = 5.0
    tiny.model.generation_config.no_repeat_ngram_size = 1
    assert naive_generation(tiny.model, items, 0, tiny.tokenizer.eos_token_id) == plain
