"""The same target-only loss for any other Hugging Face model, through its logits."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtft.modeling.dgr import DgrBatch, pooled_penalty, token_penalty
from mtft.modeling.families import TargetBloom, TargetMT5
from mtft.modeling.head import IGNORED, TargetLoss, loss_options_of, summed
from mtft.modeling.loss_options import LossOptions


def has_own_forward(model: nn.Module) -> bool:
    """Whether the model, or the one inside its adapter, returns `TargetLoss` by itself."""
    base = getattr(model, "get_base_model", lambda: model)()
    return isinstance(base, (TargetBloom, TargetMT5))


def weighted_target_loss(model: nn.Module, batch: dict[str, Any], *, own_forward: bool) -> TargetLoss:
    """The target-only loss of a batch, by the model's own forward or through its logits.

    Args:
        model: Possibly wrapped by DDP, DeepSpeed or PEFT; only its forward is called.
        batch: As the collator makes it; with `dgr`, a `DgrBatch`, the output has a `penalty`.
        own_forward: What `has_own_forward` said of the unwrapped model.
    """
    if own_forward:
        output: TargetLoss = model(**batch)
        return output
    return _through_logits(model, batch)


class _Targets(NamedTuple):
    """A forward's output, and its target positions.

    Attributes:
        output: The library's.
        places: (targets,) int64 twice: rows, and the positions that predict.
        ids: (targets,) int64.
        encoder_decoder: Whether the encoder's output is apart.
    """

    output: Any
    places: tuple[Tensor, Tensor]
    ids: Tensor
    encoder_decoder: bool

    @property
    def logits(self) -> Tensor:
        """(targets, vocabulary) float32."""
        return self.output.logits[self.places].float()  # type: ignore[no-any-return]


def _through_logits(model: nn.Module, batch: dict[str, Any]) -> TargetLoss:
    row_weights, dgr = batch["row_weights"], batch.get("dgr")
    found = _forward(model, batch, hidden_states=dgr is not None)
    rows = found.places[0]
    options = loss_options_of(model)
    losses, terms = _token_losses(found.logits, found.ids, options)
    penalty = None if dgr is None else _penalty(dgr, found, batch)
    total = (losses * row_weights.float()[rows]).sum()
    return summed(total, terms, rows, row_weights, penalty, None if options.plain else losses)


def target_logits(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """What predicts each target: (targets, vocabulary) float32, the (targets,) ids, and their (targets,) rows.

    Args:
        model: Any of the library's, possibly wrapped; only its forward is called.
        batch: As the collator makes it, unpacked.
    """
    found = _forward(model, batch)
    return found.logits, found.ids, found.places[0]


def _forward(model: nn.Module, batch: dict[str, Any], *, hidden_states: bool = False) -> _Targets:
    labels = batch["labels"]
    encoder_decoder = labels.shape != batch["input_ids"].shape or _is_encoder_decoder(model)
    inputs: dict[str, Any] = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    if encoder_decoder:
        inputs["labels"] = labels  # the library shifts them into decoder inputs
    elif hidden_states:
        inputs["output_hidden_states"] = True
    output = model(**inputs)
    if not encoder_decoder:
        labels = labels[:, 1:]
    rows, positions = torch.nonzero(labels != IGNORED, as_tuple=True)
    return _Targets(output, (rows, positions), labels[rows, positions], encoder_decoder)


def _penalty(dgr: DgrBatch, found: _Targets, batch: dict[str, Any]) -> Tensor:
    if found.encoder_decoder:
        pooled = _row_means(found.output.encoder_last_hidden_state, batch["attention_mask"])
        return pooled_penalty(dgr, pooled, torch.arange(len(pooled)), found.ids, found.places[0])
    width = batch["input_ids"].shape[1]  # virtual tokens stand before
    hidden = found.output.hidden_states[-1][:, -width:]
    return token_penalty(dgr, hidden[found.places], found.ids, found.places[0])


def _row_means(states: Tensor, mask: Tensor) -> Tensor:
    """The mean state of each row's tokens, (rows, width) float32 or wider; virtual tokens before them do not count."""
    there = (mask != 0).unsqueeze(-1)
    kept = states[:, -mask.shape[1] :].to(torch.promote_types(states.dtype, torch.float32))
    return kept.masked_fill(~there, 0).sum(dim=1) / there.sum(dim=1).clamp(min=1)


def _token_losses(logits: Tensor, targets: Tensor, options: LossOptions) -> tuple[Tensor, Tensor]:
    """Each target's loss with the options, and its plain negative log-likelihood; (targets,) float32."""
    losses = terms = F.cross_entropy(logits, targets, reduction="none")
    if options.label_smoothing:
        losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=options.label_smoothing)
    if options.z_loss:
        losses = losses + options.z_loss * torch.logsumexp(logits, dim=1) ** 2
    return losses, terms


def _is_encoder_decoder(model: nn.Module) -> bool:
    """Asked of the innermost model: DDP and DeepSpeed hide the configuration."""
    inner: Any = model
    while hasattr(inner, "module"):
        inner = inner.module
    return bool(getattr(getattr(inner, "config", None), "is_encoder_decoder", False))
