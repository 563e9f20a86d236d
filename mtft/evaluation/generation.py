"""Greedy generation in length-sorted batches; rows that have ended leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from mtft.evaluation.backbones import (
    device_of,
    has_fast_path,
    is_encoder_decoder,
    parts_of,
    start_token,
    tree_model,
    unwrapped,
)
from mtft.evaluation.batching import batches, padded
from mtft.evaluation.harness import TokenIds
from mtft.evaluation.naive import naive_generation
from mtft.evaluation.requests import GenerationIds

_NO_NUMBER = -1  # in place of a token
_LONG = 256  # tokens of a prompt whose attention, and not a step's overhead, takes the time
_CACHE_NUMBERS = 2**26  # keys and values of a batch: 256 MB in float32


class _State:
    """A batch in the middle of its generation: caches and masks, from which rows can be dropped."""

    def __init__(self, model: Any, own: Any, ids: Tensor, mask: Tensor) -> None:
        self.parts, self.mask = parts_of(model), mask
        self.encoder_decoder = is_encoder_decoder(model)
        if self.encoder_decoder:
            if own is not None:
                self.encoded = parts_of(own).encode(ids, mask)
            else:
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


class GenerationBackend(Protocol):
    """What generates texts: `Generator`, or an engine of others."""

    def batches(self, items: Sequence[GenerationIds]) -> list[list[GenerationIds]]:
        """The items in the batches that `generate` takes."""

    def generate(self, batch: Sequence[GenerationIds]) -> list[TokenIds | None]:
        """New ids of every item without the end token; None where a logit was no number."""


class Generator:
    """Greedy continuations of `GenerationIds` by one model.

    Args:
        model: BLOOM or mT5 (batched), or any other model (through the library's `generate`, one at a time).
        pad: Id to pad with.
        eos: Id that ends a text.
        batch_tokens: Tokens per batch, padding and new tokens included.
        reference: Use the library's `generate` in any case.
    """

    def __init__(
        self, model: Any, pad: int, eos: int, *, batch_tokens: int = 8192, reference: bool = False
    ) -> None:
        self.model, self.pad, self.eos = model, pad, eos
        self.batch_tokens = self._tokens = batch_tokens
        self._fast = has_fast_path(model) and not reference
        self._own = tree_model(model) if self._fast else None
        if self._fast:
            # A step costs a small model the same for few rows as for many: as many as a modest cache can hold.
            config = unwrapped(model).config
            numbers = 2 * int(config.num_hidden_layers) * int(config.hidden_size)
            self._tokens = max(batch_tokens, min(8 * batch_tokens, _CACHE_NUMBERS // numbers))

    def batches(self, items: Sequence[GenerationIds]) -> list[list[GenerationIds]]:
        """The items in the batches that `generate` takes; those allowed the same length stand together."""
        long = [item for item in items if len(item.inputs) > _LONG]
        short = [item for item in items if len(item.inputs) <= _LONG]
        return [*self._batches(long, self.batch_tokens), *self._batches(short, self._tokens)]

    def _batches(self, items: Sequence[GenerationIds], tokens: int) -> list[list[GenerationIds]]:
        return batches(items, lambda i: (i.max_new_tokens, len(i.inputs)), tokens)

    def generate(self, batch: Sequence[GenerationIds]) -> list[TokenIds | None]:
        """New ids of every item, `min_new_tokens` to `max_new_tokens`, without the end token.

        None for an item of which a logit was no number.
        """
        if not self._fast:
            return naive_generation(self.model, batch, self.pad, self.eos)
        ids, mask = padded([item.inputs for item in batch], self.pad, device_of(self.model))
        state = _State(self.model, self._own, ids, mask)
        if state.encoder_decoder:
            begun = torch.full((len(batch),), start_token(self.model), device=ids.device)
            hidden = state.step(begun)
        else:
            hidden = state.prompt(ids)
        texts = _Texts(batch, self.eos)
        while True:
            lengths = [len(texts.made[row]) for row in texts.alive]
            logits = state.parts.lm_head(hidden)
            tokens = self._likeliest(logits, lengths, [batch[row] for row in texts.alive])
            kept = texts.take(tokens)
            if not kept:
                return texts.whole
            if len(kept) < len(tokens):
                state.keep(torch.tensor(kept, device=ids.device))
            hidden = state.step(torch.tensor([tokens[place] for place in kept], device=ids.device))

    def _likeliest(self, logits: Tensor, lengths: Sequence[int], batch: Sequence[GenerationIds]) -> list[int]:
        """The likeliest token of each row; `_NO_NUMBER` where a logit is none.

        Args:
            logits: (rows, vocabulary).
            lengths: How many tokens each row has.
            batch: Each row's item.
        """
        short = [n for n, item in enumerate(batch) if lengths[n] < item.min_new_tokens]
        if short:
            logits = logits.clone()
            logits[short, self.eos] = -torch.inf
        best, tokens = logits.max(dim=-1)  # the largest is no number where any is none
        chosen: list[int] = tokens.masked_fill(best.isnan(), _NO_NUMBER).tolist()
        return chosen


class _Texts:
    """The new ids of a batch, and which rows still grow."""

    def __init__(self, batch: Sequence[GenerationIds], eos: int) -> None:
        self.batch, self.eos = batch, eos
        self.made: list[list[int]] = [[] for _ in batch]
        self.alive = list(range(len(batch)))
        self.broken: set[int] = set()

    def take(self, tokens: Sequence[int]) -> list[int]:
        """Adds a token to each row that grows; the places of those that go on among them."""
        going, kept = [], []
        for place, (row, token) in enumerate(zip(self.alive, tokens, strict=True)):
            if token == _NO_NUMBER:
                self.broken.add(row)
            elif token != self.eos:
                self.made[row].append(token)
                if len(self.made[row]) < self.batch[row].max_new_tokens:
                    going.append(row)
                    kept.append(place)
        self.alive = going
        return kept

    @property
    def whole(self) -> list[TokenIds | None]:
        """Every row's ids; None where a logit was no number."""
        return [None if row in self.broken else tuple(ids) for row, ids in enumerate(self.made)]
