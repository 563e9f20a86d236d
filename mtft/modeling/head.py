"""The output layer that computes the loss of target positions itself, and never sees another position."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from mtft.errors import ConfigError
from mtft.modeling.log_probs import edge_log_probs
from mtft.modeling.loss_backends import head_loss, require_backend
from mtft.modeling.loss_options import LossOptions

IGNORED = -100
_STATES = 32  # whose logits stand at once where a head is not ours


@dataclass
class TargetLoss(ModelOutput):  # type: ignore[misc]
    """What a forward with `row_weights` returns.

    Attributes:
        loss: () float32 with gradient; the sum over target tokens of row weight x loss, which is the negative
            log-likelihood and what `LossOptions` adds to it.
        count: () int64; target tokens in rows of weight above zero.
        row_losses: float32, detached; each example's unweighted sum over its target tokens of the negative
            log-likelihood alone, in nats. Its shape is that of `row_weights`: (rows,), or (packs, segments) of
            packed examples.
        row_objectives: float32, detached, of that shape; the same sums of the loss that is minimised. None where
            they are `row_losses`: without label smoothing and z-loss.
        row_counts: int64, of that shape; each example's target tokens.
        penalty: () float32 with gradient, where the forward was given `dgr`: see `mtft.modeling.dgr`. Not in `loss`.
    """

    loss: Tensor | None = None
    count: Tensor | None = None
    row_losses: Tensor | None = None
    row_counts: Tensor | None = None
    row_objectives: Tensor | None = None
    penalty: Tensor | None = None


class TargetHead(nn.Linear):
    """An output layer that can also return the loss or log-probabilities; its parameter is the layer's own.

    They are computed inside the head's forward because DeepSpeed ZeRO-3 and FSDP gather a partitioned
    weight on entry to the module that owns it.

    Attributes:
        loss_options: What the loss is and what computes it; see `set_loss_options`.
    """

    loss_options: LossOptions = LossOptions()

    def forward(
        self,
        hidden: Tensor,
        targets: Tensor | None = None,
        token_weights: Tensor | None = None,
        weight: Tensor | None = None,
        edges: tuple[Tensor, Tensor] | None = None,
    ) -> Any:
        """Logits; with targets and weights, what `chunked_cross_entropy` returns, also by the weight's other name.

        With edges, the `edge_log_probs` of their nodes and tokens.
        """
        if edges is not None:
            return edge_log_probs(hidden, self.weight, *edges)
        if targets is None or token_weights is None:
            return super().forward(hidden)
        weight = self.weight if weight is None else weight
        return head_loss(hidden, weight, targets, token_weights, self.loss_options)


def adopt_head(layer: nn.Linear) -> None:
    """Let an output layer without bias compute the loss as well.

    Its class changes and nothing else: a new module would lose the tie to the embeddings, and under
    ZeRO-3 the partitioned weight.
    """
    layer.__class__ = TargetHead


def set_loss_options(model: nn.Module, options: LossOptions) -> None:
    """From now on the model's loss is what the options say; they are not saved with the model.

    Args:
        model: With or without an adapter, in any wrapper. Every `TargetHead` in it takes the options, also a trained
            copy beside an adapter; a model of another family keeps them for `weighted_target_loss`.
        options: What the loss is, and the backend.

    Raises:
        MtftError: The backend's package or a GPU is missing, or the model's head cannot use a backend.
    """
    require_backend(options.backend)
    heads: list[Any] = [module for module in model.modules() if isinstance(module, TargetHead)]
    if not heads and options.backend != "chunked":
        raise ConfigError(
            f"The loss backend `{options.backend}` needs a model whose head computes the loss: BLOOM or mT5.",
            found=type(model).__name__,
            remedy="Use the backend `chunked`.",
        )
    for place in heads or [_without_adapter(model)]:
        place.loss_options = options


def loss_options_of(model: nn.Module) -> LossOptions:
    """The options that `set_loss_options` gave the model, possibly wrapped since; else the defaults."""
    found = (vars(module).get("loss_options") for module in model.modules())
    return next((options for options in found if isinstance(options, LossOptions)), LossOptions())


def _without_adapter(model: nn.Module) -> Any:
    return getattr(model, "get_base_model", lambda: model)()


def target_loss(
    head: nn.Module,
    hidden: Tensor,
    targets: Tensor,
    rows: Tensor,
    row_weights: Tensor,
    weight: Tensor | None = None,
    penalty: Tensor | None = None,
) -> TargetLoss:
    """The loss of the positions that have a target; the head never sees the others.

    Args:
        head: A `TargetHead`, possibly wrapped.
        hidden: (targets, width), what predicts each target.
        targets: (targets,) int64.
        rows: (targets,) int64, the place of each target's example in the flattened `row_weights`.
        row_weights: (rows,) float32, or (packs, segments) of packed examples.
        weight: (vocabulary, width), as `look_up` returned it.
        penalty: See `TargetLoss`.
    """
    named = {} if weight is None else {"weight": weight}
    total, terms, losses = head(hidden, targets, row_weights.float().flatten()[rows], **named)
    return summed(total, terms, rows, row_weights, penalty, losses)


def log_probs_of(head: nn.Module, hidden: Tensor, nodes: Tensor, tokens: Tensor) -> Tensor:
    """What `edge_log_probs` returns, by any output layer; one that is not a `TargetHead` makes whole logits.

    Args:
        head: The output layer, possibly wrapped or quantised.
        hidden: (states, width).
        nodes: (edges,) int64, the state that predicts.
        tokens: (edges,) int64, what it predicts.
    """
    if isinstance(head, TargetHead):
        return head(hidden, edges=(nodes, tokens))  # type: ignore[no-any-return]
    order = nodes.argsort()
    found = torch.empty(len(nodes), device=hidden.device)
    bounds = torch.arange(0, len(hidden) + _STATES, _STATES, device=nodes.device)
    parts = torch.searchsorted(nodes[order], bounds).tolist()
    for number, (first, last) in enumerate(pairwise(parts)):
        here, start = order[first:last], number * _STATES
        logits = head(hidden[start : start + _STATES]).float()
        found[here] = logits.log_softmax(dim=-1)[nodes[here] - start, tokens[here]]
    return found


def summed(
    total: Tensor,
    terms: Tensor,
    rows: Tensor,
    row_weights: Tensor,
    penalty: Tensor | None = None,
    losses: Tensor | None = None,
) -> TargetLoss:
    """The token terms, and the losses where they differ, added up by example.

    `rows` is each term's place in the flattened `row_weights`.
    """
    empty = torch.zeros(row_weights.numel(), device=terms.device)

    def by_row(values: Tensor) -> Tensor:
        return empty.index_add(0, rows, values.detach().float()).view(row_weights.shape)

    row_counts = torch.bincount(rows, minlength=row_weights.numel()).view(row_weights.shape)
    return TargetLoss(
        loss=total,
        count=row_counts[row_weights > 0].sum(),
        row_losses=by_row(terms),
        row_counts=row_counts,
        row_objectives=None if losses is None else by_row(losses),
        penalty=penalty,
    )
