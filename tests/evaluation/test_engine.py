from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

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


def scores(tiny: Tiny, items: list[RankIds], batch_tokens: int) -> dict[str, list[float]]:
    engine = LikelihoodEngine(tiny.model, tiny.tokenizer.pad_token_id, batch_tokens=batch_tokens)
    with torch.inference_mode():
        return {i.key: s for b in engine.batches(items) for i, s in zip(b, engine.score(b), strict=True)}


@pytest.mark.parametrize("protocol", ["trained", "bloomz", "mt0"])
def test_shared_prompts_equal_the_naive_path(tiny: Tiny, protocol: str) -> None:
    items = rank_ids(tiny, 12, protocol)
    found = scores(tiny, items, 2000)
    with torch.inference_mode():
        reference = naive_loglikelihoods(tiny.model, items, tiny.tokenizer.pad_token_id)
    for item, expected in zip(items, reference, strict=True):
        assert found[item.key] == pytest.approx(expected, abs=1e-4, rel=1e-5)
        assert len(set(expected)) == len(set(item.choices))


def test_scores_do_not_depend_on_batch_size_or_order(tiny: Tiny) -> None:
    items = rank_ids(tiny)
    whole, small = scores(tiny, items, 100_000), scores(tiny, items, 64)
    reordered = scores(tiny, random.Random(2).sample(items, len(items)), 100_000)
    assert reordered == whole
    for key, expected in whole.items():
        assert small[key] == pytest.approx(expected, abs=1e-5, rel=1e-5)


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
