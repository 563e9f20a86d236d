"""How many weights an adapter trains, from the model's shape alone."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from mtft.training.adapters import AdapterSettings, add_adapter


def trained_parameters(model: PreTrainedModel, settings: AdapterSettings) -> int | None:
    """The weights that train; None for all.

    Args:
        model: On the meta device (`mtft.modeling.shape.meta_model`); the adapter is put on it.
        settings: Of the adapter.

    Raises:
        ConfigError: There is nothing in the model that this kind could train.
    """
    if settings.peft == "none":
        return None
    if settings.peft == "prompt_tuning":  # begins at embeddings of the vocabulary, which have no numbers here
        return settings.virtual_tokens * int(model.config.hidden_size)
    with torch.device("meta"):
        adapted = add_adapter(model, settings)
    counts: list[int] = [weight.numel() for weight in adapted.parameters() if weight.requires_grad]
    return sum(counts)
