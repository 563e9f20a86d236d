"""A batch and a model of each family."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from mtft.encoding import Collator, encoder_for, minimum_vocabulary, train_tokenizer
from mtft.modeling import ModelSize, build_model

INPUTS = ["the small cat sees the dog . which animal ?", "one", "how many dogs see the cat"]
TARGETS = ["the cat", "the old dog near the house .", "two"]
SIZE = ModelSize(width=32, layers=2, heads=4)


class Toy(NamedTuple):
    family: str
    model: Any
    tokenizer: PreTrainedTokenizerFast
    batch: dict[str, torch.Tensor]


def make_toy(family: str) -> Toy:
    tokenizer = train_tokenizer((INPUTS + TARGETS) * 10, minimum_vocabulary(family) + 60, family)
    model = build_model(family, SIZE, tokenizer, seed=3)
    encoder = encoder_for(model.config, tokenizer)
    batch = Collator(encoder)([*encoder.encode_batch(INPUTS, TARGETS), None])
    return Toy(family, model, tokenizer, batch)


@pytest.fixture(params=["mt5", "bloom"])
def toy(request: pytest.FixtureRequest) -> Toy:
    return make_toy(request.param)
