"""The answer choices of a batch of prompts, each prompt's as one tree in which a common beginning stands once.

A *node* is a prompt with the first tokens of a choice behind it, none of them at the root: a state that predicts a
token. An *edge* is a node with a token that follows it in a choice: one log-probability, whoever needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mtft.errors import ModelError
from mtft.modeling.packed_layout import Integers, Segments

TokenIds = tuple[int, ...]


@dataclass(frozen=True)
class ChoiceTrie:
    """Some choices as a tree; a choice's last token has no node of its own unless another choice goes on from it.

    Example: `((7, 1), (7, 8, 1))` has the nodes (), (7,) and (7, 8), and the edges 7, then 1 and 8, then 1.

    Attributes:
        token: (nodes,) int64, the last token; -1 at the root, which is node 0. Parents come before children.
        depth: (nodes,) int64, tokens behind the prompt.
        seen: (nodes, nodes) bool, whether the column's node is the row's or on its way from the root.
        edge_node: (edges,) int64, the node that predicts.
        edge_token: (edges,) int64, the token that is predicted.
        scored: (scored tokens,) int64, the edge of each token of each choice.
        owner: (scored tokens,) int64 ascending, the choice of each.
    """

    token: Integers
    depth: Integers
    seen: npt.NDArray[np.bool_]
    edge_node: Integers
    edge_token: Integers
    scored: Integers
    owner: Integers


@lru_cache(maxsize=256)
def choice_trie(choices: tuple[TokenIds, ...]) -> ChoiceTrie:
    """The tree of some choices, kept: a template's are those of every row.

    Raises:
        ModelError: A choice has no token.
    """
    if not all(choices):
        raise ModelError(
            "An answer choice must have at least one token.", found=f"{choices.count(())} without"
        )
    children: dict[tuple[int, int], int] = {}
    edges: dict[tuple[int, int], int] = {}
    parents, tokens, depths = [0], [-1], [0]
    scored, owner = [], []
    for number, choice in enumerate(choices):
        node = 0
        for at, token in enumerate(choice):
            if at:
                step = (node, choice[at - 1])
                node = children.setdefault(step, len(tokens))
                if node == len(tokens):
                    parents.append(step[0])
                    tokens.append(step[1])
                    depths.append(at)
            scored.append(edges.setdefault((node, token), len(edges)))
            owner.append(number)
    seen = np.eye(len(tokens), dtype=np.bool_)
    for node in range(1, len(tokens)):
        seen[node] |= seen[parents[node]]
    edge_node, edge_token = np.array(list(edges), dtype=np.int64).T.copy()
    last, depth = np.array(tokens, dtype=np.int64), np.array(depths, dtype=np.int64)
    return ChoiceTrie(last, depth, seen, edge_node, edge_token, np.array(scored), np.array(owner))


@dataclass(frozen=True)
class ChoiceTrees:
    """What a forward with `trees` scores: one row per prompt, with the tree of its choices.

    Attributes:
        prompts: (prompt tokens,) int64, one prompt after another.
        lengths: (rows,) int64, tokens of each prompt.
        tries: (rows,), one per prompt.
    """

    prompts: Integers
    lengths: Integers
    tries: tuple[ChoiceTrie, ...]

    @cached_property
    def nodes(self) -> Integers:
        """(rows,) int64, nodes of each row, the root included."""
        return np.array([len(trie.token) for trie in self.tries])

    @cached_property
    def edges(self) -> tuple[Integers, Integers]:
        """Node, counted through all rows, and token of each edge, row by row; (edges,) int64 both."""
        firsts = zip(begins(self.nodes).tolist(), self.tries, strict=True)
        nodes = np.concatenate([first + trie.edge_node for first, trie in firsts])
        return nodes, np.concatenate([trie.edge_token for trie in self.tries])

    def parts(self, tokens: int) -> Iterator[ChoiceTrees]:
        """The same rows in order, so many at a time as hold about so many tokens of prompts and nodes."""
        ends = np.cumsum(self.lengths + self.nodes)
        number = (ends - 1) // tokens
        prompt_ends = np.cumsum(self.lengths)
        borders = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(ends)]
        for first, last in pairwise(borders):
            ids = slice(prompt_ends[first] - self.lengths[first], prompt_ends[last - 1])
            yield ChoiceTrees(self.prompts[ids], self.lengths[first:last], self.tries[first:last])

    def prompt_segments(self) -> Segments:
        """The prompts in `prompts`."""
        return Segments(np.arange(len(self.lengths)), begins(self.lengths), self.lengths)

    def node_segments(self) -> Segments:
        """The nodes of all rows, one row after another."""
        return Segments(np.arange(len(self.nodes)), begins(self.nodes), self.nodes)

    def node_tokens(self, start: int) -> Integers:
        """(nodes,) int64, each node's token, with `start` at the roots: what a decoder reads."""
        tokens = np.concatenate([trie.token for trie in self.tries])
        return np.where(tokens < 0, start, tokens)

    def with_prompts(self) -> tuple[Integers, Segments]:
        """What a causal model reads: every prompt with its nodes behind it, the root being the prompt's last token.

        Returns:
            (tokens,) int64, and each row's segment in it.
        """
        pieces, at = [], 0
        for length, trie in zip(self.lengths.tolist(), self.tries, strict=True):
            pieces += [self.prompts[at : at + length], trie.token[1:]]
            at += length
        whole = self.lengths + self.nodes - 1
        return np.concatenate(pieces), Segments(np.arange(len(whole)), begins(whole), whole)


def choice_trees(prompts: Sequence[Sequence[int]], choices: Sequence[Sequence[TokenIds]]) -> ChoiceTrees:
    """The trees of some prompts' choices.

    Raises:
        ModelError: There is nothing to score, or a prompt or a choice is empty.
    """
    lengths = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
    if not len(lengths) or not lengths.all() or not all(choices):
        raise ModelError(
            "Every prompt to score must have a token and an answer choice.",
            found=f"{int((lengths == 0).sum())} empty prompts of {len(lengths)}",
        )
    ids = np.concatenate([np.asarray(prompt, dtype=np.int64) for prompt in prompts])
    return ChoiceTrees(ids, lengths, tuple(choice_trie(tuple(each)) for each in choices))


def tokens_at_once(weight: Tensor, width: int) -> int:
    """How many tokens go through a body together, while the head gets the nodes of all of them.

    On a CPU a layer's numbers then stay in its cache, and in memory that is not fetched from the system each time.

    Args:
        weight: One of the model's. Where it is partitioned over processes, these must call layers equally often.
        width: Hidden units.
    """
    return max(256, 2**19 // width) if weight.device.type == "cpu" and not hasattr(weight, "ds_id") else 2**40


def begins(lengths: Integers) -> Integers:
    """Where each of several pieces, laid end to end, begins."""
    return np.cumsum(lengths) - lengths
