"""The benchmark's contenders train on the same examples and agree on their losses; its figures need a quiet machine."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.training_contenders import Job, build
from benchmarks.training_gpu import EQUAL, config_of, lengths, operations
from benchmarks.training_sample import BATCH, Sample, SampleSource, sampled
from benchmarks.training_worker import Round, train_in_rounds
from mtft.modeling import ModelSize
from tests.training.additions import toy_tokenizer

CAPACITIES = {"bloom": (64,), "mt5": (64, 32)}


class Lengths:
    """Prompts of 3 to 42 tokens, targets of 2 to 8."""

    fingerprint = "lengths"

    def lengths(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (3 + positions * 37 % 40).astype(np.int32), (2 + positions * 11 % 7).astype(np.int32)


@pytest.fixture
def job(family: str, tmp_path: Path) -> Job:
    tokenizer = toy_tokenizer(family)
    tokenizer.save_pretrained(tmp_path)
    return Job(
        family=family,
        words=len(tokenizer) + 100,
        size=ModelSize(width=32, layers=2, heads=4),
        tokenizer=str(tmp_path),
        capacities=CAPACITIES[family],
        packs=1,
        sample=sampled(Lengths(), 3, len(tokenizer) + 100, tokenizer),
        steps=100,
    )


def tokens_of(sample: Sample) -> int:
    return sum(map(len, sample.examples))


def test_batches_of_a_sample_hold_the_same_examples(job: Job) -> None:
    sample = job.sample
    assert len(sample.examples) == 3 * BATCH
    assert sorted(sample.padded.ravel()) == sorted(sample.grouped.ravel()) == list(range(3 * BATCH))
    prompts = np.array([len(example.input_ids) for example in sample.examples])
    assert np.ptp(prompts[sample.grouped], axis=1).max() <= 10 < np.ptp(prompts[sample.padded], axis=1).min()
    assert SampleSource(sample).lengths(np.array([0, 3 * BATCH]))[0].tolist() == [prompts[0]] * 2


@torch.no_grad()
def test_contenders_begin_with_equal_losses(job: Job) -> None:
    ours, peer = build("ours", job), build("padded", job)
    for mine, theirs in zip(ours.trainer.model.parameters(), peer.trainer.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    known = {numbers[0]: loss for numbers, loss in ours.losses()}
    assert sorted(known) == list(range(len(job.sample.examples)))
    for numbers, loss in peer.losses():
        assert loss == pytest.approx(sum(known[number] for number in numbers), rel=1e-5)


@pytest.mark.parametrize("name", ["ours", "padded"])
def test_a_round_trains_on_every_example_once(name: str, job: Job) -> None:
    contender = build(name, job)
    here, there = Pipe()
    for word in ("go", "go", "end"):
        here.send(word)
    train_in_rounds(contender, there)
    first, whole = here.recv(), here.recv()
    assert isinstance(whole, Round)
    assert first.tokens < whole.tokens
    # the first step was of the same pass: ours ends with a pack of the next one, which has another order
    assert whole.tokens == pytest.approx(tokens_of(job.sample), rel=0.1 if name == "ours" else 0)
    assert contender.trainer.state.global_step == 2 + contender.round_steps


@torch.no_grad()
def test_contenders_of_a_published_shape_agree_as_far_as_bfloat16_goes(job: Job) -> None:
    shape = {"bloom": "bigscience/bloom-560m", "mt5": "google/mt5-large"}[job.family]
    config = config_of(shape, smoke=True, checkpointing=False)
    job = replace(job, config=config)
    ours, peer = build("ours", job), build("padded", job)
    assert {p.dtype for p in ours.trainer.model.parameters()} == {torch.bfloat16}
    known = {numbers[0]: loss for numbers, loss in ours.losses()}
    for numbers, loss in peer.losses():
        assert loss == pytest.approx(sum(known[number] for number in numbers), rel=EQUAL)
    inputs, targets = lengths(job.family, job.sample)
    body = sum(p.numel() for n, p in ours.trainer.model.named_parameters() if "embed" not in n)
    head = config.vocab_size * config.hidden_size
    # at least each weight that a token passes, and no weight for all tokens of both kinds twice
    assert 6 * head * int(targets.sum()) < operations(job) < 9 * (body + head) * int((inputs + targets).sum())
