"""A source of examples by position: small additions in three tasks, of varying lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerFast

from mtft.encoding import Encoder, encoder_for, minimum_vocabulary, train_tokenizer
from mtft.modeling import ModelSize, build_model
from mtft.training import MultitaskTrainer

MakeTrainer = Callable[..., MultitaskTrainer]

SIZE = ModelSize(width=32, layers=2, heads=4)


class Addition(NamedTuple):
    inputs: str
    target: str
    task: str
    language: str = ""


class Additions:
    """Endless; with a length it has a last row."""

    fingerprint = "additions"

    def __init__(self, fingerprint: str = "additions") -> None:
        self.fingerprint = fingerprint
        self.parts: dict[str, Any] = {}
        self.read: list[int] = []

    def examples(self, positions: Sequence[int] | np.ndarray) -> list[Addition]:
        found = [int(p) for p in positions]
        self.read += found
        return [
            Addition(
                inputs=f"add {p % 7} and {p % 5}" + " please" * (p % 4),
                target=" ".join(["so"] * (p % 3) + [str(p % 7 + p % 5)]),
                task=("plus", "sum", "more")[p * p % 3],
                language=("en", "so", "")[p % 3],
            )
            for p in found
        ]


class ManyAdditions(Additions):
    def __len__(self) -> int:
        return 21


class MeasuredAdditions(Additions):
    """Whose lengths are known by position, as a mixture's are."""

    def __init__(self, encoder: Encoder, fingerprint: str = "additions") -> None:
        super().__init__(fingerprint)
        self.measure = encoder.measure

    def lengths(self, positions: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = Additions().examples(positions)
        return self.measure([e.inputs for e in found], [e.target for e in found])


class GroupedAdditions(MeasuredAdditions):
    """That knows its groups; the task `more` never comes."""

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        cells = [("plus", "en"), ("sum", "so"), ("sum", ""), ("more", "en")]
        return {cell: cell[0] if by == "task" else cell[1] or "any" for cell in cells}


class ManyMeasuredAdditions(MeasuredAdditions):
    def __len__(self) -> int:
        return 101


def toy_tokenizer(family: str) -> PreTrainedTokenizerFast:
    texts = [f"{e.inputs} {e.target}" for e in Additions().examples(range(105))]
    return train_tokenizer(texts, minimum_vocabulary(family) + 60, family)


def toy_model(family: str, dropout: float = 0.0) -> tuple[Any, Encoder]:
    tokenizer = toy_tokenizer(family)
    size = SIZE if not dropout else ModelSize(SIZE.width, SIZE.layers, SIZE.heads, dropout)
    model = build_model(family, size, tokenizer, seed=1)
    return model, encoder_for(model.config, tokenizer)


def logged(trainer: MultitaskTrainer, *names: str) -> list[tuple[float, ...]]:
    """These values of every training log line."""
    return [tuple(entry[name] for name in names) for entry in trainer.state.log_history if "loss" in entry]
