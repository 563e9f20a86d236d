"""Small tokenizers of both families."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from mtft.encoding import minimum_vocabulary, train_tokenizer

SENTENCES = [
    "the small cat sees the dog near the old house .",
    "question : does the dog see the cat ? answer : yes",
    "नमस्ते दुनिया यह एक छोटा वाक्य है",
    "می‌روم به خانه",
    "kaliwat ti kalgaw , 12 years",
]


@pytest.fixture(scope="session", params=["mt5", "bloom"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return _trained(request.param)


@pytest.fixture(scope="session")
def mt5_tokenizer() -> PreTrainedTokenizerFast:
    return _trained("mt5")


@pytest.fixture(scope="session")
def bloom_tokenizer() -> PreTrainedTokenizerFast:
    return _trained("bloom")


def _trained(family: str) -> PreTrainedTokenizerFast:
    return train_tokenizer(SENTENCES * 20, minimum_vocabulary(family) + 400, family)
