"""Where the weights of a scored model are: whole in every process, quantised, spread over devices, or divided."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from mtft.errors import ConfigError, MissingExtraError, nearest
from mtft.modeling import LoadedModel
from mtft.modeling.quantization import QUANTIZATIONS
from mtft.runs.models import load_whole


@dataclass(frozen=True)
class Placement:
    """How a model is held.

    Attributes:
        quantization: `none`, `4bit` or `8bit`.
        device_map: The library's, `auto`; None for one device per process.
        partition_weights: ZeRO-3: every process holds a part of each weight.
    """

    quantization: str = "none"
    device_map: str | None = None
    partition_weights: bool = False

    def check(self) -> None:
        """Checks the settings, before anything is loaded.

        Raises:
            ConfigError: One is unknown, or they exclude each other.
            MissingExtraError: DeepSpeed is not installed.
        """
        check_choice("quantization", self.quantization, QUANTIZATIONS)
        if self.partition_weights and (self.device_map or self.quantization != "none"):
            raise ConfigError(
                "Weights that are partitioned can be neither quantised nor spread by a device map.",
                found=f"quantization {self.quantization}, device_map {self.device_map}",
            )
        if self.device_map and PartialState().num_processes > 1:
            raise ConfigError(
                "A device map needs one process, which uses all devices.",
                found=f"{PartialState().num_processes} processes",
                remedy="Launch it with python instead of accelerate, or use --partition_weights.",
            )
        if self.partition_weights:
            _deepspeed()

    def load(self, model: str | Path, revision: str | None = None) -> LoadedModel:
        """The model, ready to run on its device or devices.

        Raises:
            ModelError: See `mtft.modeling.load_model`.
        """
        spread = self.device_map
        if self.quantization != "none" and spread is None:
            spread = str(PartialState().device)  # quantised weights cannot be moved later
        loaded = load_whole(model, revision, quantization=self.quantization, device_map=spread)
        if self.partition_weights:
            return loaded._replace(model=_partitioned(loaded.model))
        return loaded if spread else loaded._replace(model=loaded.model.to(PartialState().device))


AT_HAND = Placement()


def check_choice(name: str, value: str, options: Collection[str]) -> None:
    """Checks a flag with few values.

    Raises:
        ConfigError: It has another one.
    """
    if value not in options:
        raise ConfigError(
            f"`{name}` must be one of {', '.join(options)}.",
            found=f"`{value}`",
            remedy=nearest(value, options),
        )


def _deepspeed() -> Any:
    try:
        import deepspeed
    except ImportError as error:
        raise MissingExtraError("deepspeed", extra="deepspeed", purpose="`--partition_weights`") from error
    return deepspeed


def _partitioned(model: Any) -> Any:
    """The model under ZeRO-3, its weights divided among the processes; none keeps an optimiser's state."""
    dtype = next(model.parameters()).dtype
    settings = {
        "train_micro_batch_size_per_gpu": 1,
        "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
        "bf16": {"enabled": dtype == torch.bfloat16},
        "fp16": {"enabled": dtype == torch.float16},
    }
    engine, *_ = _deepspeed().initialize(model=model, config=settings)
    engine.eval()
    return engine


def count_parameters(model: Any) -> int:
    """How many weights a model has, all processes' together; 4-bit ones are packed in pairs."""
    inner = getattr(model, "module", model)
    if any(hasattr(parameter, "ds_numel") for parameter in inner.parameters()):
        return sum(int(parameter.ds_numel) for parameter in inner.parameters())
    counted = getattr(inner, "num_parameters", None)
    return int(counted()) if counted is not None else sum(p.numel() for p in inner.parameters())
