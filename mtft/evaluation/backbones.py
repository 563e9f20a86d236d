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


def has_virtual_tokens(model: Any) -> bool:
    """Whether an adapter puts trained tokens before the prompt."""
    adapters = getattr(unwrapped(model), "peft_config", None) or {}
    return any(getattr(a, "is_prompt_learning", False) for a in adapters.values())


def is_partitioned(model: Any) -> bool:
    """Whether ZeRO-3 divided the weights among processes: every forward then is a collective one."""
    return any(hasattr(parameter, "ds_id") for parameter in unwrapped(model).parameters())


def is_dispatched(model: Any) -> bool:
    """Whether a `device_map` spread the weights over several devices, or off them."""
    places = set((getattr(parts_of(model), "hf_device_map", None) or {}).values())
    return len(places) > 1 or "disk" in places


def has_fast_path(model: Any) -> bool:
    """Whether the parts of BLOOM and mT5 can be called one by one.

    No virtual tokens stand before the prompt then, and weights that are not at hand are not brought in.
    """
    return _is_known(model) and not is_partitioned(model)


def _is_known(model: Any) -> bool:
    """Whether the model is BLOOM or mT5 on one device, without virtual tokens."""
    if has_virtual_tokens(model) or is_dispatched(model):
        return False
    return getattr(unwrapped(model).config, "model_type", None) in FAST_FAMILIES


def tree_model(model: Any) -> Any | None:
    """The model, not wrapped, whose forward scores trees of choices with these weights; None where there is none.

    Weights may be partitioned: it is called whole, and each module it calls gathers its own.
    """
    return with_trees(unwrapped(model)) if _is_known(model) else None


def is_encoder_decoder(model: Any) -> bool:
    """Whether the model has an encoder."""
    return bool(getattr(unwrapped(model).config, "is_encoder_decoder", False))


def device_of(model: Any) -> torch.device:
    """Where the model takes its inputs: with its parameters, or where `device_map` runs it."""
    hook = getattr(parts_of(model), "_hf_hook", None)
    chosen = getattr(hook, "execution_device", None)
    if chosen is not None:
        return torch.device(chosen)
    device: torch.device = next(iter(unwrapped(model).parameters())).device
    return device


# What the order of additions may change, in nats: float32 keeps 24 bits, bfloat16 8, float16 11.
_ROUNDING = {torch.float32: 1e-3, torch.float64: 1e-6}
_LOOSE = 0.25


def rounding(model: Any) -> float:
    """How far two ways to compute a log-likelihood may lie apart in the model's precision, in nats."""
    inner = unwrapped(model)
    if getattr(inner, "is_quantized", False) or getattr(parts_of(model), "is_quantized", False):
        return _LOOSE
    return _ROUNDING.get(next(iter(inner.parameters())).dtype, _LOOSE)


def input_ids_known(model: Any) -> int | None:
    """How many ids the model has embeddings for; None where its layer does not say."""
    layer = parts_of(model).get_input_embeddings()
    number = getattr(layer, "num_embeddings", None)
    return None if number is None else int(number)


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
