"""Weights in 4 or 8 bits, to be frozen under an adapter."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from mtft.errors import MissingExtraError, ModelError

QUANTIZATIONS = ("none", "4bit", "8bit")


def quantization_config(kind: str) -> BitsAndBytesConfig | None:
    """What the library's loading needs for weights of this kind; None for `none`.

    4 bits are NormalFloat with quantised scales, computed with in bfloat16 on a GPU and in float32 on a CPU.
    Embeddings, the head, layer norms and what a family must keep in full precision (mT5's `wo`) are not quantised.

    Args:
        kind: One of `QUANTIZATIONS`.

    Raises:
        MissingExtraError: bitsandbytes is not installed.
        ModelError: It cannot work on this machine's device.

    Source: Dettmers et al. 2023, "QLoRA", arXiv 2305.14314, section 3; Dettmers et al. 2022, "LLM.int8()",
        arXiv 2208.07339.
    """
    if kind == "none":
        return None
    device = _usable_device(kind)
    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32 if device == "cpu" else torch.bfloat16,
    )


def _usable_device(kind: str) -> str:
    """The kind of device that will hold the weights."""
    try:
        library: Any = import_module("bitsandbytes")
    except ImportError as error:
        raise MissingExtraError("bitsandbytes", extra="quantization", purpose=f"`{kind}`") from error
    found = torch.accelerator.current_accelerator()
    device = "cpu" if found is None else found.type
    # versions that work beyond CUDA list where they do
    able = getattr(library, "supported_torch_devices", {"cuda"})
    if device not in able:
        raise ModelError(
            f"Weights in {kind} need a device that bitsandbytes {library.__version__} can use.",
            found=f"`{device}`; it can use {', '.join(sorted(able))}",
            remedy="Upgrade it, use a GPU, or set `quantization: none`.",
        )
    return device
