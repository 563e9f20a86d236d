"""The weights whose gradients are diagnosed, and refusing where they are not at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mtft.errors import ConfigError
from mtft.training.chosen_parameters import choose_parameters
from mtft.training.diagnostic_settings import DiagnosticSettings


def chosen_parameters(model: nn.Module, which: str) -> dict[str, nn.Parameter]:
    """The trained weights that a choice names, each once.

    Args:
        model: Not wrapped; with or without an adapter.
        which: `adapters` or `all` for every trained weight, `last_block` for those of the last transformer block
            (of an encoder-decoder, the decoder's).

    Raises:
        ConfigError: No trained weight is chosen.
    """
    wanted = which if which == "last_block" else "trainable"
    return choose_parameters(model, wanted, "diagnostics_parameters")


def refuse_partitioned_gradients(
    settings: DiagnosticSettings, deepspeed_config: Mapping[str, Any] | None, *, fsdp: bool
) -> None:
    """Refuse to measure gradients where no process has them whole.

    Raises:
        ConfigError: ZeRO-2, ZeRO-3 or FSDP is on, and more than losses and metrics is asked for.
    """
    stage = ((deepspeed_config or {}).get("zero_optimization") or {}).get("stage", 0)
    if settings.measures_gradients and (stage >= 2 or fsdp):
        raise ConfigError(
            "Diagnostics of gradients need whole weights and gradients in every process.",
            found="FSDP" if fsdp else f"ZeRO stage {stage}",
            remedy="Give --diagnostics_quantities train_loss dev_metric, which work under every stage, or launch with "
            "plain data parallelism or ZeRO-1.",
        )


def refuse_coarse_weights(
    settings: DiagnosticSettings,
    parameters: Mapping[str, nn.Parameter],
    deepspeed_config: Mapping[str, Any] | None = None,
) -> None:
    """Refuse the sharpness of weights so coarse that the change asked for rounds to none.

    Args:
        settings: What is measured.
        parameters: Those chosen.
        deepspeed_config: Where it names 16 bits, DeepSpeed will cast the weights when training begins.

    Raises:
        ConfigError: A relative change of the radius is below the precision of the weights.
    """
    if "sharpness" not in settings.diagnostics_quantities:
        return
    dtypes = {_half_precision(deepspeed_config) or weight.dtype for weight in parameters.values()}
    coarsest = max((torch.finfo(dtype).eps, str(dtype)) for dtype in dtypes)
    if settings.diagnostics_sharpness_radius < 2 * coarsest[0]:
        raise ConfigError(
            "A relative change of `diagnostics_sharpness_radius` must be larger than the weights' rounding.",
            found=f"{settings.diagnostics_sharpness_radius:g} in {coarsest[1]}, whose numbers are "
            f"{coarsest[0]:.2g} apart",
            remedy="Train with float32 weights (--bf16 true may stay, but for DeepSpeed, which casts them), or leave "
            "`sharpness` out of --diagnostics_quantities.",
        )


def _half_precision(deepspeed_config: Mapping[str, Any] | None) -> torch.dtype | None:
    """What DeepSpeed casts all weights to, in place; None where it leaves them."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    blocks = {name: (deepspeed_config or {}).get(name) or {} for name in kinds}
    return next((kinds[name] for name, block in blocks.items() if block.get("enabled") is True), None)
