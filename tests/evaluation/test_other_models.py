"""Models without a path of our own: shared prompts through their own forward, else naive; adapters, offloading."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForCausalLM,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from mtft.evaluation import EngineSettings, evaluate
from mtft.evaluation.backbones import has_fast_path, is_dispatched, rounding
from mtft.evaluation.batching import left_padded
from mtft.evaluation.fingerprints import model_fingerprint
from mtft.evaluation.generation import Generator
from mtft.evaluation.generic import GenericScorer
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.naive import naive_generation, naive_loglikelihoods
from mtft.evaluation.requests import GenerationIds, RankIds
from mtft.modeling import save_model
from mtft.modeling.prompt_tuning import prompt_tuned
from tests.evaluation.conftest import Tiny
from tests.evaluation.conftest import make as make_tiny
from tests.evaluation.one_task import generated, ranked

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
COMMON = {"vocab_size": 300, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def gpt2() -> Any:
    return GPT2LMHeadModel(GPT2Config(**COMMON, n_embd=32, n_layer=2, n_head=4, n_positions=96))


def llama() -> Any:
    config = LlamaConfig(**COMMON, **SIZE, num_key_value_heads=2, max_position_embeddings=256)
    return LlamaForCausalLM(config)


def mistral() -> Any:
    """A window of attention that is shorter than most prompts."""
    return MistralForCausalLM(MistralConfig(**COMMON, **SIZE, num_key_value_heads=2, sliding_window=8))


def opt() -> Any:
    return OPTForCausalLM(
        OPTConfig(
            **COMMON, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=48,
            max_position_embeddings=128, word_embed_proj_dim=32,
        )
    )  # fmt: skip


def mamba() -> Any:
    return MambaForCausalLM(
        MambaConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2, state_size=4, pad_token_id=0)
    )


def t5() -> Any:
    config = T5Config(
        vocab_size=300, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=2,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


def bart() -> Any:
    config = BartConfig(
        **COMMON, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=96,
        decoder_start_token_id=2,
    )  # fmt: skip
    return BartForConditionalGeneration(config)


SHARED = [gpt2, llama, mistral, opt, t5, bart]


def made(build: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    model = build().eval()
    with torch.no_grad():  # larger weights, so that every position counts
        for parameter in model.parameters():
            parameter.mul_(3.0 if parameter.ndim > 1 else 1.0)
    return model


def items(n: int = 12) -> list[RankIds]:
    draw = random.Random(3)

    def ids(most: int) -> tuple[int, ...]:
        return tuple(draw.randint(3, 299) for _ in range(draw.randint(1, most)))

    some = [
        RankIds(str(k), ids(30), tuple({ids(4): None for _ in range(draw.randint(1, 4))})) for k in range(n)
    ]
    begin_alike = RankIds("prefixes", ids(9), ((5,), (5, 6), (5, 6, 7), (5, 9)))
    return [*some, begin_alike, RankIds("one token each", ids(9), ((5,), (6,)))]


def assert_naive(model: Any, some: list[RankIds], batch_tokens: int = 400) -> LikelihoodEngine:
    """The engine's scores are the naive ones, whatever the batches."""
    engine = LikelihoodEngine(model, 0, batch_tokens=batch_tokens)
    with torch.inference_mode():
        found = {i.key: v for b in engine.batches(some) for i, v in zip(b, engine.score(b), strict=True)}
        reference = naive_loglikelihoods(model, some, 0)
    for item, expected in zip(some, reference, strict=True):
        assert found[item.key] == pytest.approx(expected, abs=2e-4, rel=1e-5), item.key
    return engine


@pytest.mark.parametrize("build", SHARED)
def test_shared_prompts_equal_the_naive_path(
    build: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    model = made(build)
    assert not has_fast_path(model)
    engine = assert_naive(model, items())
    assert engine._other is not None
    assert engine._other._shared is True
    assert_naive(model, items(), 10_000)
    assert "cannot be shared" not in caplog.text


@pytest.mark.parametrize("build", [gpt2, t5])
def test_a_prompt_runs_once_whatever_the_number_of_choices(build: Callable[[], Any]) -> None:
    model = made(build)
    scorer = GenericScorer(model, 0)
    scorer._shared = True  # the first batch was compared already
    prompt, choices = tuple(range(10, 30)), tuple((k, k + 1) for k in range(40, 48))
    seen: list[int] = []
    layer = model.get_input_embeddings()
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].numel()))
    with torch.inference_mode():
        scorer.score([RankIds("a", prompt, choices)])
    handle.remove()
    assert sum(seen) <= len(prompt) + 2 * len(choices)


def test_a_model_whose_state_cannot_be_shared_is_scored_naively(caplog: pytest.LogCaptureFixture) -> None:
    """Mamba's state runs through padding; the first batch tells."""
    with caplog.at_level(logging.WARNING):
        engine = assert_naive(made(mamba), items())
    assert engine._other is not None
    assert engine._other._shared is False
    assert "MambaForCausalLM" in caplog.text
    assert "each choice runs with its prompt" in caplog.text


def test_a_model_whose_shared_scores_differ_is_scored_naively(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a model would that counts positions from the padding."""
    monkeypatch.setattr(GenericScorer, "_at", lambda self, mask, last: {})
    with caplog.at_level(logging.WARNING):
        assert_naive(made(gpt2), items())
    assert "scores differ by" in caplog.text


@pytest.mark.parametrize("several", [False, True])
def test_a_first_batch_that_shows_nothing_vouches_for_nothing(several: bool) -> None:
    """Equal lengths and choices of one token go well with models that shorter prompts, or a cache, lead astray."""
    sizes = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    config = BartConfig(
        **COMMON, d_model=32, max_position_embeddings=96, **sizes, **heads, is_encoder_decoder=False
    )
    config.is_decoder = True
    model = BartForCausalLM(config).eval()
    random.seed(0)
    choices = ((7, 9, 11) if several else (7,), (9,))
    first, later = (
        [
            RankIds(f"{n}", tuple(random.randrange(5, 300) for _ in range(size)), ends)
            for n, size in enumerate(of)
        ]
        for of, ends in (([40] * 4, ((7,), (9,))), ([5, 14, 23, 32], choices))
    )
    engine = LikelihoodEngine(model, 0)
    with torch.inference_mode():
        for batch in (first, later):
            expected = naive_loglikelihoods(model, batch, 0)
            for found, wanted in zip(engine.score(batch), expected, strict=True):
                assert found == pytest.approx(wanted, abs=1e-4)


def test_left_padding_by_hand() -> None:
    ids, mask = left_padded([[5, 6, 7], [8]], 0, torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def lora(model: Any, *targets: str, **more: Any) -> Any:
    torch.manual_seed(1)
    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    wrapped = get_peft_model(
        model, LoraConfig(r=4, target_modules=list(targets), task_type=kind, init_lora_weights=False, **more)
    )
    return wrapped.eval()


TARGETS = {"bloom": "query_key_value", "mt5": "q"}


@pytest.mark.parametrize("family", ["bloom", "mt5"])
@pytest.mark.parametrize("more", ["", "head"])
def test_lora_stays_active_on_the_fast_path(family: str, more: str) -> None:
    plain, tiny = make_tiny(family), make_tiny(family)
    targets = (TARGETS[family], "lm_head") if more else (TARGETS[family],)
    adapted = lora(tiny.model, *targets)
    some = [item._replace(key=f"k{item.key}") for item in items(6)]
    assert_naive(adapted, some)
    with torch.inference_mode():
        before = naive_loglikelihoods(plain.model, some[:1], 0)[0]
        after = LikelihoodEngine(adapted, 0).score(some[:1])[0]
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) > 1e-2


@pytest.mark.parametrize(
    ("build", "target"), [(gpt2, "c_attn"), (llama, "q_proj"), (t5, "q"), (bart, "q_proj")]
)
def test_lora_on_other_models(build: Callable[[], Any], target: str) -> None:
    engine = assert_naive(lora(made(build), target), items())
    assert engine._other is not None
    assert engine._other._shared is True


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_prompt_tuning_goes_naive_and_its_virtual_tokens_count(family: str) -> None:
    plain, tiny = make_tiny(family), make_tiny(family)
    kind = "SEQ_2_SEQ_LM" if family == "mt5" else "CAUSAL_LM"
    config = PromptTuningConfig(task_type=kind, num_virtual_tokens=3, num_transformer_submodules=1)
    ours = prompt_tuned(tiny.model, config).eval()
    engine = assert_naive(ours, items(4))
    assert engine._other is not None
    assert engine._other._shared is False
    with torch.inference_mode():
        before = naive_loglikelihoods(plain.model, items(1), 0)[0]
        after = engine.score(items(1))[0]
    assert before != pytest.approx(after, abs=1e-3)


def test_the_librarys_prompt_tuning_scores_as_ours() -> None:
    """Its logits begin with those of the virtual tokens."""
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    ours, theirs = (
        prompt_tuned(make_tiny("bloom").model, config),
        get_peft_model(make_tiny("bloom").model, config),
    )
    theirs.load_state_dict(ours.state_dict())
    with torch.inference_mode():
        expected = naive_loglikelihoods(ours.eval(), items(3), 0)
        found = naive_loglikelihoods(theirs.eval(), items(3), 0)
    for a, b in zip(expected, found, strict=True):
        assert a == pytest.approx(b, abs=1e-4)


def test_prefix_tuning_goes_naive() -> None:
    config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    engine = assert_naive(get_peft_model(made(llama), config).eval(), items(4))
    assert engine._other is not None
    assert engine._other._shared is False


def test_other_models_go_through_a_whole_evaluation() -> None:
    tokenizer = make_tiny("bloom").tokenizer
    model = made(
        lambda: GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2))
    )
    pairs = [("the river is wide", ("yes", "no maybe")), ("the boat is old", ("both", "neither maybe"))]
    examples = [*ranked(pairs), *generated(["the river", "mto"])]
    fast = evaluate(model, tokenizer, "causal", examples, settings=EngineSettings(self_check=2))
    slow = evaluate(model, tokenizer, "causal", examples, settings=EngineSettings(reference=True))
    for a, b in zip(fast, slow, strict=True):
        assert not a.unscored_reason
        assert a.loglikelihoods == pytest.approx(b.loglikelihoods, abs=1e-4)
        assert a.prediction == b.prediction


@pytest.mark.parametrize("build", [gpt2, t5])
def test_generation_of_other_models_is_the_librarys(build: Callable[[], Any]) -> None:
    model = made(build)
    some = [GenerationIds(str(n), tuple(range(5, 9 + n)), 5) for n in range(4)]
    generator = Generator(model, 0, 2)
    with torch.inference_mode():
        found = {
            i.key: g for b in generator.batches(some) for i, g in zip(b, generator.generate(b), strict=True)
        }
        assert [found[i.key] for i in some] == naive_generation(model, some, 0, 2)


def offloaded(family: str, folder: Path, seed: int = 3) -> tuple[Tiny, Any]:
    """A model, and the same loaded with its blocks on disk."""
    tiny = make_tiny(family, seed)
    save_model(tiny.model, tiny.tokenizer, folder / "model")
    stack, blocks = ("transformer", "h") if family == "bloom" else ("decoder", "block")
    auto = AutoModelForCausalLM if family == "bloom" else AutoModelForSeq2SeqLM
    places = {name: "cpu" for name, _ in tiny.model.named_children() if name != stack}
    places |= {f"{stack}.{name}": "cpu" for name, _ in tiny.model.get_submodule(stack).named_children()}
    places[f"{stack}.{blocks}"] = "disk"
    spread = auto.from_pretrained(folder / "model", device_map=places, offload_folder=folder / "off").eval()
    assert is_dispatched(spread)
    assert all(p.is_meta for p in spread.get_submodule(f"{stack}.{blocks}").parameters())
    return tiny, spread


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_offloaded_weights_are_brought_in(family: str, tmp_path: Path) -> None:
    """`device_map` with weights on disk: scores and text are the whole model's, the fingerprint sees the weights."""
    tiny, spread = offloaded(family, tmp_path)
    examples = [*ranked([("the river is wide", ("yes", "no maybe"))]), *generated(["the boat"])]
    one = evaluate(*tiny, examples, "trained")
    other = evaluate(spread, tiny.tokenizer, family, examples, "trained")
    assert other[0].loglikelihoods == pytest.approx(one[0].loglikelihoods, abs=1e-4)
    assert other[1].prediction == one[1].prediction
    assert model_fingerprint(spread) == model_fingerprint(spread)
    assert model_fingerprint(spread) != model_fingerprint(offloaded(family, tmp_path / "another", seed=9)[1])


def test_four_bit_weights_are_scored(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra `quantization`")
    from mtft.runs.placement import Placement

    tiny = make_tiny("bloom")
    save_model(tiny.model, tiny.tokenizer, tmp_path / "model")
    loaded = Placement(quantization="4bit").load(tmp_path / "model")
    assert rounding(loaded.model) > 0.1
    assert evaluate(*loaded, ranked([("the river", ("yes", "no"))]), settings=EngineSettings(self_check=1))


def test_rounding_follows_the_precision() -> None:
    model = made(gpt2)
    assert rounding(model) < rounding(model.bfloat16())


def test_the_reference_is_kept_apart_in_the_cache(tiny: Tiny, tmp_path: Path) -> None:
    """Else a check of the fast path against stored naive outputs, or the other way round, would compare nothing."""
    examples = ranked([("the river is wide", ("yes", "no maybe"))])
    settings = EngineSettings(cache_folder=tmp_path)
    evaluate(*tiny, examples, "trained", settings)
    evaluate(*tiny, examples, "trained", replace(settings, reference=True))
    assert len(list(tmp_path.iterdir())) == 2
