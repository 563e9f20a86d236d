"""Embeddings that share their weight with the output layer: one gradient of the vocabulary's size for both."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtft.modeling.head import TargetHead


def look_up(embeddings: nn.Module, head: nn.Module, ids: Tensor) -> tuple[Tensor, Tensor | None]:
    """The embedded ids, and the weight that the head is to compute its loss with; None for its own.

    Left to itself, autograd makes a gradient as large as the vocabulary for the embeddings, nearly all zeros, and adds
    it to the head's: with 250,000 words, a third of a step on a CPU. Through the weight returned here, the few
    rows that were looked up are added to the head's gradient.

    Args:
        embeddings: The embeddings.
        head: The output layer, which may share their weight.
        ids: (tokens,) int64.

    Returns:
        (tokens, width), and (vocabulary, width) where the two share a weight that trains and lies here whole.
    """
    if torch.is_grad_enabled() and _share(embeddings, head):
        embedded, weight = _LookUp.apply(embeddings.weight, ids)  # type: ignore[no-untyped-call]
        return embedded, weight
    return embeddings(ids), None


def _share(embeddings: nn.Module, head: nn.Module) -> bool:
    if not (type(embeddings) is nn.Embedding and type(head) is TargetHead):
        return False
    weight, plain = embeddings.weight, embeddings.padding_idx is None and not embeddings.sparse
    # ZeRO-3 gathers a partitioned weight when its own module is called, and frees it afterwards
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in (embeddings, head))
    return plain and weight is head.weight and weight.requires_grad and not hooked


class _LookUp(torch.autograd.Function):
    """See `look_up`."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The looked-up rows, and the weight under another name."""
        ctx.save_for_backward(ids)
        return F.embedding(ids, weight), weight.view_as(weight)

    @staticmethod
    def backward(ctx: Any, of_rows: Tensor, of_weight: Tensor) -> tuple[Tensor, None]:
        """The head's gradient, which is nobody else's, with the rows' added to it."""
        ids, place = ctx.saved_tensors[0].unique(return_inverse=True)
        summed = torch.zeros(len(ids), of_rows.shape[1], dtype=torch.float32, device=of_rows.device)
        summed.index_add_(0, place, of_rows.float())
        return of_weight.index_add_(0, ids, summed.to(of_weight.dtype)), None
