"""Models of the built-in sizes, from a configuration."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import BloomConfig, MT5Config, PreTrainedModel, PreTrainedTokenizerBase

from mtft.errors import ModelError, nearest
from mtft.modeling.families import TargetBloom, TargetMT5


@dataclass(frozen=True)
class ModelSize:
    """The shape of a model.

    Attributes:
        width: Hidden units (`d_model`), a multiple of `heads`.
        layers: Layers; for mT5 as many in the encoder as in the decoder.
        heads: Attention heads.
        dropout: Probability of dropping a hidden unit.
    """

    width: int
    layers: int
    heads: int
    dropout: float = 0.0


SIZES: dict[str, ModelSize] = {
    "tiny": ModelSize(width=64, layers=2, heads=4),
    "micro": ModelSize(width=96, layers=2, heads=4),
    "mini": ModelSize(width=96, layers=3, heads=4),
    "small": ModelSize(width=128, layers=3, heads=4),
    "medium": ModelSize(width=256, layers=4, heads=8),
    "base": ModelSize(width=512, layers=8, heads=8, dropout=0.1),
}


def build_model(
    family: str, size: str | ModelSize, tokenizer: PreTrainedTokenizerBase, seed: int = 0
) -> PreTrainedModel:
    """A model with random weights; the same seed gives the same weights.

    Args:
        family: `mt5` or `bloom`.
        size: A name of `SIZES`, or a shape of your own.
        tokenizer: Decides the vocabulary and the special ids.
        seed: Of the weights. The global random state is left as it was.

    Raises:
        ModelError: Family or size is unknown.
    """
    shape = _shape(size)
    builders = {"mt5": _mt5, "bloom": _bloom}
    if family not in builders:
        raise ModelError(
            "A built-in model must be of a known family.",
            found=f"`{family}`",
            remedy=nearest(family, builders),
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return builders[family](shape, tokenizer)


def _shape(size: str | ModelSize) -> ModelSize:
    if isinstance(size, ModelSize):
        return size
    if size not in SIZES:
        raise ModelError(
            "A built-in model must have a known size.", found=f"`{size}`", remedy=nearest(size, SIZES)
        )
    return SIZES[size]


def _bloom(shape: ModelSize, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    config = BloomConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        hidden_dropout=shape.dropout,
        attention_dropout=shape.dropout,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return TargetBloom(config)


def _mt5(shape: ModelSize, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    config = MT5Config(
        vocab_size=len(tokenizer),
        d_model=shape.width,
        d_kv=shape.width // shape.heads,
        d_ff=2 * shape.width,  # gated: two input matrices
        num_layers=shape.layers,
        num_heads=shape.heads,
        dropout_rate=shape.dropout,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    model = TargetMT5(config)
    # The library draws the embedding with deviation 1 and ties the head to it without T5's 1/sqrt(width), so
    # logits start with a deviation of sqrt(width) and the loss near 20. This makes it log(vocabulary).
    torch.nn.init.normal_(model.shared.weight, std=shape.width**-0.5)
    return model
