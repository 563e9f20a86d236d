"""Short pretraining: span corruption is T5's, rows are full, the loss falls, the seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import ConfigError, ModelError
from mtft.training import PretrainArguments, pretrain
from mtft.training.pretraining import text_rows
from mtft.training.span_corruption import corrupt_spans, span_sizes
from tests.training.additions import toy_model

SENTINELS = np.arange(1000, 1100)
EOS = 1


def documents(limit: int | None = None) -> Iterator[str]:
    number = 0
    while limit is None or number < limit:
        yield f"add {number % 7} and {number % 5} please so " + str(number % 7 + number % 5)
        number += 1


@given(
    rows=st.integers(1, 5),
    length=st.integers(4, 90),
    density=st.floats(0.05, 0.6),
    mean_span=st.floats(1.0, 6.0),
    seed=st.integers(0, 99),
)
def test_inputs_and_targets_together_are_the_text(
    rows: int, length: int, density: float, mean_span: float, seed: int
) -> None:
    text = np.arange(2, 2 + rows * length).reshape(rows, length) % 900 + 2
    sizes = span_sizes(length, density, mean_span)
    inputs, targets = corrupt_spans(text, sizes, SENTINELS, EOS, np.random.default_rng(seed))
    assert inputs.shape == (rows, length - sizes.noise + sizes.spans + 1)
    assert targets.shape == (rows, sizes.noise + sizes.spans + 1)
    for row, source, target in zip(text.tolist(), inputs.tolist(), targets.tolist(), strict=True):
        assert source[-1] == target[-1] == EOS
        assert _rejoined(source[:-1], target[:-1]) == row
        assert [t for t in source if t >= 1000] == SENTINELS[: sizes.spans].tolist()


def _rejoined(source: list[int], target: list[int]) -> list[int]:
    hidden: dict[int, list[int]] = {}
    for token in target:
        if token >= 1000:
            current = hidden.setdefault(token, [])
        else:
            current.append(token)
    assert all(hidden.values())
    return [piece for token in source for piece in (hidden[token] if token >= 1000 else [token])]


def test_hidden_share_is_the_density() -> None:
    assert span_sizes(512, 0.15, 3.0) == (77, 26)
    assert span_sizes(64, 0.15, 3.0) == (10, 3)


def test_rows_are_the_documents_in_full() -> None:
    _, encoder = toy_model("bloom")
    arguments = PretrainArguments(max_steps=2, batch_size=2, row_length=8)
    rows = text_rows(encoder.tokenizer, documents(50), arguments)
    text = encoder.tokenizer.decode(rows.ravel())
    assert rows.shape[1] == 8
    assert text.count("add") >= 2
    lengths = [len(encoder.tokenizer(d).input_ids) + 1 for d in documents(50)]
    assert rows.size == sum(lengths) // 8 * 8


def test_no_more_text_is_read_than_the_steps_need() -> None:
    _, encoder = toy_model("bloom")
    endless = documents()
    text_rows(encoder.tokenizer, endless, PretrainArguments(max_steps=1, batch_size=2, row_length=16))
    assert next(endless) == list(documents(1025))[-1]


def test_pretraining_learns_and_the_seed_decides(family: str) -> None:
    arguments = PretrainArguments(max_steps=40, batch_size=8, row_length=24, learning_rate=5e-3, seed=4)
    weights, told = [], []
    for _ in range(2):
        model, encoder = toy_model(family, dropout=0.1)
        report = pretrain(
            model, encoder.tokenizer, documents(400), arguments, lambda *step: told.append(step)
        )
        weights.append([p.detach().clone() for p in model.parameters()])
        assert report.last_loss < 0.6 * report.first_loss
        assert report.tokens == 40 * 8 * 24
        assert report.tokens_per_second > 0
        assert not model.training
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    assert [step for step, _, _ in told[:40]] == list(range(1, 41))


def test_the_random_state_outside_is_left_alone(family: str) -> None:
    model, encoder = toy_model(family)
    torch.manual_seed(9)
    expected = torch.rand(2)
    torch.manual_seed(9)
    pretrain(model, encoder.tokenizer, documents(50), PretrainArguments(max_steps=2, row_length=16))
    assert torch.equal(torch.rand(2), expected)


def test_too_little_text_is_refused() -> None:
    model, encoder = toy_model("mt5")
    with pytest.raises(ConfigError, match="at least one row"):
        pretrain(model, encoder.tokenizer, ["add 1 and 1"], PretrainArguments(row_length=64))


def test_a_tokenizer_without_sentinels_is_refused() -> None:
    model, _ = toy_model("mt5")
    _, causal = toy_model("bloom")
    with pytest.raises(ModelError, match="<extra_id_0>"):
        pretrain(model, causal.tokenizer, documents(50), PretrainArguments(row_length=16))


@pytest.mark.parametrize("wrong", [{"max_steps": 0}, {"noise_density": 1.0}, {"row_length": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PretrainArguments(**wrong)
