"""Dummy Gradient norm Regularization: the squared gradient of random heads on a representation, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from mtft.modeling.dummy_heads import DummyHeads, Integers, Words, scrambled
from mtft.modeling.packed_layout import Layout

Booleans = npt.NDArray[np.bool_]

# between two places of a target: the golden ratio in 64 bits, as SplitMix64 counts
_OFFSET = np.uint64(0x9E3779B97F4A7C15)


class DgrBatch:
    """Which heads look at which examples of a micro-batch; goes into a forward as `dgr`.

    Attributes:
        heads: The random heads.
        tasks: The tasks of the batch's examples, each once.
        of_row: (rows,) int64, each row's place in `tasks`, -1 where there is no example.
        numbers: (rows,) uint64, a number that only this example has, whichever batch it is in.
        most: Positions of each task that count.

    Args:
        heads: The random heads.
        tasks: A name per row, in the order of the flattened `row_weights`.
        positions: Likewise the position in the mixture; -1 where there is no example.
        most: See above.
    """

    def __init__(self, heads: DummyHeads, tasks: Sequence[str], positions: Sequence[int], most: int) -> None:
        present = np.asarray(positions, dtype=np.int64) >= 0
        names = [task for task, there in zip(tasks, present, strict=True) if there]
        self.heads, self.most = heads, most
        self.tasks = tuple(sorted(set(names)))
        places = {task: place for place, task in enumerate(self.tasks)}
        self.of_row: Integers = np.full(len(present), -1, dtype=np.int64)
        self.of_row[present] = [places[name] for name in names]
        self.numbers: Words = np.asarray(positions, dtype=np.int64).astype(np.uint64)

    def sample(self, rows: Integers, offsets: Words) -> tuple[Integers, Booleans]:
        """At most `most` positions of each task, chosen by hash: no matter how a batch is packed or ordered.

        Args:
            rows: (positions,) int64, each one's row.
            offsets: (positions,) uint64, its place in the row's target.

        Returns:
            (tasks, most or fewer) int64, places in `rows`, and which of them there are, bool.
        """
        groups = self.of_row[rows]
        keys = scrambled(scrambled(self.numbers[rows] ^ np.uint64(self.heads.seed)) + offsets * _OFFSET)
        order = np.lexsort((keys, groups))
        order = order[groups[order] >= 0]
        found = groups[order]
        rank = np.arange(len(found)) - np.searchsorted(found, found)
        kept = rank < self.most
        places = np.zeros((len(self.tasks), int(rank[kept].max(initial=-1)) + 1), dtype=np.int64)
        filled = np.zeros(places.shape, dtype=bool)
        places[found[kept], rank[kept]] = order[kept]
        filled[found[kept], rank[kept]] = True
        return places, filled


def token_penalty(dgr: DgrBatch, hidden: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
    """The penalty of a causal model's last hidden states, where they predict targets; () with gradient.

    The label of a position is its target token, read as a class by each head's hash of the vocabulary.

    Args:
        dgr: The heads and the batch's tasks.
        hidden: (targets, width), the states that predict.
        targets: (targets,) int64.
        rows: (targets,) int64, each target's row; those of one row stand together, in order.
    """
    of, tokens = _host(rows), _host(targets).astype(np.uint64)
    places, filled = dgr.sample(of, _offsets(of))
    return _penalty(dgr, hidden, places, filled, tokens[places])


def pooled_penalty(dgr: DgrBatch, pooled: Tensor, of: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
    """The penalty of an encoder's mean-pooled output, whose label is its example's target as one class; ().

    Args:
        dgr: The heads and the batch's tasks.
        pooled: (examples, width).
        of: (examples,) int64, each one's row.
        targets: (targets,) int64, as in `token_penalty`.
        rows: (targets,) int64, likewise.
    """
    words = target_words(_host(targets), _host(rows), len(dgr.of_row))
    own = _host(of)
    places, filled = dgr.sample(own, np.zeros(len(own), dtype=np.uint64))
    return _penalty(dgr, pooled, places, filled, words[own[places]])


def target_words(targets: Integers, rows: Integers, count: int) -> Words:
    """(count,) uint64: a word per row that says which tokens its target has, and in which order."""
    terms = scrambled(targets.astype(np.uint64) + np.uint64(1) + _offsets(rows) * _OFFSET)
    words = np.zeros(count, dtype=np.uint64)
    np.add.at(words, rows, terms)
    return words


def segment_means(states: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """The mean state of each segment, (segments, width) float32 or wider, and its row, (segments,) int64.

    Args:
        states: (slots, width).
        layout: Of these slots.
    """
    dtype = torch.promote_types(states.dtype, torch.float32)
    means = []
    for group in layout.groups:
        here = states[group.start : group.stop].view(group.rows, group.length, -1)
        if group.full:
            means.append(here.mean(dim=1, dtype=dtype))
            continue
        filled = layout.filled[group.start : group.stop].view(group.rows, group.length, 1)
        total = here.masked_fill(~filled, 0).sum(dim=1, dtype=dtype)
        means.append(total / filled.sum(dim=1))
    return torch.cat(means), layout.row[layout.first]


def squared_gradient_norms(features: Tensor, labels: Tensor, weights: Tensor, filled: Tensor) -> Tensor:
    """Squared norms of the gradients that the mean cross-entropy of random heads has for the heads' own weights.

    With B examples h_i, labels y_i, p_i = softmax(W h_i) and r_i = (p_i - onehot(y_i)) / B:

        dL/dW = sum_i r_i h_i^T,        ||dL/dW||_F^2 = sum_ij (r_i . r_j)(h_i . h_j)

    Both forms are the same number; whichever multiplies less is computed. Differentiated with respect to the features
    it needs one ordinary backward.

    Args:
        features: (tasks, examples, width) floating.
        labels: (tasks, examples, heads) int64.
        weights: (tasks, heads, classes, width), constants.
        filled: (tasks, examples) bool, False where there is no example.

    Returns:
        (tasks, heads), 0 for a task without examples.

    Source: Shin, Do & Son 2024, "Learning Representation for Multitask Learning through Self-Supervised Auxiliary
        Learning", arXiv 2409.16651 (the penalty); the closed form for a linear head is the chain rule.
    """
    tasks, heads, classes, width = weights.shape
    examples = features.shape[1]
    there = filled.unsqueeze(-1).to(features.dtype)
    features = features * there
    logits = features @ weights.flatten(1, 2).transpose(1, 2)
    share = there / there.sum(dim=1, keepdim=True).clamp(min=1)
    wrong = logits.view(tasks, examples, heads, classes).softmax(dim=-1) - F.one_hot(labels, classes)
    wrong = wrong * share.unsqueeze(-1)
    if examples * (width + heads * classes) < heads * classes * width:
        among = features @ features.transpose(1, 2)
        of_head = wrong.transpose(1, 2)
        return (of_head @ of_head.transpose(2, 3) * among.unsqueeze(1)).sum(dim=(2, 3))
    gradient = wrong.flatten(2).transpose(1, 2) @ features
    return gradient.square().sum(dim=2).view(tasks, heads, classes).sum(dim=2)


def _penalty(dgr: DgrBatch, states: Tensor, places: Integers, filled: Booleans, words: Words) -> Tensor:
    """The mean over head numbers of the sum over tasks, () in float32 or wider whatever the states are."""
    dtype = torch.promote_types(states.dtype, torch.float32)
    if not places.size:
        return states.new_zeros((), dtype=dtype)
    device = states.device
    labels = dgr.heads.labels(dgr.tasks, words)
    with torch.autocast(device.type, enabled=False):
        features = states[_tensor(places, device)].to(dtype)
        weights = dgr.heads.weights(dgr.tasks, states.shape[-1], device, dtype)
        norms = squared_gradient_norms(features, _tensor(labels, device), weights, _tensor(filled, device))
        return norms.sum() / dgr.heads.count


def _tensor(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(values).to(device)


def _host(values: Tensor) -> Integers:
    return values.detach().cpu().numpy()


def _offsets(rows: Integers) -> Words:
    """Each target's place in its row, (targets,) uint64, for rows that stand together.

    Example: rows [4, 4, 0, 0, 0] give [0, 1, 0, 1, 2].
    """
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    lengths = np.diff(begins, append=len(rows))
    return (np.arange(len(rows)) - np.repeat(begins, lengths)).astype(np.uint64)
