"""What a model makes of prompts before it answers: one vector per prompt, from frozen weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtft.errors import ConfigError, ModelError, nearest
from mtft.evaluation.backbones import (
    device_of,
    has_virtual_tokens,
    is_encoder_decoder,
    parts_of,
    scoring_mode,
    tree_model,
    unwrapped,
)
from mtft.evaluation.batching import batches, padded
from mtft.evaluation.protocols import ProtocolEncoder, input_limit
from mtft.evaluation.runnable import pad_and_eos

POOLINGS = ("mean", "last")
Vectors = NDArray[np.float32]


class _Prompt(NamedTuple):
    """A prompt's ids; its text is what tells it from others."""

    key: str
    ids: tuple[int, ...]


def check_pooling(name: str | None) -> None:
    """Refuse a pooling that there is not.

    Raises:
        ConfigError: It is none of `POOLINGS`.
    """
    if name is not None and name not in POOLINGS:
        raise ConfigError(
            f"`pooling` must be one of {', '.join(POOLINGS)}.",
            found=f"`{name}`",
            remedy=nearest(name, POOLINGS),
        )


class Representations:
    """Vectors of prompts: an encoder's output, or a causal model's last hidden states.

    Args:
        model: On its device; BLOOM, mT5 or any causal or seq2seq model of transformers, with an adapter or without.
        encoder: Text to ids.
        pooling: `mean` over the prompt's tokens, or its `last` token; None: `mean` of an encoder, `last` of a causal
            model, whose other tokens do not see the whole prompt.
        batch_tokens: Tokens per batch, padding included; what bounds the memory.
        max_input_tokens: Longest prompt; None for what the protocol and the model take.

    Raises:
        ConfigError: The pooling is unknown.
        ModelError: An adapter puts trained tokens before the prompt.
    """

    def __init__(
        self,
        model: Any,
        encoder: ProtocolEncoder,
        *,
        pooling: str | None = None,
        batch_tokens: int = 8192,
        max_input_tokens: int | None = None,
    ) -> None:
        check_pooling(pooling)
        if has_virtual_tokens(model):
            raise ModelError(
                "Representations are of models whose prompts begin with the prompt.",
                found="an adapter with virtual tokens",
                remedy="Probe the base model, or another kind of adapter.",
            )
        self.model, self.encoder, self.batch_tokens = model, encoder, batch_tokens
        self.pooling = pooling or ("mean" if is_encoder_decoder(model) else "last")
        self.longest = input_limit(encoder.protocol, max_input_tokens, unwrapped(model), encoder.tokenizer)
        self._pad, _ = pad_and_eos(encoder.tokenizer)
        own = tree_model(model)
        self._own = None if own is None else parts_of(own)

    def of(self, texts: Sequence[str]) -> tuple[Vectors, NDArray[np.bool_]]:
        """The vectors, (texts, width) float32, and whether each was read, (texts,) bool.

        A prompt that is empty or longer than the model takes is not read, and its vector is 0. Each distinct text is
        read once.
        """
        distinct = list(dict.fromkeys(texts))
        prompts = [_Prompt(*each) for each in zip(distinct, self.encoder.inputs(distinct), strict=True)]
        places = {prompt.key: place for place, prompt in enumerate(prompts)}
        kept = [prompt for prompt in prompts if 0 < len(prompt.ids) <= self.longest]
        found: Vectors | None = None
        with scoring_mode(self.model):
            for batch in batches(kept, lambda prompt: (len(prompt.ids),), self.batch_tokens):
                vectors = self._pooled(batch)
                if found is None:
                    found = np.zeros((len(prompts), vectors.shape[1]), dtype=np.float32)
                found[[places[prompt.key] for prompt in batch]] = vectors
        if found is None:
            raise ModelError(
                "A model must be able to read a prompt.", found=f"none within {self.longest} tokens"
            )
        read = np.zeros(len(prompts), dtype=bool)
        read[[places[prompt.key] for prompt in kept]] = True
        wanted = [places[text] for text in texts]
        return found[wanted], read[wanted]

    def _pooled(self, batch: Sequence[_Prompt]) -> Vectors:
        ids, mask = padded([prompt.ids for prompt in batch], self._pad, device_of(self.model))
        states = self._states(ids, mask)
        lengths = mask.sum(dim=1)
        if self.pooling == "last":
            chosen = states[torch.arange(len(ids), device=states.device), lengths - 1].float()
        else:
            there = (mask != 0).unsqueeze(-1).to(states.device)
            total = states.masked_fill(~there, 0).sum(dim=1, dtype=torch.float32)
            chosen = total / lengths.unsqueeze(-1)
        vectors: Vectors = chosen.cpu().numpy()
        return vectors

    def _states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The last states of the tokens, (rows, tokens, width); no logits are made."""
        if self._own is not None:
            states: Tensor = self._own.encode(ids, mask)
            return states
        parts = parts_of(self.model)
        body = parts.get_encoder() if is_encoder_decoder(self.model) else parts.base_model
        found: Tensor = body(input_ids=ids, attention_mask=mask).last_hidden_state
        return found
