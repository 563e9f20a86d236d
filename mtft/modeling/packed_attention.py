"""Attention within segments: from queries, keys and values in slots to their mixtures, group by group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mtft.modeling.packed_layout import Group, Layout


@dataclass(frozen=True)
class TreeQueries:
    """Nodes of the trees of choices behind a group's prompts, whose keys are not simply those before them.

    Attributes:
        slots: (rows, nodes) int64, each node's slot, the roots' first: a prompt's last one. Padding repeats any.
        real: (rows, nodes) bool, False on padding.
        bias: (rows, heads, nodes, length), what is added to their scores, -inf where nothing is seen.
    """

    slots: Tensor
    real: Tensor
    bias: Tensor

    def without_roots(self) -> TreeQueries | None:
        """The nodes that are not in their prompts; None where there are none."""
        if self.slots.shape[1] == 1:
            return None
        return TreeQueries(self.slots[:, 1:], self.real[:, 1:], self.bias[:, :, 1:])


@dataclass(frozen=True)
class SegmentMask:
    """What stands where a layer expects its mask: who attends to whom.

    Attributes:
        queries: Where the queries are.
        keys: Where the keys are: the same groups and rows.
        causal: Whether the bias hides later keys; padding, being later, is then hidden as well.
        biases: For each group (rows, heads, queries, keys), in the place of a bias that is common to all; empty
            where there is one. It hides padding, too.
        trees: For each group its nodes of trees, or None where it has none besides the roots; may be empty.
        only_trees: Whether nobody asks for other positions than those of `trees`.
    """

    queries: Layout
    keys: Layout
    causal: bool
    biases: tuple[Tensor, ...] = ()
    trees: tuple[TreeQueries | None, ...] = ()
    only_trees: bool = False


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    mask: SegmentMask,
    *,
    heads: int,
    scale: float,
    dropout: float = 0.0,
) -> Tensor:
    """The attention of every segment's queries to the same segment's keys, (query slots, heads x width).

    A bias that needs a gradient takes a path of its own: the fused kernels cannot give one on every device,
    and without them all attention weights would be kept for the backward pass.

    Args:
        query: (query slots, heads x width), or (query slots, heads, width) where the bias needs no gradient.
        key: (key slots, heads x width), or as the query.
        value: As `key`.
        bias: (heads, queries, keys) float32 for the longest segment, added to the scores, -inf where nothing is
            seen; a shorter segment takes its upper left corner. None adds nothing.
        mask: Who attends to whom.
        heads: Attention heads.
        scale: What scores are multiplied by.
        dropout: Probability of dropping an attention weight.
    """
    if bias is not None and bias.requires_grad:
        mixed: Tensor = _BiasedAttention.apply(  # type: ignore[no-untyped-call]
            query, key, value, bias, _Scores(mask, heads, scale, dropout)
        )
        return mixed
    near, far = mask.queries.groups, mask.keys.groups
    parts = zip(
        torch.split(query, [group.rows * group.length for group in near]),
        torch.split(key, [group.rows * group.length for group in far]),
        torch.split(value, [group.rows * group.length for group in far]),
        range(len(near)),
        strict=True,
    )
    mixed_parts = [
        F.scaled_dot_product_attention(
            _by_head(q, near[index], heads),
            _by_head(k, far[index], heads),
            _by_head(v, far[index], heads),
            attn_mask=_added(bias, mask, index, q.dtype),
            dropout_p=dropout,
            scale=scale,
        ).transpose(1, 2)
        for q, k, v, index in parts
    ]
    mixed = torch.cat([part.reshape(-1, part.shape[2] * part.shape[3]) for part in mixed_parts])
    for group, tree in zip(far, mask.trees, strict=False):
        if tree is not None:
            mixed[tree.slots[tree.real]] = _tree_mixtures(query, key, value, group, tree, heads, scale)
    return mixed


def attend_from_trees(
    query: Tensor, key: Tensor, value: Tensor, mask: SegmentMask, *, heads: int, scale: float
) -> tuple[Tensor, Tensor]:
    """The slots of all nodes of `mask.trees`, (nodes,), and their mixtures as of `attend`, group by group.

    Args:
        query: As for `attend`.
        key: As for `attend`.
        value: As for `attend`.
        mask: Who attends to whom.
        heads: Attention heads.
        scale: What scores are multiplied by.
    """
    trees = [
        (group, tree) for group, tree in zip(mask.keys.groups, mask.trees, strict=True) if tree is not None
    ]
    mixed = [_tree_mixtures(query, key, value, group, tree, heads, scale) for group, tree in trees]
    return torch.cat([tree.slots[tree.real] for _, tree in trees]), torch.cat(mixed)


def _tree_mixtures(
    query: Tensor, key: Tensor, value: Tensor, group: Group, tree: TreeQueries, heads: int, scale: float
) -> Tensor:
    """The mixtures of a group's nodes, (nodes, heads x width)."""
    rows, nodes = tree.slots.shape
    found = F.scaled_dot_product_attention(
        query[tree.slots].view(rows, nodes, heads, -1).transpose(1, 2),
        _by_head(key[group.start : group.stop], group, heads),
        _by_head(value[group.start : group.stop], group, heads),
        attn_mask=tree.bias.to(query.dtype),
        scale=scale,
    )
    return found.transpose(1, 2).reshape(rows, nodes, -1)[tree.real]


def causal_bias(bias: Tensor) -> Tensor:
    """The bias, (heads, length, length), with -inf where the key comes after the query."""
    length = bias.shape[-1]
    later = torch.ones(length, length, dtype=torch.bool, device=bias.device).triu_(1)
    return bias.masked_fill(later, -torch.inf)


def _by_head(slots: Tensor, group: Group, heads: int) -> Tensor:
    """(rows, heads, length, width), a view of a group's (rows x length, heads x width) or (…, heads, width)."""
    return slots.view(group.rows, group.length, heads, -1).transpose(1, 2)


def _added(bias: Tensor | None, mask: SegmentMask, index: int, dtype: torch.dtype) -> Tensor | None:
    """What is added to the scores of a group: the bias, and -inf on padding where the bias does not hide it."""
    if mask.biases:
        return mask.biases[index].to(dtype)
    near, far = mask.queries.groups[index], mask.keys.groups[index]
    added = None if bias is None else bias[None, :, : near.length, : far.length]
    if not (far.full or mask.causal):
        padding = mask.keys.key_mask[far.start : far.stop].view(far.rows, 1, 1, far.length)
        added = padding if added is None else added + padding
    return None if added is None else added.to(dtype)


class _Scores:
    """The attention weights of one call, the same each time they are computed.

    Args:
        mask: Who attends to whom.
        heads: Attention heads.
        scale: What scores are multiplied by.
        dropout: Probability of dropping a weight.
    """

    def __init__(self, mask: SegmentMask, heads: int, scale: float, dropout: float) -> None:
        self.mask, self.heads, self.scale, self.dropout = mask, heads, scale, dropout
        # drawn from torch's own generator: gradient checkpointing and resumed runs draw the same again
        self._seed = int(torch.randint(2**62, ()).item()) if dropout else 0

    def generator(self, device: torch.device) -> torch.Generator:
        """Where dropout draws from, at its beginning."""
        return torch.Generator(device).manual_seed(self._seed)

    def near(self, slots: Tensor, index: int) -> Tensor:
        """A group's part of what has a row per query slot, (rows, heads, length, width)."""
        group = self.mask.queries.groups[index]
        return _by_head(slots[group.start : group.stop], group, self.heads)

    def far(self, slots: Tensor, index: int) -> Tensor:
        """A group's part of what has a row per key slot, (rows, heads, length, width)."""
        group = self.mask.keys.groups[index]
        return _by_head(slots[group.start : group.stop], group, self.heads)

    def weights(self, query: Tensor, key: Tensor, bias: Tensor, index: int) -> Tensor:
        """(rows, heads, queries, keys) float32, adding up to 1 over keys."""
        scores = (self.near(query, index) @ self.far(key, index).transpose(2, 3)).float()
        added = _added(bias, self.mask, index, torch.float32)
        return scores.mul_(self.scale).add_(added).softmax(dim=-1)  # type: ignore[arg-type]

    def kept(self, weights: Tensor, generator: torch.Generator) -> Tensor | None:
        """What dropout multiplies the weights by; None without dropout."""
        if not self.dropout:
            return None
        draws = torch.empty_like(weights).bernoulli_(1 - self.dropout, generator=generator)
        return draws.div_(1 - self.dropout)


class _BiasedAttention(torch.autograd.Function):
    """`attend` with a gradient for the bias: weights are not kept, but computed again in the backward pass.

    Source: Rabe and Staats 2021, "Self-attention Does Not Need O(n^2) Memory", arXiv 2112.05682, section 3.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scores: _Scores) -> Tensor:
        """(query slots, heads x width)."""
        ctx.save_for_backward(query, key, value, bias)
        ctx.scores = scores
        output = torch.empty_like(query)
        generator = scores.generator(query.device)
        for index in range(len(scores.mask.queries.groups)):
            weights = scores.weights(query, key, bias, index)
            kept = scores.kept(weights, generator)
            weights = weights if kept is None else weights.mul_(kept)
            scores.near(output, index).copy_(weights.to(value.dtype) @ scores.far(value, index))
        return output

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of query, key, value and bias."""
        query, key, value, bias = ctx.saved_tensors
        scores: _Scores = ctx.scores
        upstream = upstream.contiguous()
        grad_query, grad_key, grad_value = map(torch.empty_like, (query, key, value))
        grad_bias = torch.zeros_like(bias)
        generator = scores.generator(query.device)
        for index in range(len(scores.mask.queries.groups)):
            weights = scores.weights(query, key, bias, index)
            kept = scores.kept(weights, generator)
            dropped = (weights if kept is None else weights * kept).to(value.dtype)
            above = scores.near(upstream, index)
            scores.far(grad_value, index).copy_(dropped.transpose(2, 3) @ above)
            delta = (above @ scores.far(value, index).transpose(2, 3)).float()
            delta = delta if kept is None else delta.mul_(kept)
            delta = torch._softmax_backward_data(delta, weights, -1, torch.float32)
            grad_bias[:, : delta.shape[2], : delta.shape[3]] += delta.sum(dim=0)
            delta = delta.mul_(scores.scale).to(query.dtype)
            scores.near(grad_query, index).copy_(delta @ scores.far(key, index))
            scores.far(grad_key, index).copy_(delta.transpose(2, 3) @ scores.near(query, index))
        return grad_query, grad_key, grad_value, grad_bias, None
