"""The parts of a model that scoring calls one by one: encoder, decoder, head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from mtft.modeling import with_trees

FAST_FAMILIES = {"bloom", "mt5"}


def unwrapped(model: Any) -> Any:
    """The model inside DDP or DeepSpeed; an adapter stays on."""
    while hasattr(model, "module") and isinstance(model, nn.Module):
        model = model.module
    return model


def parts_of(model: Any) -> Any:
    """The transformers model whose parts can be called; adapters that live in its layers stay active."""
    inner = unwrapped(model)
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner


def has_fast_path(model: Any) -> bool:
    """Whether prompts can be shared among choices: BLOOM and mT5, unless an adapter prepends virtual
    tokens.
    """
    inner = unwrapped(model)
    adapters = getattr(inner, "peft_config", None) or {}
    if any(getattr(a, "is_prompt_learning", False) for a in adapters.values()):
        return False
    return getattr(inner.config, "model_type", None) in FAST_FAMILIES


def tree_model(model: Any) -> Any | None:
    """The model, not wrapped, whose forward scores trees of choices with these weights; None where there is none."""
    return with_trees(unwrapped(model)) if has_fast_path(model) else None


def is_encoder_decoder(model: Any) -> bool:
    """Whether the model has an encoder."""
    return bool(getattr(unwrapped(model).config, "is_encoder_decoder", False))


def device_of(model: Any) -> torch.device:
    """Where the model's parameters are."""
    device: torch.device = next(iter(unwrapped(model).parameters())).device
    return device


def start_token(model: Any) -> int:
    """The id with which a decoder begins."""
    config = unwrapped(model).config
    start = getattr(config, "decoder_start_token_id", None)
    return int(config.pad_token_id if start is None else start)


@contextmanager
def scoring_mode(model: Any) -> Iterator[None]:
    """No gradients, no dropout; the model's mode is put back afterwards."""
    inner, training = unwrapped(model), unwrapped(model).training
    inner.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        inner.train(training)
