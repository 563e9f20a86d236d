"""The real lm-evaluation-harness beside ours: the same log-likelihoods, and exported suites with the same scores.

Everything that imports the harness, which takes seconds, stands in this file.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.evaluation import EngineSettings, EvalExample, Sample, evaluate
from mtft.evaluation.examples import EvalCell
from mtft.tasks.records import Example
from tests.evaluation.conftest import TEXTS, Tiny

pytest.importorskip("lm_eval", reason="needs the extra `test`")

WORDS = " ".join(TEXTS[:4]).split()
# Prompts and choices whose encoding is special: white space at the end, or only at the end of lines; special
# tokens as text; scripts without spaces; choices that begin alike, or have a space of their own.
PROMPTS = [
    "the river is wide",
    "the river is wide ",
    "the river is wide \n\n",
    "Q: नदी चौड़ी है?\nA:",
    "नदी\u00a0",
    "</s> the boat is old",
    "<s> the boat is old",
    "the boat </s> is old",
    "x",
    "河很宽。",
]
CHOICES = ("yes", "no", "yes maybe", " true", "नाव पुरानी", "宽", "no.")


def example(inputs: str, choices: Sequence[str], number: int = 0, **more: Any) -> Example:
    values = {
        "inputs": inputs, "targets": (choices[0],), "answer_choices": tuple(choices), "dataset": "toy",
        "config": "en", "split": "test", "row_id": str(number), "item_group": f"toy:{number}",
        "template_id": "t", "language": "en", "prompt_language": "en", "task": "toy", "source_revision": "",
    }  # fmt: skip
    return Example(**{**values, **more})


def examples(pairs: Sequence[tuple[str, Sequence[str]]], **cell: Any) -> list[EvalExample]:
    place = EvalCell("toy", "en", "sentiment", "en", **cell)
    return [EvalExample(example(a, b, n), "template", place) for n, (a, b) in enumerate(pairs)]


def random_pairs(n: int, most: int = 30) -> list[tuple[str, tuple[str, ...]]]:
    draw = random.Random(5)

    def words(most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))

    made = [(words(most), tuple({words(4): None for _ in range(draw.randint(2, 4))})) for _ in range(n)]
    return [(prompt, choices) for prompt, choices in made if len(choices) > 1]  # equal ones are unscored


def harness(tiny: Tiny, **more: Any) -> Any:
    """The real `HFLM` around a model that is at hand."""
    from lm_eval.models.huggingface import HFLM

    backend = "seq2seq" if tiny.family == "mt5" else "causal"
    return HFLM(
        pretrained=tiny.model, tokenizer=tiny.tokenizer, backend=backend, device="cpu", batch_size=3, **more
    )


def of_harness(lm: Any, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
    """The harness's log-likelihood of each choice, with the delimiter that its tasks put before it."""
    from lm_eval.api.instance import Instance

    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=(prompt, f" {choice}"), idx=0)
        for prompt, choices in pairs
        for choice in choices
    ]
    flat = iter(lm.loglikelihood(requests, disable_tqdm=True))
    return [[next(flat)[0] for _ in choices] for _, choices in pairs]


def ours(
    tiny: Tiny, pairs: Sequence[tuple[str, Sequence[str]]], settings: EngineSettings | None = None
) -> list[Sample]:
    return evaluate(*tiny, examples(pairs), "lm_eval", settings)


def assert_equal(
    samples: Sequence[Sample], wanted: Sequence[Sequence[float]], pairs: Sequence[tuple[str, Sequence[str]]]
) -> None:
    for sample, values, (prompt, choices) in zip(samples, wanted, pairs, strict=True):
        assert sample.loglikelihoods == pytest.approx(values, abs=1e-4), (prompt, choices)


def test_loglikelihoods_equal_the_harness(tiny: Tiny) -> None:
    pairs = [(prompt, CHOICES) for prompt in PROMPTS] + random_pairs(25)
    wanted = of_harness(harness(tiny), pairs)
    samples = ours(tiny, pairs)
    assert not any(s.unscored_reason or s.truncated_tokens for s in samples)
    assert_equal(samples, wanted, pairs)
    others = [evaluate(*tiny, examples(pairs), name) for name in ("bloomz", "mt0", "trained")]
    for other in others:  # or the equality would say nothing
        assert max(
            abs(a - b)
            for s, o in zip(samples, other, strict=True)
            for a, b in zip(s.loglikelihoods, o.loglikelihoods, strict=True)
        ) > 1e-2 or (tiny.family == "bloom" and other is not others[2])


def test_an_empty_prompt_is_the_token_that_begins_a_text(tiny: Tiny) -> None:
    pairs = [("", ("yes", "no maybe", "<s>", "</s> no"))]
    assert_equal(ours(tiny, pairs), of_harness(harness(tiny), pairs), pairs)


@pytest.mark.parametrize("limit", [6, 17])
def test_what_is_too_long_is_cut_as_the_harness_cuts_it(tiny: Tiny, limit: int) -> None:
    """Each choice stands after a prompt cut for its own length."""
    pairs = random_pairs(20)
    lengths = {len(tiny.tokenizer(choice)["input_ids"]) for _, choices in pairs for choice in choices}
    assert len(lengths) > 3
    pairs = [
        pair for pair in pairs if max(len(tiny.tokenizer(f" {c}")["input_ids"]) for c in pair[1]) < limit
    ]
    wanted = of_harness(harness(tiny, max_length=limit), pairs)
    samples = ours(tiny, pairs, EngineSettings(max_input_tokens=limit))
    assert_equal(samples, wanted, pairs)
    cut = [s for s in samples if s.truncated_tokens]
    assert 0 < len(cut) < len(samples) or limit == 6
    for sample in samples:
        ids = len(tiny.tokenizer(sample.inputs)["input_ids"])
        most = max(len(tiny.tokenizer(f" {c}")["input_ids"]) for c in sample.choices)
        room = limit if tiny.family == "mt5" else limit + 1 - most
        assert abs(sample.truncated_tokens - max(0, ids - room)) <= 1  # a token may join at the seam


def test_the_models_own_length_is_the_limit() -> None:
    from mtft.encoding import train_tokenizer

    torch.manual_seed(0)
    ids = {"bos_token_id": 1, "eos_token_id": 2}
    config = GPT2Config(vocab_size=500, n_embd=16, n_layer=1, n_head=2, n_positions=24, **ids)
    tiny = Tiny(GPT2LMHeadModel(config).eval(), train_tokenizer(TEXTS, 420, "bloom"), "causal")
    pairs = random_pairs(12, 40)
    samples = ours(tiny, pairs)
    assert any(s.truncated_tokens for s in samples)
    assert_equal(samples, of_harness(harness(tiny), pairs), pairs)


def test_a_choice_beyond_the_limit_is_unscored_where_the_harness_would_stop(tiny: Tiny) -> None:
    pairs = [("the river", ("no", "yes " * 30)), ("the river", ("no", "yes"))]
    samples = ours(tiny, pairs, EngineSettings(max_input_tokens=8))
    assert [s.unscored_reason for s in samples] == ["an answer choice is longer than 8 tokens", ""]


def test_cut_requests_are_found_again_and_never_those_of_another_limit(tiny: Tiny, tmp_path: Path) -> None:
    pairs = random_pairs(6)
    for limit in (9, 12, 9, 2000):
        kept = EngineSettings(max_input_tokens=limit, cache_folder=tmp_path / "outputs")
        fresh = ours(tiny, pairs, EngineSettings(max_input_tokens=limit))
        for a, b in zip(ours(tiny, pairs, kept), fresh, strict=True):
            assert a.loglikelihoods == pytest.approx(b.loglikelihoods, abs=1e-3)
            assert a.truncated_tokens == b.truncated_tokens


@pytest.mark.parametrize("limit", [12, 2000])
def test_generations_equal_the_harness(tiny: Tiny, limit: int) -> None:
    from lm_eval.api.instance import Instance

    prompts = [prompt for prompt, _ in random_pairs(6)] + ["the river \n"]
    made = [replace(example(p, ("x",), n), answer_choices=None) for n, p in enumerate(prompts)]
    cell = EvalCell("toy", "en", "qa", "en", metrics=("chrf",), max_new_tokens=5)
    settings = EngineSettings(max_input_tokens=limit)
    samples = evaluate(*tiny, [EvalExample(e, "t", cell) for e in made], "lm_eval", settings)
    # The harness counts an encoder-decoder's new tokens from its prompt's length, unless `max_length` says more.
    own = {"max_length": 6} if tiny.family == "mt5" else {}
    asked = {"until": [], "max_gen_toks": 5, "do_sample": False, **own}
    requests = [
        Instance(request_type="generate_until", doc={}, arguments=(p, dict(asked)), idx=0) for p in prompts
    ]
    wanted = harness(tiny, max_length=limit).generate_until(requests, disable_tqdm=True)
    assert [s.prediction for s in samples] == [text.strip() for text in wanted]
    assert bool(sum(s.truncated_tokens for s in samples)) == (limit == 12)
