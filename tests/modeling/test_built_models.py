"""Built-in sizes: sane from the first step, the same for the same seed."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mtft.errors import ModelError
from mtft.modeling import SIZES, build_model


def test_the_first_loss_is_that_of_a_uniform_guess(toy: Any) -> None:
    """With the library's own scales an mT5 from a configuration starts near 20."""
    output = toy.model(**toy.batch)
    assert (output.loss / output.count).item() == pytest.approx(math.log(len(toy.tokenizer)), rel=0.15)


def test_the_seed_decides_the_weights_and_the_global_state_is_left_alone(toy: Any) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = (build_model(toy.family, "tiny", toy.tokenizer, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.get_input_embeddings().weight, other.get_input_embeddings().weight)


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_a_size_is_what_it_says(toy: Any, size: str) -> None:
    model = build_model(toy.family, size, toy.tokenizer)
    assert model.config.hidden_size == SIZES[size].width
    assert model.config.vocab_size == len(toy.tokenizer)
    assert model.config.eos_token_id == toy.tokenizer.eos_token_id
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_tiny_model_learns_its_batch_by_heart(toy: Any) -> None:
    optimizer = torch.optim.AdamW(toy.model.parameters(), lr=1e-2)
    for _ in range(80):
        output = toy.model(**toy.batch)
        (output.loss / output.count).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (output.loss / output.count).item() < 0.3


def test_unknown_names_are_told_the_nearest(toy: Any) -> None:
    with pytest.raises(ModelError, match="Did you mean: tiny"):
        build_model(toy.family, "tinny", toy.tokenizer)
    with pytest.raises(ModelError, match="bloom"):
        build_model("blom", "tiny", toy.tokenizer)
