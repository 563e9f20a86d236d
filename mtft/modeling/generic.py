"""The same target-only loss for any other Hugging Face model, through its logits."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtft.modeling.families import TargetBloom, TargetMT5
from mtft.modeling.head import IGNORED, TargetLoss, loss_options_of, summed
from mtft.modeling.loss_options import LossOptions


def has_own_forward(model: nn.Module) -> bool:
    """Whether the model, or the one inside its adapter, returns `TargetLoss` by itself."""
    base = getattr(model, "get_base_model", lambda: model)()
    return isinstance(base, (TargetBloom, TargetMT5))


def weighted_target_loss(model: nn.Module, batch: dict[str, Tensor], *, own_forward: bool) -> TargetLoss:
    """The target-only loss of a batch, by the model's own forward or through its logits.

    Args:
        model: Possibly wrapped by DDP, DeepSpeed or PEFT; only its forward is called.
        batch: As the collator makes it.
        own_forward: What `has_own_forward` said of the unwrapped model.
    """
    if own_forward:
        output: TargetLoss = model(**batch)
        return output
    return _through_logits(model, batch)


def _through_logits(model: nn.Module, batch: dict[str, Tensor]) -> TargetLoss:
    row_weights = batch["row_weights"]
    logits, targets, rows = target_logits(model, batch)
    losses, terms = _token_losses(logits, targets, loss_options_of(model))
    return summed((losses * row_weights.float()[rows]).sum(), terms, rows, row_weights)


def target_logits(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """What predicts each target: (targets, vocabulary) float32, the (targets,) ids, and their (targets,) rows.

    Args:
        model: Any of the library's, possibly wrapped; only its forward is called.
        batch: As the collator makes it, unpacked.
    """
    labels = batch["labels"]
    encoder_decoder = labels.shape != batch["input_ids"].shape or _is_encoder_decoder(model)
    inputs: dict[str, Any] = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    if encoder_decoder:
        inputs["labels"] = labels  # the library shifts them into decoder inputs
    logits = model(**inputs).logits
    if not encoder_decoder:
        logits, labels = logits[:, :-1], labels[:, 1:]
    rows, _ = places = torch.nonzero(labels != IGNORED, as_tuple=True)
    return logits[places].float(), labels[places], rows


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
