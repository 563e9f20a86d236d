"""Log-likelihoods of answer choices with each prompt run once, whatever the number of choices.

The choices of a prompt are a tree: what they begin with in common is computed once. BLOOM reads prompt and tree in one
row; mT5's encoder reads the prompt, its decoder the tree. Rows are packed without padding, and the head sees only
states that predict a token of a choice. The forward is the model's own, in `mtft.modeling`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtft.evaluation.backbones import is_encoder_decoder, tree_model
from mtft.evaluation.batching import batches, packed
from mtft.evaluation.generic import GenericScorer
from mtft.evaluation.harness import TokenIds
from mtft.evaluation.requests import RankIds
from mtft.modeling import choice_trees

_TREE_TOKENS = 512  # of a tree: attention within it grows with the square


class _Row(NamedTuple):
    """Some choices of one prompt, and the places of their scores among all of the batch's."""

    inputs: TokenIds
    choices: list[TokenIds]
    places: list[int]


class LikelihoodEngine:
    """Scores `RankIds` with one model.

    Args:
        model: BLOOM or mT5 (choice trees), or any other causal or seq2seq model (`mtft.evaluation.generic`); wrapped
            or not, with an adapter or without. Its weights are used as they are when `score` is called.
        pad: Id to pad with where rows are padded; it is masked.
        batch_tokens: Tokens per batch, padding included.
    """

    def __init__(self, model: Any, pad: int, *, batch_tokens: int = 8192) -> None:
        self.model = model
        self.pad = pad
        self.batch_tokens = batch_tokens
        self._trees = tree_model(model)
        self._other = GenericScorer(model, pad, batch_tokens=batch_tokens) if self._trees is None else None
        self._encoder_decoder = is_encoder_decoder(model)

    @property
    def is_fast(self) -> bool:
        """Whether the model's own forward scores trees of choices, else `mtft.evaluation.generic` does what it can."""
        return self._trees is not None

    def batches(self, items: Sequence[RankIds]) -> list[list[RankIds]]:
        """The items in the batches that `score` takes, of similar lengths; equal prompts stand side by side."""
        if self._trees is None:
            return batches(items, self._padded_size, self.batch_tokens)
        return packed(items, _tokens, _by_prompt, self.batch_tokens)

    def _padded_size(self, item: RankIds) -> tuple[int, ...]:
        """Tokens of a row per choice."""
        longest, n = max(item.choice_tokens), len(item.choices)
        prompt = len(item.inputs)
        return (prompt * n, longest * n) if self._encoder_decoder else ((prompt + longest) * n,)

    def score(self, batch: Sequence[RankIds]) -> list[list[float]]:
        """The log-likelihood of every choice of every item, in natural logarithms.

        It is the sum over the choice's tokens, as many as the choice has ids, in float64 of float32 log-probabilities.
        """
        if self._trees is None:
            assert self._other is not None
            return self._other.score(batch)
        rows = list(_rows(batch))
        trees = choice_trees([row.inputs for row in rows], [row.choices for row in rows])
        edges = self._trees(trees=trees).double().cpu().numpy()
        sums = np.empty(sum(len(item.choices) for item in batch))
        first = 0
        for row, trie in zip(rows, trees.tries, strict=True):
            values = edges[first : first + len(trie.edge_token)]
            sums[row.places] = np.bincount(trie.owner, values[trie.scored])
            first += len(trie.edge_token)
        flat = iter(sums.tolist())
        return [[next(flat) for _ in item.choices] for item in batch]


def _tokens(item: RankIds) -> int:
    return len(item.inputs) + sum(item.choice_tokens)


def _by_prompt(item: RankIds) -> tuple[int, TokenIds, int]:
    """Similar lengths side by side, and equal prompts, which a batch computes once."""
    return len(item.inputs), item.inputs, _tokens(item)


def _rows(batch: Sequence[RankIds]) -> Iterator[_Row]:
    """The distinct prompts with all choices asked of them, in several rows where one tree would be too large."""
    asked: dict[TokenIds, list[tuple[int, TokenIds]]] = {}
    place = 0
    for item in batch:
        for choice in item.choices:
            asked.setdefault(item.inputs, []).append((place, choice))
            place += 1
    for inputs, choices in asked.items():
        row, size = _Row(inputs, [], []), 0
        for number, choice in choices:
            if row.choices and size + len(choice) > _TREE_TOKENS:
                yield row
                row, size = _Row(inputs, [], []), 0
            row.choices.append(choice)
            row.places.append(number)
            size += len(choice)
        yield row
