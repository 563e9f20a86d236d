from __future__ import annotations

import copy
import itertools
import random
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import BloomForCausalLM, GPT2Config, GPT2LMHeadModel, MT5ForConditionalGeneration

from mtft.evaluation.generation import Generator
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.naive import naive_generation, naive_loglikelihoods
from mtft.evaluation.protocols import PROTOCOLS, ProtocolEncoder
from mtft.evaluation.requests import (
    GenerationIds,
    GenerationRequest,
    RankIds,
    RankRequest,
    encode_generation,
    encode_rank,
)
from tests.evaluation.conftest import TEXTS, Tiny


def rank_ids(tiny: Tiny, n: int = 40, protocol: str = "trained") -> list[RankIds]:
    words = " ".join(TEXTS[:4]).split()
    draw = random.Random(1)
    requests = [
        RankRequest(
            " ".join(draw.choices(words, k=draw.randint(1, 30))),
            tuple(" ".join(draw.choices(words, k=draw.randint(1, 4))) for _ in range(draw.randint(2, 5))),
        )
        for _ in range(n)
    ]
    encoder = ProtocolEncoder(PROTOCOLS[protocol], tiny.tokenizer, encoder_decoder=tiny.family == "mt5")
    return encode_rank(requests, encoder)


def scores(tiny: Tiny, items: list[RankIds], batch_tokens: int, model: Any = None) -> dict[str, list[float]]:
    engine = LikelihoodEngine(model or tiny.model, tiny.tokenizer.pad_token_id, batch_tokens=batch_tokens)
    with torch.inference_mode():
        return {i.key: s for b in engine.batches(items) for i, s in zip(b, engine.score(b), strict=True)}


def assert_naive(tiny: Tiny, items: list[RankIds], found: dict[str, list[float]], model: Any = None) -> None:
    """The engine's scores are the reference path's to 1e-5, in float32."""
    with torch.inference_mode():
        reference = naive_loglikelihoods(model or tiny.model, items, tiny.tokenizer.pad_token_id)
    for item, expected in zip(items, reference, strict=True):
        assert found[item.key] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def random_ids(n: int, seed: int = 0) -> list[RankIds]:
    """Prompts of 1 to 60 tokens; choices of 1 to 12, many with a beginning in common, some twice, some alone."""
    draw = random.Random(seed)

    def ids(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw.randrange(5, 250) for _ in range(draw.randint(low, high)))

    items = []
    for number in range(n):
        choices = [ids(1, 12) for _ in range(draw.randint(1, 6))]
        for _ in range(draw.randint(0, 4)):
            old = draw.choice(choices)
            choices.append(draw.choice([old, old[: draw.randint(1, len(old))], old + ids(1, 3)]))
        items.append(RankIds(str(number), ids(1, 60), tuple(choices)))
    return items


@pytest.mark.parametrize("protocol", ["trained", "bloomz", "mt0"])
def test_shared_prompts_equal_the_naive_path(tiny: Tiny, protocol: str) -> None:
    items = rank_ids(tiny, 12, protocol)
    found = scores(tiny, items, 2000)
    with torch.inference_mode():
        reference = naive_loglikelihoods(tiny.model, items, tiny.tokenizer.pad_token_id)
    for item, expected in zip(items, reference, strict=True):
        assert found[item.key] == pytest.approx(expected, abs=1e-4, rel=1e-5)
        assert len(set(expected)) == len(set(item.choices))


@pytest.mark.parametrize("seed", range(3))
def test_random_trees_equal_the_naive_path(tiny: Tiny, seed: int) -> None:
    items = random_ids(20, seed)
    assert_naive(tiny, items, scores(tiny, items, 1000))


def test_scores_do_not_depend_on_batch_size_or_order(tiny: Tiny) -> None:
    items = random_ids(40)
    whole, small = scores(tiny, items, 100_000), scores(tiny, items, 64)
    reordered = scores(tiny, random.Random(2).sample(items, len(items)), 100_000)
    assert reordered == whole
    alone = {key: found for item in items for key, found in scores(tiny, [item], 1).items()}
    for key, expected in whole.items():
        assert small[key] == pytest.approx(expected, abs=1e-5, rel=1e-5)
        assert alone[key] == pytest.approx(expected, abs=1e-5, rel=1e-5)


def test_scores_do_not_depend_on_the_number_of_processes(tiny: Tiny) -> None:
    items = random_ids(30)
    whole = scores(tiny, items, 500)
    engine = LikelihoodEngine(tiny.model, tiny.tokenizer.pad_token_id, batch_tokens=500)
    batches = engine.batches(items)
    assert len(batches) > 3
    with torch.inference_mode():
        for process in range(3):  # batches are dealt whole, as `evaluate` does
            for batch in batches[process::3]:
                assert engine.score(batch) == [whole[item.key] for item in batch]


def test_a_batch_holds_its_budget_and_the_largest_come_first(tiny: Tiny) -> None:
    items = random_ids(40)
    batches = LikelihoodEngine(tiny.model, 0, batch_tokens=200).batches(items)
    sizes = [[len(i.inputs) + sum(i.choice_tokens) for i in batch] for batch in batches]
    flat = [size for row in sizes for size in row]
    assert sorted(flat) == sorted(len(i.inputs) + sum(map(len, i.choices)) for i in items)
    assert all(len(row) == 1 or sum(row) <= 200 for row in sizes)
    lengths = [len(i.inputs) for batch in batches for i in batch]
    assert lengths == sorted(lengths, reverse=True)


def test_equal_prompts_stand_side_by_side(tiny: Tiny) -> None:
    items = random_ids(30)
    items += [RankIds(f"again {i.key}", i.inputs, ((5,) * (1 + n),)) for n, i in enumerate(items)]
    batches = LikelihoodEngine(tiny.model, 0, batch_tokens=100_000).batches(items)
    prompts = [i.inputs for batch in batches for i in batch]
    assert sum(a == b for a, b in itertools.pairwise(prompts)) >= 30


def test_very_many_choices(tiny: Tiny) -> None:
    """More nodes than one tree may have: the prompt then stands in several rows."""
    draw = random.Random(5)
    choices = tuple(tuple(draw.randrange(5, 250) for _ in range(draw.randint(1, 6))) for _ in range(300))
    items = [RankIds("many", tuple(range(10, 30)), choices), RankIds("one", (8, 9), ((5, 6, 7),))]
    found = scores(tiny, items, 4000)
    with torch.inference_mode():
        naive = naive_loglikelihoods(tiny.model, items, tiny.tokenizer.pad_token_id, batch_tokens=4000)
    assert found["many"] == pytest.approx(naive[0], rel=1e-5, abs=1e-5)
    assert found["one"] == pytest.approx(naive[1], rel=1e-5, abs=1e-5)


def test_requests_of_one_prompt_share_its_pass(tiny: Tiny) -> None:
    prompt = tuple(range(20, 60))
    items = [RankIds(str(n), prompt, ((5 + n, 6), (5 + n, 7, 8), (9,))) for n in range(6)]
    engine = LikelihoodEngine(tiny.model, tiny.tokenizer.pad_token_id)
    body = tiny.model.encoder if tiny.family == "mt5" else tiny.model.transformer
    read = []
    hook = body.get_input_embeddings().register_forward_pre_hook(lambda _, ids: read.append(ids[0].numel()))
    with torch.inference_mode():
        (batch,) = engine.batches(items)
        found = {i.key: s for i, s in zip(batch, engine.score(batch), strict=True)}
    hook.remove()
    assert read[0] == len(prompt) + (0 if tiny.family == "mt5" else 6 * 2)  # nodes: 5 + n and, behind it, 7
    assert_naive(tiny, items, found)


def with_adapter(model: Any, family: str) -> Any:
    names = ["query_key_value", "dense_h_to_4h"] if family == "bloom" else ["q", "v", "wo"]
    adapted = get_peft_model(copy.deepcopy(model), LoraConfig(r=4, target_modules=names)).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    return adapted


def test_an_adapter_is_scored_with_its_model(tiny: Tiny) -> None:
    items = random_ids(8)
    adapted = with_adapter(tiny.model, tiny.family)
    found = scores(tiny, items, 1000, adapted)
    assert_naive(tiny, items, found, adapted)
    plain = scores(tiny, items, 1000)
    assert max(abs(a - b) for key in plain for a, b in zip(plain[key], found[key], strict=True)) > 0.01


def library_twin(tiny: Tiny) -> Any:
    """The same weights in the library's own class."""
    kind = MT5ForConditionalGeneration if tiny.family == "mt5" else BloomForCausalLM
    plain = kind(tiny.model.config)
    plain.load_state_dict(tiny.model.state_dict())
    return plain.eval()


def test_a_model_of_the_library_takes_the_fast_way_too(tiny: Tiny) -> None:
    """Plain, with an adapter, and in a wrapper, without one module of the caller's being changed."""
    items, plain = random_ids(8), library_twin(tiny)
    for model in (plain, with_adapter(plain, tiny.family), torch.nn.DataParallel(plain)):
        kinds = [type(module) for module in model.modules()]
        engine = LikelihoodEngine(model, tiny.tokenizer.pad_token_id)
        assert engine.is_fast
        assert_naive(tiny, items, scores(tiny, items, 1000, model), model)
        assert [type(module) for module in model.modules()] == kinds


def test_weights_that_train_on_are_scored_as_they_are(tiny: Tiny) -> None:
    items, plain = random_ids(4), library_twin(tiny)
    engine = LikelihoodEngine(plain, tiny.tokenizer.pad_token_id)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.mul_(1.2)
    with torch.inference_mode():
        found = {i.key: s for b in engine.batches(items) for i, s in zip(b, engine.score(b), strict=True)}
    assert_naive(tiny, items, found, plain)


def test_bfloat16_is_near_float32(tiny: Tiny) -> None:
    items = random_ids(10)
    exact = scores(tiny, items, 1000)
    found = scores(tiny, items, 1000, copy.deepcopy(tiny.model).bfloat16())
    for item in items:
        for n, a, b in zip(item.choice_tokens, exact[item.key], found[item.key], strict=True):
            assert abs(a - b) < 0.6 * n  # float32 differs in the seventh digit, bfloat16 in the third


def test_one_token_choices_need_no_second_pass(tiny: Tiny) -> None:
    items = [RankIds("a", (50, 60, 70), ((5,), (6,), (6,))), RankIds("b", (50,), ((7,), (8,)))]
    found = scores(tiny, items, 100)
    with torch.inference_mode():
        reference = naive_loglikelihoods(tiny.model, items, tiny.tokenizer.pad_token_id)
    assert found["a"] == pytest.approx(reference[0], abs=1e-5)
    assert found["b"] == pytest.approx(reference[1], abs=1e-5)
    assert found["a"][1] == found["a"][2]  # identical choices tie exactly


def test_any_other_model_is_scored_by_the_library_alone(tiny: Tiny) -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=500, n_embd=16, n_layer=1, n_head=2, n_positions=128, eos_token_id=2)
    other = Tiny(GPT2LMHeadModel(config).eval(), tiny.tokenizer, "causal")
    items = [RankIds(str(n), tuple(range(5, 9 + n)), ((10, 11), (12,))) for n in range(5)]
    found = scores(other, items, 100)
    with torch.inference_mode():
        reference = naive_loglikelihoods(other.model, items, 0)
    for item, expected in zip(items, reference, strict=True):
        assert found[item.key] == pytest.approx(expected, abs=1e-5)


def generations(tiny: Tiny, batch_tokens: int) -> tuple[list[GenerationIds], dict[str, Any]]:
    encoder = ProtocolEncoder(PROTOCOLS["trained"], tiny.tokenizer, encoder_decoder=tiny.family == "mt5")
    requests = [
        GenerationRequest(" ".join(TEXTS[0].split()[: 1 + n % 8]) + str(n), 3 + n % 5) for n in range(17)
    ]
    items = encode_generation(requests, encoder)
    engine = Generator(
        tiny.model, tiny.tokenizer.pad_token_id, tiny.tokenizer.eos_token_id, batch_tokens=batch_tokens
    )
    with torch.inference_mode():
        made = {i.key: g for b in engine.batches(items) for i, g in zip(b, engine.generate(b), strict=True)}
    return items, made


def test_greedy_generation_equals_the_library(tiny: Tiny) -> None:
    items, made = generations(tiny, 400)
    with torch.inference_mode():
        reference = naive_generation(
            tiny.model, items, tiny.tokenizer.pad_token_id, tiny.tokenizer.eos_token_id
        )
    assert [made[i.key] for i in items] == reference
    assert all(len(made[i.key]) <= i.max_new_tokens for i in items)


def test_generation_does_not_depend_on_the_batch(tiny: Tiny) -> None:
    assert generations(tiny, 10)[1] == generations(tiny, 10_000)[1]


def test_generation_stops_at_the_end_token(tiny: Tiny) -> None:
    items, made = generations(tiny, 400)
    longest = max(made.values(), key=len)
    end = longest[1]
    engine = Generator(tiny.model, tiny.tokenizer.pad_token_id, end)
    with torch.inference_mode():
        stopped = {
            i.key: g for b in engine.batches(items) for i, g in zip(b, engine.generate(b), strict=True)
        }
    for key, ids in made.items():
        assert stopped[key] == (ids[: ids.index(end)] if end in ids else ids)
