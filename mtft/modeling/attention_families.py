"""The attention layers of BLOOM and mT5 that also take a `SegmentMask`; with any other mask they are the library's."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.bloom.modeling_bloom import BloomAttention, BloomModel
from transformers.models.mt5.modeling_mt5 import MT5Attention

from mtft.modeling.packed_attention import SegmentMask, attend, attend_from_trees, causal_bias
from mtft.modeling.packed_layout import Layout


class SegmentBloomAttention(BloomAttention):  # type: ignore[misc]
    """BLOOM's attention, by fused kernels where the mask is a `SegmentMask`."""

    def forward(
        self,
        hidden_states: Tensor,
        residual: Tensor,
        alibi: Tensor,
        attention_mask: Tensor | SegmentMask,
        **kwargs: Any,
    ) -> Any:
        """The sublayer's output and None; else what the library returns.

        Where only nodes of trees are asked for, the output is theirs alone, (1, nodes, width): the rest of a layer goes
        position by position.

        Args:
            hidden_states: (1, slots, width), normalised.
            residual: (1, slots, width), added to the output.
            alibi: (heads, length, length) of `alibi_bias`.
            attention_mask: Who attends to whom.
            **kwargs: Passed on to the library's forward.
        """
        if not isinstance(attention_mask, SegmentMask):
            return super().forward(hidden_states, residual, alibi, attention_mask, **kwargs)
        fused = self.query_key_value(hidden_states)
        query, key, value = fused.view(-1, self.num_heads, 3, self.head_dim).unbind(2)
        heads, scale = self.num_heads, self.inv_norm_factor
        if attention_mask.only_trees:
            slots, mixed = attend_from_trees(query, key, value, attention_mask, heads=heads, scale=scale)
            residual = residual[:, slots]
        else:
            dropout = self.attention_dropout.p if self.training else 0.0
            mixed = attend(
                query, key, value, alibi, attention_mask, heads=heads, scale=scale, dropout=dropout
            )
        output = F.dropout(self.dense(mixed[None]), p=self.hidden_dropout, training=self.training)
        return residual + output, None


class SegmentMT5Attention(MT5Attention):  # type: ignore[misc]
    """mT5's attention, with memory for one group at a time where the mask is a `SegmentMask`."""

    def forward(
        self,
        hidden_states: Tensor,
        mask: Tensor | SegmentMask | None = None,
        key_value_states: Tensor | None = None,
        position_bias: Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> Any:
        """The layer's output, the bias and None; else what the library returns.

        Args:
            hidden_states: (1, slots, width), normalised.
            mask: Who attends to whom.
            key_value_states: (1, key slots, width), the encoder's output; None attends to itself.
            position_bias: (heads, length, length) of `relative_bias`; None in cross-attention.
            past_key_values: For the library.
            **kwargs: Passed on to the library's forward.
        """
        if not isinstance(mask, SegmentMask):
            return super().forward(
                hidden_states, mask, key_value_states, position_bias, past_key_values, **kwargs
            )
        source = hidden_states if key_value_states is None else key_value_states
        mixed = attend(
            self.q(hidden_states)[0],
            self.k(source)[0],
            self.v(source)[0],
            position_bias,
            mask,
            heads=self.n_heads,
            scale=self.scaling,
            dropout=self.dropout if self.training else 0.0,
        )
        return self.o(mixed[None]), position_bias, None


def adopt_attention(model: nn.Module) -> None:
    """Let the attention layers of a model take a `SegmentMask`: their class changes and nothing else."""
    for module in model.modules():
        if type(module) is BloomAttention:
            module.__class__ = SegmentBloomAttention
        elif type(module) is MT5Attention:
            module.__class__ = SegmentMT5Attention


def alibi_bias(model: BloomModel, layout: Layout, dtype: torch.dtype) -> Tensor:
    """What BLOOM adds to the scores of every segment, (heads, length, length): -slope x distance, causal.

    The library adds slope x key position, which is the same under softmax but for rounding: in bfloat16 neighbours
    far from the start get equal values. Distances are exact where they are small.

    Source: Press et al. 2022, "Train Short, Test Long", arXiv 2108.12409, section 3.
    """
    position = torch.arange(layout.longest, device=layout.token.device)
    slopes = alibi_slopes(model, layout.token.device)
    return causal_bias(slopes * (position[None, :] - position[:, None])).to(dtype)


def alibi_slopes(model: BloomModel, device: torch.device) -> Tensor:
    """What a step of distance takes from each head's scores, (heads, 1, 1) float32."""
    two = torch.ones(1, 2, dtype=torch.int64, device=device)
    slopes: Tensor = model.build_alibi_tensor(two, model.num_heads, torch.float32)[:, :, 1:2]
    return slopes


def relative_bias(attention: MT5Attention, layout: Layout) -> Tensor:
    """What mT5 adds to the scores of every segment, (heads, length, length) float32, causal in a decoder.

    Only the distances are looked up: their rows of the table are then laid side by side, shifted by one each.
    """
    length = layout.longest
    distances = torch.arange(1 - length, length, device=layout.token.device)
    buckets = attention._relative_position_bucket(
        distances,
        bidirectional=not attention.is_decoder,
        num_buckets=attention.relative_attention_num_buckets,
        max_distance=attention.relative_attention_max_distance,
    )
    by_distance = attention.relative_attention_bias(buckets).float().T
    bias = by_distance.unfold(1, length, 1).flip(1)
    return causal_bias(bias) if attention.is_decoder else bias
