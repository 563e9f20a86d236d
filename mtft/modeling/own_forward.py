"""A model of the library as one of ours, with the very same weights."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn
from transformers import BloomForCausalLM, MT5ForConditionalGeneration

from mtft.modeling.families import TargetBloom, TargetMT5

_OURS: dict[type, type] = {BloomForCausalLM: TargetBloom, MT5ForConditionalGeneration: TargetMT5}


def with_trees(model: Any) -> Any | None:
    """The model if its forward takes `trees`, else one that does and shares its weights, or None if there is none.

    The twin of a model of the library has modules of its own around the same parameters and buffers, so that what
    the caller holds stays as it was; what trains later in one is trained in both.

    Args:
        model: Of the library or ours, with or without an adapter in its layers; not wrapped.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if len(set(getattr(base, "hf_device_map", {}).values())) > 1:
        return None  # masks are made on one device
    if isinstance(base, (TargetBloom, TargetMT5)):
        return model
    if type(base) not in _OURS or any("forward" in vars(module) for module in model.modules()):
        return None  # what Accelerate puts in a forward's place calls the one that it found there
    twin: Any = _twin(model)
    inside = twin.get_base_model() if hasattr(twin, "get_base_model") else twin
    inside.__class__ = _OURS[type(base)]
    inside.adopt()
    return twin


def _twin(model: nn.Module) -> nn.Module:
    """A copy of the modules, with the parameters and buffers themselves."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)
