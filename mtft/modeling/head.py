"""Cross-entropy at target positions only, in chunks, so a vocabulary of 250,000 never meets a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.utils import ModelOutput

IGNORED = -100
# logits held at once, in numbers: 2**26 float32 are 256 MB, 268 positions of a vocabulary of 250,112
_CHUNK_NUMBERS = 2**26


@dataclass
class TargetLoss(ModelOutput):  # type: ignore[misc]
    """What a forward with `row_weights` returns.

    Attributes:
        loss: () float32 with gradient; the sum over target tokens of row weight x negative log-likelihood.
        count: () int64; target tokens in rows of weight above zero.
        row_losses: float32, detached; each example's unweighted sum over its target tokens, in nats. Its shape is
            that of `row_weights`: (rows,), or (packs, segments) of packed examples.
        row_counts: int64, of that shape; each example's target tokens.
    """

    loss: Tensor | None = None
    count: Tensor | None = None
    row_losses: Tensor | None = None
    row_counts: Tensor | None = None


def chunked_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, token_weights: Tensor, chunk: int | None = None
) -> tuple[Tensor, Tensor]:
    """The weighted sum of -log softmax(hidden @ weight.T)[targets], and the unweighted terms, detached.

    Only `chunk` rows of logits exist at a time. The gradient is computed in the same pass and kept (it is as
    small as `hidden` and `weight`), so logits are neither stored nor computed twice.

    Args:
        hidden: (tokens, width) of any floating dtype.
        weight: (vocabulary, width).
        targets: (tokens,) int64.
        token_weights: (tokens,) float32; not differentiated.
        chunk: Tokens at a time; None chooses by the vocabulary's size.

    Returns:
        () float32 with gradient, and (tokens,) float32 without.

    Source: Wijmans et al. 2024, "Cut Your Losses in Large-Vocabulary Language Models", arXiv 2411.09009,
        section 3 (d loss / d logits = softmax - one-hot); here with plain matrix products.
    """
    size = chunk or max(64, _CHUNK_NUMBERS // weight.shape[0])
    total, terms = _ChunkedCrossEntropy.apply(hidden, weight, targets, token_weights, size)  # type: ignore[no-untyped-call]
    return total, terms


class _ChunkedCrossEntropy(torch.autograd.Function):
    """See `chunked_cross_entropy`."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, token_weights: Tensor, chunk: int
    ) -> tuple[Tensor, Tensor]:
        """Loss and, where wanted, the gradients for an upstream gradient of one."""
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        terms, grad_hidden, grad_weight = [], [], None
        for start in range(0, max(1, len(targets)), chunk):
            part = slice(start, start + chunk)
            logits = F.linear(hidden[part], weight)
            log_probs = F.log_softmax(logits.float(), dim=-1)
            terms.append(-log_probs.gather(1, targets[part, None]).squeeze(1))
            if not (wants_hidden or wants_weight):
                continue
            delta = _logits_gradient(log_probs, targets[part], token_weights[part]).to(logits.dtype)
            if wants_hidden:
                grad_hidden.append(delta @ weight.to(delta.dtype))
            if wants_weight:
                product = (delta.T @ hidden[part].to(delta.dtype)).float()
                grad_weight = product if grad_weight is None else grad_weight.add_(product)
        nll = torch.cat(terms)
        ctx.save_for_backward(
            torch.cat(grad_hidden).to(hidden.dtype) if grad_hidden else None,
            grad_weight.to(weight.dtype) if grad_weight is not None else None,
        )
        ctx.mark_non_differentiable(nll)
        return (nll * token_weights).sum(), nll

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients times the upstream one."""
        grad_hidden, grad_weight = ctx.saved_tensors
        return (
            None if grad_hidden is None else grad_hidden * upstream.to(grad_hidden.dtype),
            None if grad_weight is None else grad_weight * upstream.to(grad_weight.dtype),
            None,
            None,
            None,
        )


def _logits_gradient(log_probs: Tensor, targets: Tensor, token_weights: Tensor) -> Tensor:
    """(softmax - one-hot) x weight, written over `log_probs`; (tokens, vocabulary) float32."""
    delta = log_probs.exp_()
    delta[torch.arange(len(targets), device=targets.device), targets] -= 1.0
    return delta.mul_(token_weights[:, None])


class TargetHead(nn.Linear):
    """An output layer that can also return the loss; its parameter is the layer's own.

    The loss is computed inside the head's forward because DeepSpeed ZeRO-3 and FSDP gather a partitioned
    weight on entry to the module that owns it.
    """

    def forward(
        self, hidden: Tensor, targets: Tensor | None = None, token_weights: Tensor | None = None
    ) -> Any:
        """Logits; with targets and weights, `chunked_cross_entropy`'s pair."""
        if targets is None or token_weights is None:
            return super().forward(hidden)
        return chunked_cross_entropy(hidden, self.weight, targets, token_weights)


def adopt_head(layer: nn.Linear) -> None:
    """Let an output layer without bias compute the loss as well.

    Its class changes and nothing else: a new module would lose the tie to the embeddings, and under
    ZeRO-3 the partitioned weight.
    """
    layer.__class__ = TargetHead


def target_loss(
    head: nn.Module, hidden: Tensor, targets: Tensor, rows: Tensor, row_weights: Tensor
) -> TargetLoss:
    """The loss of the positions that have a target; the head never sees the others.

    Args:
        head: A `TargetHead`, possibly wrapped.
        hidden: (targets, width), what predicts each target.
        targets: (targets,) int64.
        rows: (targets,) int64, the place of each target's example in the flattened `row_weights`.
        row_weights: (rows,) float32, or (packs, segments) of packed examples.
    """
    total, terms = head(hidden, targets, row_weights.float().flatten()[rows])
    return summed(total, terms, rows, row_weights)


def summed(total: Tensor, terms: Tensor, rows: Tensor, row_weights: Tensor) -> TargetLoss:
    """The token terms added up by example; `rows` is each term's place in the flattened `row_weights`."""
    empty = torch.zeros(row_weights.numel(), device=terms.device)
    row_counts = torch.bincount(rows, minlength=row_weights.numel()).view(row_weights.shape)
    return TargetLoss(
        loss=total,
        count=row_counts[row_weights > 0].sum(),
        row_losses=empty.index_add(0, rows, terms.detach().float()).view(row_weights.shape),
        row_counts=row_counts,
    )
