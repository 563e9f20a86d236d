"""Greedy generation in length-sorted batches; rows that have ended leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from mtft.evaluation.backbones import (
    device_of,
    has_fast_path,
    is_encoder_decoder,
    parts_of,
    start_token,
    unwrapped,
)
from mtft.evaluation.batching import batches, padded
from mtft.evaluation.naive import naive_generation
from mtft.evaluation.protocols import TokenIds
from mtft.evaluation.requests import GenerationIds

_CACHE_NUMBERS = 2**26  # keys and values of a batch: 256 MB in float32


class _State:
    """A batch in the middle of its generation: caches and masks, from which rows can be dropped."""

    def __init__(self, model: Any, ids: Tensor, mask: Tensor) -> None:
        self.parts, self.mask = parts_of(model), mask
        self.encoder_decoder = is_encoder_decoder(model)
        if self.encoder_decoder:
            self.encoded = self.parts.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            config = self.parts.config
            self.cache: Any = EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))

    def prompt(self, ids: Tensor) -> Tensor:
        """States (rows, width) at the last prompt tokens, the cache filled."""
        out = self.parts.transformer(ids, attention_mask=self.mask, use_cache=True)
        self.cache = out.past_key_values
        last: Tensor = out.last_hidden_state[torch.arange(len(ids)), self.mask.sum(1) - 1]
        return last

    def step(self, tokens: Tensor) -> Tensor:
        """States (rows, width) after one more token (rows,) each."""
        if self.encoder_decoder:
            out = self.parts.decoder(
                input_ids=tokens[:, None],
                encoder_hidden_states=self.encoded,
                encoder_attention_mask=self.mask,
                past_key_values=self.cache,
                use_cache=True,
            )
        else:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
            out = self.parts.transformer(
                tokens[:, None], attention_mask=self.mask, past_key_values=self.cache, use_cache=True
            )
        return out.last_hidden_state[:, -1]  # type: ignore[no-any-return]

    def keep(self, rows: Tensor) -> None:
        """Drops all rows but these (indices, int64)."""
        self.mask = self.mask[rows]
        self.cache.reorder_cache(rows)
        if self.encoder_decoder:
            self.encoded = self.encoded[rows]


class Generator:
    """Greedy continuations of `GenerationIds` by one model.

    Args:
        model: BLOOM or mT5 (batched), or any other model (through the library's `generate`).
        pad: Id to pad with.
        eos: Id that ends a text.
        batch_tokens: Tokens per batch, padding and new tokens included.
    """

    def __init__(self, model: Any, pad: int, eos: int, *, batch_tokens: int = 8192) -> None:
        self.model, self.pad, self.eos = model, pad, eos
        self.batch_tokens = batch_tokens
        self._fast = has_fast_path(model)
        # A step costs a small model the same for few rows as for many: as many as a modest cache can hold.
        config = unwrapped(model).config
        numbers = 2 * int(config.num_hidden_layers) * int(config.hidden_size)
        self._tokens = max(batch_tokens, min(8 * batch_tokens, _CACHE_NUMBERS // numbers))

    def batches(self, items: Sequence[GenerationIds]) -> list[list[GenerationIds]]:
        """The items in the batches that `generate` takes; those allowed the same length stand together."""
        return batches(items, lambda i: (i.max_new_tokens, len(i.inputs)), self._tokens)

    def generate(self, batch: Sequence[GenerationIds]) -> list[TokenIds]:
        """New ids of every item, up to its `max_new_tokens`, without the end token."""
        if not self._fast:
            return naive_generation(self.model, batch, self.pad, self.eos)
        ids, mask = padded([item.inputs for item in batch], self.pad, device_of(self.model))
        state = _State(self.model, ids, mask)
        if state.encoder_decoder:
            begun = torch.full((len(batch),), start_token(self.model), device=ids.device)
            hidden = state.step(begun)
        else:
            hidden = state.prompt(ids)
        made: list[list[int]] = [[] for _ in batch]
        alive = list(range(len(batch)))
        while True:
            tokens = state.parts.lm_head(hidden).argmax(dim=-1)
            alive, kept = self._take(batch, made, alive, tokens.tolist())
            if not alive:
                return [tuple(row) for row in made]
            if len(kept) < len(tokens):
                rows = torch.tensor(kept, device=tokens.device)
                state.keep(rows)
                tokens = tokens[rows]
            hidden = state.step(tokens)

    def _take(
        self, batch: Sequence[GenerationIds], made: list[list[int]], alive: list[int], tokens: list[int]
    ) -> tuple[list[int], list[int]]:
        """Adds each row's token; the rows that go on, and their places among the `alive` ones."""
        going, kept = [], []
        for place, (row, token) in enumerate(zip(alive, tokens, strict=True)):
            if token == self.eos:
                continue
            made[row].append(token)
            if len(made[row]) < batch[row].max_new_tokens:
                going.append(row)
                kept.append(place)
        return going, kept
