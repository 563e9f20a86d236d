"""Tiny random models of both families over a tokenizer of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch

from mtft.encoding import train_tokenizer
from mtft.modeling import ModelSize, build_model

TEXTS = [
    "the river is wide and the boat is old",
    "mto ni mpana na mashua ni kuukuu",
    "नदी चौड़ी है और नाव पुरानी है",
    "no yes maybe true false neither both",
] * 20


class Tiny(NamedTuple):
    model: Any
    tokenizer: Any
    family: str


def make(family: str, seed: int = 3) -> Tiny:
    tokenizer = train_tokenizer(TEXTS, 420, family)  # type: ignore[arg-type]
    model = build_model(family, ModelSize(width=32, layers=2, heads=4), tokenizer, seed=seed)
    # Random models hardly tell texts apart; larger weights make every position count.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    return Tiny(model.eval(), tokenizer, family)


@pytest.fixture(scope="session", params=["bloom", "mt5"])
def tiny(request: pytest.FixtureRequest) -> Tiny:
    return make(request.param)
