"""Training a few weights instead of all: LoRA, IA3, prompt tuning and BitFit through one setting."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from peft import IA3Config, LoraConfig, PeftConfig, PromptTuningConfig, TaskType, get_peft_model
from peft.utils import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
from transformers import PreTrainedModel

from mtft.errors import ConfigError
from mtft.modeling.prompt_tuning import prompt_tuned
from mtft.modeling.quantization import QUANTIZATIONS
from mtft.training.guards import check_choice

logger = logging.getLogger(__name__)

ADAPTERS = ("none", "lora", "ia3", "prompt_tuning", "bitfit")
# those whose own weights lie beside the model's, which may then be quantised
_BESIDE = ("lora", "ia3", "prompt_tuning")
# the projections that the papers adapt; any other family adapts all its linear layers
_LORA_MODULES: dict[str, list[str]] = {"bloom": ["query_key_value"], "mt5": ["q", "v"]}


@dataclass
class AdapterSettings:
    """What trains: all weights, a few of the model's own, or an adapter beside frozen ones."""

    peft: str = field(
        default="none",
        metadata={
            "help": "What trains instead of all weights: `lora`, `ia3`, `prompt_tuning`, or `bitfit` (biases)."
        },
    )
    lora_rank: int = field(default=8, metadata={"help": "Rank of LoRA's matrices."})
    lora_alpha: int = field(default=16, metadata={"help": "LoRA's scale, divided by the rank."})
    lora_dropout: float = field(default=0.0, metadata={"help": "Dropout before LoRA's matrices."})
    virtual_tokens: int = field(
        default=20, metadata={"help": "Trained tokens that prompt tuning puts before each prompt."}
    )
    quantization: str = field(
        default="none",
        metadata={"help": "Frozen weights in `4bit` or `8bit` under an adapter (extra `quantization`)."},
    )

    def check_adapter(self) -> None:
        """Refuse values that cannot work.

        Raises:
            ConfigError: A value is unknown or out of range, or two do not go together.
        """
        check_choice("peft", self.peft, ADAPTERS)
        check_choice("quantization", self.quantization, QUANTIZATIONS)
        for name in ("lora_rank", "virtual_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1.", found=getattr(self, name))
        if not 0 <= self.lora_dropout < 1:
            raise ConfigError("`lora_dropout` must be at least 0 and below 1.", found=self.lora_dropout)
        if self.quantization != "none" and self.peft not in _BESIDE:
            raise ConfigError(
                "Quantised weights cannot train: there must be an adapter beside them.",
                found=f"`quantization: {self.quantization}` with `peft: {self.peft}`",
                remedy=f"Choose `peft` among {', '.join(_BESIDE)}.",
            )

    @property
    def adapter_identity(self) -> str:
        """What a resumed run must share: the kind and what shapes its weights."""
        shapes = {
            "lora": f" of rank {self.lora_rank}, alpha {self.lora_alpha}",
            "prompt_tuning": f" of {self.virtual_tokens} tokens",
        }
        base = "" if self.quantization == "none" else f" on {self.quantization} weights"
        return f"{self.peft}{shapes.get(self.peft, '')}{base}"


def add_adapter(model: PreTrainedModel, settings: AdapterSettings) -> Any:
    """The model with what the settings name trainable and all else frozen; with `none` the model itself.

    Args:
        model: A plain model; its weights are frozen in place.
        settings: Checked.

    Raises:
        ConfigError: The model has an adapter already, or nothing that this kind could train.

    Source: LoRA on query and value projections: Hu et al. 2022, arXiv 2106.09685, section 4.2. IA3, scales of keys,
        values and feed-forward activations: Liu et al. 2022, arXiv 2205.05638, section 3.3. Prompt tuning, begun at
        embeddings of the vocabulary: Lester et al. 2021, arXiv 2104.08691, section 2.1. BitFit: Ben Zaken et al. 2022,
        arXiv 2106.10199, section 3.
    """
    if hasattr(model, "peft_config"):
        raise ConfigError(
            "Training must begin with a plain model.",
            found="an adapter",
            where=model.config.name_or_path or None,
            remedy="Merge it into its base first: `mtft model merge ADAPTER OUTPUT`.",
        )
    if settings.peft == "none":
        return model
    adapted = _only_biases(model) if settings.peft == "bitfit" else _with_peft(model, settings)
    trained = sum(getattr(p, "ds_numel", p.numel()) for p in adapted.parameters() if p.requires_grad)
    logger.info("%s: %s weights train, all others are frozen.", settings.adapter_identity, f"{trained:,}")
    return adapted


def _only_biases(model: PreTrainedModel) -> PreTrainedModel:
    """The model with all but its biases frozen."""
    biases = [weight for name, weight in model.named_parameters() if name.rpartition(".")[2] == "bias"]
    if not biases:
        raise ConfigError(
            "BitFit needs a model with biases.",
            found=f"{model.config.model_type}, which has none",
            remedy="Use `peft: ia3`, which trains about as few weights, or `lora`.",
        )
    model.requires_grad_(False)
    for bias in biases:
        bias.requires_grad_(True)
    return model


def _with_peft(model: PreTrainedModel, settings: AdapterSettings) -> Any:
    if settings.peft != "prompt_tuning":
        return get_peft_model(model, _lora(model, settings) if settings.peft == "lora" else _ia3(model))
    config = PromptTuningConfig(
        task_type=_task_type(model),
        num_virtual_tokens=settings.virtual_tokens,
        num_transformer_submodules=1,
        prompt_tuning_init="SAMPLE_VOCAB",
        base_model_name_or_path=model.config.name_or_path or None,
        revision=_commit(model),
    )
    return prompt_tuned(model, config)


def _lora(model: PreTrainedModel, settings: AdapterSettings) -> PeftConfig:
    return LoraConfig(
        task_type=_task_type(model),
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=_LORA_MODULES.get(model.config.model_type, "all-linear"),
        revision=_commit(model),
    )


def _ia3(model: PreTrainedModel) -> PeftConfig:
    """Where the vectors go is PEFT's own table, by model type."""
    kind = model.config.model_type
    if kind not in TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING:
        raise ConfigError(
            "IA3 needs a model whose keys, values and feed-forward layers are known.",
            found=f"`{kind}`",
            remedy="Use `peft: lora`.",
        )
    return IA3Config(task_type=_task_type(model), revision=_commit(model))


def _task_type(model: PreTrainedModel) -> Any:
    return TaskType.SEQ_2_SEQ_LM if model.config.is_encoder_decoder else TaskType.CAUSAL_LM


def _commit(model: PreTrainedModel) -> str | None:
    """The commit of a model from the Hub, so that the adapter is put on no other one later."""
    commit: str | None = getattr(model.config, "_commit_hash", None)
    return commit
