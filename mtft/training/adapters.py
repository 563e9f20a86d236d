"""LoRA through one setting."""

from __future__ import annotations

from typing import Any

from peft import LoraConfig, TaskType, get_peft_model
from transformers import PreTrainedModel

# the projections that the papers adapt; any other family adapts all its linear layers
_TARGET_MODULES: dict[str, list[str]] = {"bloom": ["query_key_value"], "mt5": ["q", "v"]}


def add_adapter(model: PreTrainedModel, kind: str, *, rank: int, alpha: int, dropout: float) -> Any:
    """The model with a trainable adapter on frozen weights; with kind `none` the model itself.

    Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685,
        section 4.2 (query and value projections).
    """
    if kind == "none":
        return model
    seq2seq = bool(model.config.is_encoder_decoder)
    config = LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM if seq2seq else TaskType.CAUSAL_LM,
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=_TARGET_MODULES.get(model.config.model_type, "all-linear"),
    )
    return get_peft_model(model, config)
