"""The shapes of the published BLOOM and mT5 models, known without a network."""

from __future__ import annotations

from typing import NamedTuple

from transformers import BloomConfig, MT5Config, PretrainedConfig


class _Bloom(NamedTuple):
    width: int
    layers: int
    heads: int


class _MT5(NamedTuple):
    width: int
    inner: int
    layers: int
    heads: int


# Source: the training scripts, bigscience-workshop/bigscience@13ded503, train/tr13-mtf
_BLOOM = {
    "560m": _Bloom(1024, 24, 16),
    "1b1": _Bloom(1536, 24, 16),
    "1b7": _Bloom(2048, 24, 16),
    "3b": _Bloom(2560, 30, 32),
    "7b1": _Bloom(4096, 30, 32),
    "": _Bloom(14336, 70, 112),
}
# Source: google-research/t5x@11abdae7, t5x/examples/t5/mt5; Xue et al. 2021, "mT5", arXiv 2010.11934, section 3.2
_MT5_SIZES = {
    "small": _MT5(512, 1024, 8, 6),
    "base": _MT5(768, 2048, 12, 12),
    "large": _MT5(1024, 2816, 24, 16),
    "xl": _MT5(2048, 5120, 24, 32),
    "xxl": _MT5(4096, 10240, 24, 64),
}
_BLOOM_VOCABULARY, _MT5_VOCABULARY = 250_880, 250_112


def _bloom(shape: _Bloom) -> PretrainedConfig:
    return BloomConfig(
        vocab_size=_BLOOM_VOCABULARY, hidden_size=shape.width, n_layer=shape.layers, n_head=shape.heads
    )


def _mt5(shape: _MT5) -> PretrainedConfig:
    return MT5Config(
        vocab_size=_MT5_VOCABULARY,
        d_model=shape.width,
        d_ff=shape.inner,
        d_kv=64,
        num_layers=shape.layers,
        num_heads=shape.heads,
    )


def published_config(name: str) -> PretrainedConfig | None:
    """The shape of a published model or of its finetuned twin, by its Hub id; None for any other name.

    Such as `bigscience/bloom-560m`, `bigscience/bloomz-560m`, `google/mt5-xl`, `bigscience/mt0-xl`.
    """
    owner, _, rest = name.partition("/")
    family, _, size = rest.partition("-")
    if (owner, family) in {("bigscience", "bloom"), ("bigscience", "bloomz")} and size in _BLOOM:
        return _bloom(_BLOOM[size])
    if (owner, family) in {("google", "mt5"), ("bigscience", "mt0")} and size in _MT5_SIZES:
        return _mt5(_MT5_SIZES[size])
    return None


def published_names() -> list[str]:
    """The base models' Hub ids."""
    bloom = ["bigscience/bloom" + (f"-{size}" if size else "") for size in _BLOOM]
    return [*bloom, *(f"google/mt5-{size}" for size in _MT5_SIZES)]
