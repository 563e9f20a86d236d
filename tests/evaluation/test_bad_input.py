"""What cannot be scored is named, counted as unscored, and stops nothing else; what cannot be used is an error."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, MT5EncoderModel

from mtft.errors import MissingExtraError, ModelError, MtftError, SuiteError
from mtft.evaluation import EngineSettings, EvaluationResults, ModelInfo, cells_of, evaluate
from mtft.evaluation.naive import naive_loglikelihoods
from mtft.evaluation.protocols import PROTOCOLS, ProtocolEncoder
from mtft.evaluation.requests import RankRequest, encode_rank
from mtft.modeling import load_model, save_model
from mtft.tasks import Problems
from tests.evaluation.conftest import Tiny, make
from tests.evaluation.one_task import generated, ranked
from tests.evaluation.small_world import make as make_world

GOOD = ("the river is wide", ("yes", "no maybe"))
BAD = [
    (("the boat is old", ("yes", "")), "an answer choice is empty"),
    (("the boat is old", ("yes", " \n")), "an answer choice is empty"),
    (("the boat is old", ("yes", "no", "yes")), "two answer choices are equal"),
    (("the boat is old", ("yes",)), "there is only one answer choice"),
    (("the boat is old", None), "the template gives no answer choices"),
    (("", ("yes", "no")), "the prompt is empty"),
    (("boat " * 60, ("yes", "no")), "the prompt is longer than 40 tokens"),
]


def test_every_reason_is_named_and_the_rest_is_scored(tiny: Tiny) -> None:
    examples = ranked([GOOD, *(pair for pair, _ in BAD), GOOD])
    samples = evaluate(*tiny, examples, "bloomz", EngineSettings(max_input_tokens=40))
    assert [s.unscored_reason for s in samples] == ["", *(reason for _, reason in BAD), ""]
    assert all(bool(s.scores) != bool(s.unscored_reason) for s in samples)
    found = EvaluationResults(
        tuple(samples), (ModelInfo("model"),), cells_of(examples), {"name": "x"}
    ).as_dict()
    assert {row["reason"]: row["count"] for row in found["unscored"]} == {
        reason: [r for _, r in BAD].count(reason) for _, reason in BAD
    }
    (cell,) = found["cells"]
    assert (cell["n"], cell["n_unscored"]) == (2, len(BAD))


def test_choices_that_are_prefixes_of_each_other_are_scored_to_their_ends(tiny: Tiny) -> None:
    choices = ("yes", "yes maybe", "yes maybe true", "no")
    samples = evaluate(*tiny, ranked([("the river", choices)]), "trained", EngineSettings(self_check=1))
    encoder = ProtocolEncoder(PROTOCOLS["trained"], tiny.tokenizer, encoder_decoder=tiny.family == "mt5")
    items = encode_rank([RankRequest("the river", choices)], encoder)
    with torch.inference_mode():
        (expected,) = naive_loglikelihoods(tiny.model, items, 0)
    assert samples[0].loglikelihoods == pytest.approx(expected, abs=1e-4)
    assert samples[0].choice_tokens == tuple(map(len, items[0].choices))
    assert not samples[0].unscored_reason


@pytest.mark.parametrize("family", ["bloom", "mt5"])
@pytest.mark.parametrize("reference", [False, True])
def test_logits_that_are_no_numbers_are_unscored_in_ranking_and_generation(
    family: str, reference: bool
) -> None:
    broken = make(family)
    with torch.no_grad():
        norm = broken.model.transformer.ln_f if family == "bloom" else broken.model.decoder.final_layer_norm
        norm.weight.fill_(math.nan)
    examples = [*ranked([GOOD]), *generated(["the boat", "mto ni"])]
    samples = evaluate(*broken, examples, "trained", EngineSettings(reference=reference))
    assert [s.unscored_reason for s in samples] == [
        "a log-likelihood is not finite",
        *["a logit is not finite"] * 2,
    ]
    assert all(s.prediction is None and not s.scores for s in samples)


def test_one_item_without_numbers_leaves_the_others(tiny: Tiny, tmp_path: Path) -> None:
    """A single embedding is no number: only prompts with its token are unscored, also from the stored outputs."""
    broken = Tiny(deepcopy(tiny.model), tiny.tokenizer, tiny.family)
    odd = broken.tokenizer("नदी", add_special_tokens=False)["input_ids"][0]
    embedding = broken.model.get_input_embeddings().weight
    with torch.no_grad():
        embedding[odd] = embedding[odd] * 1e38 * 1e38
    # A head that is the embedding would have a logit that is no number everywhere.
    broken.model.lm_head.weight = torch.nn.Parameter(tiny.model.lm_head.weight.detach().clone())
    settings = EngineSettings(cache_folder=tmp_path, batch_tokens=4000)
    prompts = ["the river is wide", "नदी चौड़ी", "the boat"]
    examples = [*generated(prompts), *ranked([(prompt, ("yes", "no maybe")) for prompt in prompts])]
    for _ in range(2):
        samples = evaluate(*broken, examples, "trained", settings)
        assert [bool(s.unscored_reason) for s in samples] == [False, True, False] * 2


def test_a_tokenizer_without_padding_scores_the_same(tiny: Tiny) -> None:
    bare = deepcopy(tiny.tokenizer)
    bare.pad_token = None
    examples = [*ranked([GOOD, ("mto", ("both", "neither maybe"))]), *generated(["the boat", "mto ni mpana"])]
    for one, other in zip(
        evaluate(*tiny, examples, "trained"),
        evaluate(tiny.model, bare, tiny.family, examples, "trained"),
        strict=True,
    ):
        assert other.loglikelihoods == pytest.approx(one.loglikelihoods, abs=1e-4)
        assert other.prediction == one.prediction


def test_a_tokenizer_without_an_end_is_refused(tiny: Tiny) -> None:
    bare = deepcopy(tiny.tokenizer)
    bare.eos_token = None
    with pytest.raises(ModelError, match="end-of-sequence"):
        evaluate(tiny.model, bare, tiny.family, ranked([GOOD]), "trained")


def test_a_tokenizer_of_another_model_is_refused(tiny: Tiny) -> None:
    small = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(ModelError, match=r"embedding for every id.*20 embeddings"):
        evaluate(small, tiny.tokenizer, "causal", ranked([GOOD]), "bloomz")


def test_what_exceeds_the_models_positions_is_unscored(tiny: Tiny) -> None:
    """A model with learned positions has none for more; on a GPU that would be a failed assertion."""
    size = len(tiny.tokenizer)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=size, n_embd=8, n_layer=1, n_head=2, n_positions=16)).eval()
    pairs = [GOOD, ("boat " * 30, ("yes", "no")), ("boat", ("yes", "maybe " * 30))]
    samples = evaluate(model, tiny.tokenizer, "causal", [*ranked(pairs), *generated(["boat " * 8])], "bloomz")
    reasons = [s.unscored_reason for s in samples]
    assert reasons[0] == ""
    assert reasons[1] == "the prompt is longer than 16 tokens"
    assert reasons[2] == "prompt and answer are longer than the model's 16 positions"


def test_a_language_without_rows_is_counted_and_the_others_run(tiny: Tiny, tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.write("mood/de/test", [])
    problems = Problems()
    examples = world.suite("tasks: [mood, say]").examples(*world.library, problems)
    assert problems.count("empty_cell") == 1
    assert any("no test rows in de" in sample for sample in problems.samples)
    assert {(e.cell.task, e.cell.language) for e in examples} == {("mood", "en"), ("say", "en")}
    assert all(not s.unscored_reason for s in evaluate(*tiny, examples[:4], "trained"))
    with pytest.raises(MtftError, match="empty_"):
        world.suite("tasks: [mood, say]").examples(*world.library, Problems(strict=True))


def test_a_suite_without_any_row_is_an_error(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.write("mood/de/test", [])
    with pytest.raises(SuiteError, match="at least one example"):
        world.examples(world.suite("tasks: [{task: mood, languages: [de]}]"))


def saved(tiny: Tiny, folder: Path) -> Path:
    save_model(
        deepcopy(tiny.model), tiny.tokenizer, folder
    )  # saving notes the precision in the configuration
    return folder


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="configuration, a tokenizer and safetensors"):
        load_model(tmp_path)


def test_torn_weights_are_named(tiny: Tiny, tmp_path: Path) -> None:
    folder = saved(tiny, tmp_path / "model")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="model"):
        load_model(folder)


def test_missing_weights_are_named(tiny: Tiny, tmp_path: Path) -> None:
    folder = saved(tiny, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    lost = sorted(name for name in weights if "dense" in name or "wi" in name)[0]
    save_file({k: v for k, v in weights.items() if k != lost}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=f"(?s)all its weights.*{lost}"):
        load_model(folder)


def test_a_broken_configuration_is_named(tiny: Tiny, tmp_path: Path) -> None:
    folder = saved(tiny, tmp_path / "model")
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="configuration"):
        load_model(folder)


def test_an_encoder_alone_is_of_another_kind(tmp_path: Path) -> None:
    tiny = make("mt5")
    encoder = MT5EncoderModel(tiny.model.config)
    encoder.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="An encoder alone cannot write"):
        load_model(tmp_path)


def test_a_masked_language_model_would_score_by_peeking_and_is_refused(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"causal language model or an encoder-decoder.*bert"):
        load_model(tmp_path)


def test_the_self_check_names_task_request_and_both_values(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mtft.evaluation import runner

    score, seen = runner.LikelihoodEngine.score, []

    def wrong_once(self: object, batch: list[object]) -> list[list[float]]:
        seen.extend(item.inputs for item in batch)  # type: ignore[attr-defined]
        longest = max(range(len(batch)), key=lambda n: len(batch[n].inputs))  # type: ignore[attr-defined]
        values = score(self, batch)  # type: ignore[arg-type]
        values[longest][0] += 0.5 if len(batch[longest].inputs) > 20 else 0.0  # type: ignore[attr-defined]
        return values

    monkeypatch.setattr(runner.LikelihoodEngine, "score", wrong_once)
    short = [("boat " * n, ("yes", "no maybe")) for n in range(1, 6)]
    examples = [*ranked(short, "short"), *ranked([(f"{'river ' * 30}end", ("yes", "no"))], "long")]
    with pytest.raises(ModelError, match=r"task long: .*naively -\d+\.\d+.*'yes'.*river end") as error:
        evaluate(*tiny, examples, "bloomz", EngineSettings(self_check=2))
    fast, naive = (float(v) for v in __import__("re").findall(r"-\d+\.\d{6}", str(error.value)))
    assert fast - naive == pytest.approx(0.5, abs=1e-2)
    assert len(seen) == 3  # two of five short ones, the only long one


def test_vllm_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Tiny) -> None:
    import sys

    from mtft.runs import EvaluateArguments, evaluate_model

    monkeypatch.setitem(sys.modules, "vllm", None)
    arguments = EvaluateArguments(
        model=str(tmp_path / "never read"), suite="mini_xp3", output_dir=str(tmp_path), max_items_per_cell=1,
        generation_backend="vllm",
    )  # fmt: skip
    with pytest.raises(MissingExtraError, match=r"mtft\[vllm\]"):
        evaluate_model(arguments)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"generation_backend": "vlm"}, "vllm"),
        ({"quantization": "4bits"}, "4bit"),
        ({"score_function": "bytes"}, "byte"),
        ({"partition_weights": True, "device_map": "auto"}, "partitioned"),
    ],
)
def test_flags_are_checked_before_a_model_is_loaded(
    flags: dict[str, object], message: str, tmp_path: Path
) -> None:
    from mtft.runs import EvaluateArguments, evaluate_model

    arguments = EvaluateArguments(model="none", suite="mini_xp3", output_dir=str(tmp_path), **flags)  # type: ignore[arg-type]
    with pytest.raises(MtftError, match=message):
        evaluate_model(arguments)


def test_the_flags_reach_the_report(tmp_path: Path) -> None:
    from mtft.runs import EvaluateArguments, evaluate_model

    folder = saved(make("bloom"), tmp_path / "model")
    out = tmp_path / "out"
    evaluate_model(
        EvaluateArguments(
            model=str(folder), suite="mini_xp3", output_dir=str(out), max_items_per_cell=1, reference=True,
            score_function="byte",
        )
    )  # fmt: skip
    content = json.loads((out / "results.json").read_text())
    assert content["suite"]["score_function"] == "byte"
    assert content["score_functions"]
    assert content["lengths"]
