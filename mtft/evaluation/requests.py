"""What is asked of a model: to rank choices, or to generate; with a key under which an answer is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from mtft.evaluation.harness import TokenIds
from mtft.evaluation.protocols import ProtocolEncoder


@dataclass(frozen=True)
class RankRequest:
    """The log-likelihood of each choice after one prompt."""

    inputs: str
    choices: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """Equal for identical requests."""
        return _hashed("rank", self.inputs, *self.choices)


@dataclass(frozen=True)
class GenerationRequest:
    """Greedy continuation of one prompt."""

    inputs: str
    max_new_tokens: int
    min_new_tokens: int = 0

    @cached_property
    def key(self) -> str:
        """Equal for identical requests."""
        least = [str(self.min_new_tokens)] if self.min_new_tokens else []
        return _hashed("generate", self.inputs, str(self.max_new_tokens), *least)


class RankIds(NamedTuple):
    """A `RankRequest` as ids."""

    key: str
    inputs: TokenIds
    choices: tuple[TokenIds, ...]

    @property
    def choice_tokens(self) -> tuple[int, ...]:
        """How many tokens of each choice are scored: all of its ids."""
        return tuple(map(len, self.choices))


class GenerationIds(NamedTuple):
    """A `GenerationRequest` as ids."""

    key: str
    inputs: TokenIds
    max_new_tokens: int
    min_new_tokens: int = 0


def _hashed(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:24]


def encode_rank(requests: Sequence[RankRequest], encoder: ProtocolEncoder) -> list[RankIds]:
    """The requests as ids, in order."""
    prompts = encoder.inputs([r.inputs for r in requests])
    flat = [(r.inputs, choice) for r in requests for choice in r.choices]
    choices = iter(encoder.choices([a for a, _ in flat], [b for _, b in flat]))
    return [
        RankIds(r.key, prompt, tuple(next(choices) for _ in r.choices))
        for r, prompt in zip(requests, prompts, strict=True)
    ]


def encode_generation(requests: Sequence[GenerationRequest], encoder: ProtocolEncoder) -> list[GenerationIds]:
    """The requests as ids, in order."""
    prompts = encoder.inputs([r.inputs for r in requests], generation=True)
    return [
        GenerationIds(r.key, p, r.max_new_tokens, r.min_new_tokens)
        for r, p in zip(requests, prompts, strict=True)
    ]


def encode_prior(choices: tuple[str, ...], item: RankIds, encoder: ProtocolEncoder) -> RankIds:
    """The same choices after a prompt that says nothing; choices of equal ids have one prior, whatever their prompts.

    Token for token those of the item, except under `lm_eval`, where the harness reads each choice by itself.

    Args:
        choices: The item's, as text.
        item: What is asked after a prompt.
        encoder: The one that made it.
    """
    prefix, ids = encoder.empty_prompt, item.choices
    if encoder.protocol.as_harness:
        ids = tuple(encoder.choices([""] * len(choices), choices))
    texts = [" ".join(map(str, choice)) for choice in ids]
    return RankIds(_hashed("prior", str(prefix), *texts), (prefix,), ids)
