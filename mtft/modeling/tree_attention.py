"""Who sees whom in a tree of answer choices: its prompt, itself, and what leads to it; positions are depths."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers.models.mt5.modeling_mt5 import MT5Attention

from mtft.modeling.choice_trees import ChoiceTrees, begins
from mtft.modeling.packed_attention import TreeQueries
from mtft.modeling.packed_layout import Group, Integers, Layout


def rows_of(layout: Layout) -> list[Integers]:
    """For each group, the place in the batch of each of its segments, (rows,) int64."""
    rows = layout.row.cpu().numpy()
    return [rows[group.start : group.stop : group.length] for group in layout.groups]


def order_of_nodes(layout: Layout, trees: ChoiceTrees) -> Integers:
    """(nodes,) int64, where each node of the trees stands when they come group by group."""
    first = begins(trees.nodes)
    rows = np.concatenate(rows_of(layout))
    there = np.concatenate([first[row] + np.arange(trees.nodes[row]) for row in rows])
    return np.argsort(there)


def behind_prompts(
    layout: Layout, trees: ChoiceTrees, slopes: Tensor, dtype: torch.dtype
) -> tuple[TreeQueries, ...]:
    """The nodes behind BLOOM's prompts, group by group.

    A node of depth d has the position that the d-th token of a choice has when it follows the prompt alone.

    Args:
        layout: Of `ChoiceTrees.with_prompts`.
        trees: The trees.
        slopes: (heads, 1, 1) float32, ALiBi's.
        dtype: Of the bias.
    """
    members = zip(layout.groups, rows_of(layout), strict=True)
    return tuple(_behind(group, rows, trees, slopes, dtype) for group, rows in members)


def _behind(
    group: Group, rows: Integers, trees: ChoiceTrees, slopes: Tensor, dtype: torch.dtype
) -> TreeQueries:
    lasts, counts = trees.lengths[rows] - 1, trees.nodes[rows]
    most = int(counts.max())
    keys = np.tile(np.arange(group.length), (len(rows), 1))
    queries = np.zeros((len(rows), most), dtype=np.int64)
    seen = np.zeros((len(rows), most, group.length), dtype=np.bool_)
    for place, (row, last, count) in enumerate(zip(rows, lasts.tolist(), counts.tolist(), strict=True)):
        trie, inside = trees.tries[row], slice(last, last + count)
        keys[place, inside] = queries[place, :count] = last + trie.depth
        seen[place, :, : last + 1] = True
        seen[place, :count, inside] = trie.seen
    real = np.arange(most) < counts[:, None]
    slots = group.start + np.arange(len(rows))[:, None] * group.length + lasts[:, None] + np.arange(most)
    device = slopes.device
    distance = torch.from_numpy(keys[:, None, :] - queries[:, :, None]).to(device)[:, None]
    hidden = torch.from_numpy(~seen).to(device)[:, None]
    return TreeQueries(
        slots=torch.from_numpy(np.where(real, slots, group.start)).to(device),
        real=torch.from_numpy(real).to(device),
        bias=(slopes * distance).masked_fill_(hidden, -torch.inf).to(dtype),
    )


def decoder_biases(
    attention: MT5Attention, layout: Layout, trees: ChoiceTrees, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """What mT5's decoder adds to the scores among a tree's nodes, (rows, heads, nodes, nodes) for each group.

    Args:
        attention: The decoder's first self-attention, which holds the table of biases.
        layout: Of `ChoiceTrees.node_segments`.
        trees: The trees.
        dtype: Of the bias.
    """
    members = zip(layout.groups, rows_of(layout), strict=True)
    return tuple(_among(attention, group.length, rows, trees).to(dtype) for group, rows in members)


def _among(attention: MT5Attention, most: int, rows: Integers, trees: ChoiceTrees) -> Tensor:
    depths = np.zeros((len(rows), most), dtype=np.int64)
    seen = np.tile(np.eye(most, dtype=np.bool_), (len(rows), 1, 1))  # padding sees itself
    for place, row in enumerate(rows):
        trie = trees.tries[row]
        count = len(trie.token)
        depths[place, :count] = trie.depth
        seen[place, :count, :count] = trie.seen
    weight = attention.relative_attention_bias
    deepest = int(depths.max())
    # by distance: the table is looked up once for each, and not for each pair of nodes
    buckets = attention._relative_position_bucket(
        torch.arange(-deepest, 1, device=weight.weight.device),
        bidirectional=False,
        num_buckets=attention.relative_attention_num_buckets,
        max_distance=attention.relative_attention_max_distance,
    )
    by_distance: Tensor = weight(buckets).float()
    back = np.maximum(depths[:, :, None] - depths[:, None, :], 0)  # what is not seen may lie ahead
    added = by_distance[torch.from_numpy(deepest - back).to(by_distance.device)].permute(0, 3, 1, 2)
    return added.masked_fill(torch.from_numpy(~seen).to(added.device)[:, None], -torch.inf)
