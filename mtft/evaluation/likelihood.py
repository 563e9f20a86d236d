"""Log-likelihoods of answer choices with each prompt run once, whatever the number of choices.

BLOOM: the prompts fill a cache; the choices continue from copies of it. ALiBi's positions come from the
attention mask, so padding between prompt and choice changes nothing. mT5: one encoder pass; all choices of
an example stand side by side in one decoder row under a block mask. Its relative bias depends on distances
alone, which inside a block are those of a row of its own, so nothing of the encoder's output is copied. The
head sees scored positions only, each distinct choice prefix once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mtft.evaluation.backbones import device_of, has_fast_path, is_encoder_decoder, parts_of, start_token
from mtft.evaluation.batching import batches, padded
from mtft.evaluation.generic import GenericScorer
from mtft.evaluation.protocols import TokenIds
from mtft.evaluation.requests import RankIds

_HEAD_NUMBERS = 2**25  # logits held at once: 128 MB in float32


@dataclass(frozen=True)
class Scored:
    """Which token is scored where, for one batch.

    Attributes:
        hidden: (nodes, width) states that predict a token.
        nodes: Node of each scored token, (tokens,) int64, ascending.
        tokens: The scored tokens' ids, (tokens,) int64.
        owners: The choice each token belongs to, (tokens,) int64.
        n_choices: Choices of the batch.
    """

    hidden: Tensor
    nodes: Tensor
    tokens: Tensor
    owners: Tensor
    n_choices: int


def sum_loglikelihoods(head: Any, scored: Scored) -> Tensor:
    """Σ log p(token) per choice, (choices,) float64, from float32 log-probabilities.

    Only a chunk of nodes' logits exists at a time.
    """
    total = torch.zeros(scored.n_choices, dtype=torch.float64, device=scored.hidden.device)
    vocabulary = int(head.weight.shape[0]) if getattr(head, "weight", None) is not None else 2**18
    step = max(1, _HEAD_NUMBERS // max(1, vocabulary))
    for start in range(0, len(scored.hidden), step):
        logits = head(scored.hidden[start : start + step]).float()
        normaliser = logits.logsumexp(dim=-1)
        inside = slice(*torch.searchsorted(scored.nodes, torch.tensor([start, start + step])).tolist())
        rows = scored.nodes[inside] - start
        values = logits[rows, scored.tokens[inside]] - normaliser[rows]
        total.index_add_(0, scored.owners[inside], values.double())
    return total


class _Plan:
    """Distinct choice prefixes of a batch as nodes, and which tokens are scored from them.

    A node is an example with the choice tokens before the scored one; choices that begin alike share nodes.
    """

    def __init__(self, batch: Sequence[RankIds]) -> None:
        self.place: dict[tuple[int, TokenIds], int] = {}
        triples: list[tuple[int, int, int]] = []
        owner = 0
        for row, item in enumerate(batch):
            for choice in item.choices:
                for at, token in enumerate(choice):
                    node = self.place.setdefault((row, choice[:at]), len(self.place))
                    triples.append((node, token, owner))
                owner += 1
        self.triples = sorted(triples)
        self.n_choices = owner

    def scored(self, hidden: Tensor) -> Scored:
        """The plan with the nodes' states, which are given in the order of `place`."""
        table = torch.tensor(self.triples, dtype=torch.int64).reshape(-1, 3).to(hidden.device)
        nodes, tokens, owners = table.unbind(1)
        return Scored(hidden, nodes.contiguous(), tokens, owners, self.n_choices)


def _distinct_bodies(batch: Sequence[RankIds]) -> list[tuple[int, TokenIds]]:
    """(example, choice without its last token), each once: what must be run to score every token."""
    return list(
        dict.fromkeys((row, choice[:-1]) for row, item in enumerate(batch) for choice in item.choices)
    )


class LikelihoodEngine:
    """Scores `RankIds` with one model.

    Args:
        model: BLOOM or mT5, or any other causal or seq2seq model (`mtft.evaluation.generic`).
        pad: Id to pad with; it is masked.
        batch_tokens: Tokens per batch, padding included.
    """

    def __init__(self, model: Any, pad: int, *, batch_tokens: int = 8192) -> None:
        self.model = model
        self.pad = pad
        self.batch_tokens = batch_tokens
        self._other = None if has_fast_path(model) else GenericScorer(model, pad, batch_tokens=batch_tokens)
        self._encoder_decoder = is_encoder_decoder(model)

    def batches(self, items: Sequence[RankIds]) -> list[list[RankIds]]:
        """The items in the batches that `score` takes."""
        return batches(items, self._size, self.batch_tokens)

    def _size(self, item: RankIds) -> tuple[int, ...]:
        """Tokens of a row: prompt and choices; a causal model's cache holds the prompt once per choice."""
        longest = max(map(len, item.choices))
        if self._encoder_decoder:
            return len(item.inputs), longest * len(item.choices)
        copies = len(item.choices) if longest > 1 else 1
        return len(item.inputs) * copies, longest * len(item.choices)

    def score(self, batch: Sequence[RankIds]) -> list[list[float]]:
        """The log-likelihood of every choice of every item, in natural logarithms."""
        if self._other is not None:
            return self._other.score(batch)
        hidden, plan = (self._seq2seq if self._encoder_decoder else self._causal)(batch)
        flat = iter(sum_loglikelihoods(parts_of(self.model).lm_head, plan.scored(hidden)).tolist())
        return [[next(flat) for _ in item.choices] for item in batch]

    def _causal(self, batch: Sequence[RankIds]) -> tuple[Tensor, _Plan]:
        """States of all nodes (nodes, width): the prompts' last positions, then the choices' positions."""
        plan, body = _Plan(batch), parts_of(self.model).transformer
        device = device_of(self.model)
        ids, mask = padded([item.inputs for item in batch], self.pad, device)
        bodies = [(row, tokens) for row, tokens in _distinct_bodies(batch) if tokens]
        prompt = body(ids, attention_mask=mask, use_cache=bool(bodies))
        states = [prompt.last_hidden_state[torch.arange(len(batch)), mask.sum(1) - 1]]
        where: dict[tuple[int, TokenIds], int] = {(row, ()): row for row in range(len(batch))}
        if bodies:
            owners = torch.tensor([row for row, _ in bodies], device=device)
            cache = prompt.past_key_values
            cache.reorder_cache(owners)
            more, more_mask = padded([tokens for _, tokens in bodies], self.pad, device)
            both = torch.cat([mask[owners], more_mask], dim=1)
            after = body(more, attention_mask=both, past_key_values=cache, use_cache=True).last_hidden_state
            states.append(after.flatten(0, 1))
            where |= _places(bodies, first=len(batch), width=more.shape[1])
        at = torch.tensor([where[key] for key in plan.place], device=device)
        return torch.cat(states)[at], plan

    def _seq2seq(self, batch: Sequence[RankIds]) -> tuple[Tensor, _Plan]:
        """States of all nodes (nodes, width), from one decoder row per example."""
        plan, parts, device = _Plan(batch), parts_of(self.model), device_of(self.model)
        ids, mask = padded([item.inputs for item in batch], self.pad, device)
        encoded = parts.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        rows, blocks, where = _decoder_rows(batch, start_token(self.model))
        tokens, _ = padded(rows, self.pad, device)
        hidden = parts.decoder(
            input_ids=tokens,
            attention_mask=_block_mask(padded(blocks, 0, device)[0], encoded.dtype),
            encoder_hidden_states=encoded,
            encoder_attention_mask=mask,
            use_cache=False,
        ).last_hidden_state
        at = torch.tensor([where[key] for key in plan.place], device=device)
        return hidden[at[:, 0], at[:, 1]], plan


def _places(
    bodies: Sequence[tuple[int, TokenIds]], *, first: int, width: int
) -> dict[tuple[int, TokenIds], int]:
    """The flat position of each choice prefix when rows of `width` are laid end to end from `first` on."""
    return {
        (row, tokens[: at + 1]): first + line * width + at
        for line, (row, tokens) in enumerate(bodies)
        for at in range(len(tokens))
    }


def _decoder_rows(
    batch: Sequence[RankIds], start: int
) -> tuple[list[list[int]], list[list[int]], dict[tuple[int, TokenIds], tuple[int, int]]]:
    """Decoder inputs of all choices side by side, their block numbers (from 1), and each node's place.

    Example: choices [[7, 1], [7, 8, 1]] with start 0 give ids [0, 7, 0, 7, 8], blocks [1, 1, 2, 2, 2].
    """
    rows: list[list[int]] = [[] for _ in batch]
    blocks: list[list[int]] = [[] for _ in batch]
    where: dict[tuple[int, TokenIds], tuple[int, int]] = {}
    for row, body in _distinct_bodies(batch):
        number = blocks[row][-1] + 1 if blocks[row] else 1
        for at, token in enumerate((start, *body)):
            where.setdefault((row, body[:at]), (row, len(rows[row])))
            rows[row].append(token)
            blocks[row].append(number)
    return rows, blocks, where


def _block_mask(blocks: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive mask (rows, 1, length, length): a position sees itself and what precedes it in its block.

    Args:
        blocks: (rows, length) int64, 0 on padding, which sees padding alone.
        dtype: Of the mask.
    """
    length = blocks.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=blocks.device).tril()
    seen = (blocks[:, :, None] == blocks[:, None, :]) & causal
    hidden = torch.zeros(seen.shape, dtype=dtype, device=blocks.device)
    return hidden.masked_fill(~seen, torch.finfo(dtype).min)[:, None]
