"""Cross-entropy of a linear layer in chunks, so a vocabulary of 250,000 never meets a whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mtft.modeling.loss_options import LossOptions

# logits held at once, in numbers: 2**26 float32 are 256 MB, 268 positions of a vocabulary of 250,112
_CHUNK_NUMBERS = 2**26
# and on a CPU, whose matrix products are as fast with fewer rows: 64 MB
_CPU_CHUNK_NUMBERS = 2**24
# of these, on a CPU, what becomes a gradient at a time: a cache holds it, the whole chunk would pass by five times
_CPU_BLOCK_NUMBERS = 2**20


def chunked_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    token_weights: Tensor,
    chunk: int | None = None,
    options: LossOptions | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The weighted sum of the targets' losses, their plain -log softmax(hidden @ weight.T)[targets], and the losses.

    Only `chunk` rows of logits exist at a time. The gradient is computed in the same pass and kept (it is as
    small as `hidden` and `weight`), so logits are neither stored nor computed twice.

    Args:
        hidden: (tokens, width) of any floating dtype.
        weight: (vocabulary, width).
        targets: (tokens,) int64.
        token_weights: (tokens,) float32; not differentiated.
        chunk: Tokens at a time; None chooses by the vocabulary's size.
        options: What a token's loss is; None for the negative log-likelihood alone. Its backend is not looked at.

    Returns:
        () float32 with gradient, (tokens,) float32 without, and the like of what is summed; None where that is the
        same, as without options.

    Source: Wijmans et al. 2024, "Cut Your Losses in Large-Vocabulary Language Models", arXiv 2411.09009,
        section 3 (d loss / d logits = softmax - one-hot); here with plain matrix products. `LossOptions` has the
        options' formulas and sources.
    """
    numbers = _CPU_CHUNK_NUMBERS if weight.device.type == "cpu" else _CHUNK_NUMBERS
    size = chunk or max(64, numbers // weight.shape[0])
    if (
        not torch.is_grad_enabled()
    ):  # a function of our own is not told, and would compute the weight's gradient
        hidden, weight = hidden.detach(), weight.detach()
    arguments = (hidden, weight, targets, token_weights, size, options or LossOptions())
    total, terms, losses = _ChunkedCrossEntropy.apply(*arguments)  # type: ignore[no-untyped-call]
    return total, terms, losses


class _ChunkedCrossEntropy(torch.autograd.Function):
    """See `chunked_cross_entropy`."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        token_weights: Tensor,
        chunk: int,
        options: LossOptions,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Loss and, where wanted, the gradients for an upstream gradient of one."""
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        kept_dtype, kind = weight.dtype, weight.device.type
        if torch.is_autocast_enabled(kind):  # once, and not for each chunk
            weight = weight.to(torch.get_autocast_dtype(kind))
        terms, losses, grad_hidden, grad_weight = [], [], [], None
        for start in range(0, max(1, len(targets)), chunk):
            part = slice(start, start + chunk)
            nll, loss, delta = _through_logits(
                hidden[part],
                weight,
                targets[part],
                token_weights[part],
                options,
                wants_hidden or wants_weight,
            )
            terms.append(nll)
            losses.append(loss)
            if wants_hidden:
                grad_hidden.append(delta @ weight.to(delta.dtype))
            if wants_weight:
                grad_weight = _plus_product(grad_weight, delta.T, hidden[part].to(delta.dtype))
            del delta  # else it would stand beside the next chunk's logits
        # not `save_for_backward`: what is still kept there is copied when it becomes a parameter's gradient
        ctx.gradients = (
            torch.cat(grad_hidden).to(hidden.dtype) if grad_hidden else None,
            grad_weight.to(kept_dtype) if grad_weight is not None else None,
        )
        nll = torch.cat(terms)
        if options.plain:
            ctx.mark_non_differentiable(nll)
            return (nll * token_weights).sum(), nll, None
        whole = torch.cat(losses)
        ctx.mark_non_differentiable(nll, whole)
        return (whole * token_weights).sum(), nll, whole

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        """The kept gradients times the upstream one; they are given away, so there is no second time."""
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError("The head's gradients were given away by the first backward pass.")
        return *(_times(gradient, upstream) for gradient in gradients), *(None,) * 4


def _times(gradient: Tensor | None, upstream: Tensor) -> Tensor | None:
    """The product; where it is seen at once that the factor is 1, without a second tensor of the weight's size."""
    if gradient is None or (
        upstream.device.type == "cpu" and upstream.item() == 1
    ):  # a GPU would be waited for
        return gradient
    return gradient * upstream.to(gradient.dtype)


def _through_logits(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    token_weights: Tensor,
    options: LossOptions,
    wants_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """A chunk's negative log-likelihoods, its losses, and d losses / d logits x weight where it is wanted."""
    logits = F.linear(hidden, weight)
    count = len(targets)
    rows = max(1, _CPU_BLOCK_NUMBERS // logits.shape[1] if logits.device.type == "cpu" else count)
    found = []
    for start in range(0, max(1, count), rows):
        part = slice(start, start + rows)
        found.append(_losses(logits[part], targets[part], token_weights[part], options, wants_gradient))
    nll, losses = (torch.cat(column) for column in zip(*found, strict=True))
    return nll, losses, logits


def _losses(
    logits: Tensor, targets: Tensor, token_weights: Tensor, options: LossOptions, wants_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Negative log-likelihoods and losses of some rows, whose logits their gradient replaces where it is wanted."""
    log_probs = F.log_softmax(logits.float(), dim=-1)
    nll = -log_probs.gather(1, targets[:, None]).squeeze(1)
    log_partition = nll + logits.gather(1, targets[:, None]).squeeze(1)
    losses, smoothing = nll, options.label_smoothing
    if smoothing:
        losses = (1 - smoothing) * losses - smoothing * log_probs.mean(dim=1)
    if options.z_loss:
        losses = losses + options.z_loss * log_partition**2
    if wants_gradient:
        logits.copy_(_logits_gradient(log_probs, targets, log_partition, token_weights, options))
    return nll, losses


def _plus_product(total: Tensor | None, left: Tensor, right: Tensor) -> Tensor:
    """`total + left @ right` in float32, written over `total`."""
    if total is None:
        return (left @ right).float()
    if left.dtype == total.dtype:
        return total.addmm_(left, right)  # no second tensor of the weight's size
    return total.add_(left @ right)


def _logits_gradient(
    log_probs: Tensor, targets: Tensor, log_partition: Tensor, token_weights: Tensor, options: LossOptions
) -> Tensor:
    """The gradient by the logits x weight, written over `log_probs`; (tokens, vocabulary) float32.

    That is softmax x (1 + 2 c logZ) - (1 - e) one-hot - e / vocabulary, e and c being label smoothing and z-loss.
    """
    delta = log_probs.exp_()
    if options.z_loss:
        delta.mul_(1 + 2 * options.z_loss * log_partition[:, None])
    if options.label_smoothing:
        delta.sub_(options.label_smoothing / delta.shape[1])
    delta[torch.arange(len(targets), device=targets.device), targets] -= 1.0 - options.label_smoothing
    return delta.mul_(token_weights[:, None])
