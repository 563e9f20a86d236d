"""What a model's configuration says of its size; no weights are made or read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, BloomConfig, MT5Config, PretrainedConfig, PreTrainedModel

from mtft.errors import ModelError, nearest
from mtft.modeling.building import SIZES
from mtft.modeling.families import FAMILIES
from mtft.modeling.published import published_config, published_names


@dataclass(frozen=True)
class ModelShape:
    """Numbers of a BLOOM or mT5.

    Attributes:
        family: `bloom` or `mt5`.
        width: Hidden units.
        inner: Units of the feed-forward layers; of mT5's gated ones, of each of the two matrices.
        attention: Heads x head width.
        heads: Attention heads.
        layers: Of BLOOM, or of mT5's encoder.
        decoder_layers: Of mT5's decoder; 0 for BLOOM.
        vocabulary: Rows of the embeddings.
        dropout: Probability of dropping a hidden unit.
        parameters: All of them, what is tied counted once.
        layer_parameters: Those of all layers.
        largest_layer: Those of the largest layer.
        rows_and_columns: Summed over all weights: rows and columns of a matrix, entries of a vector.
    """

    family: str
    width: int
    inner: int
    attention: int
    heads: int
    layers: int
    decoder_layers: int
    vocabulary: int
    dropout: float
    parameters: int
    layer_parameters: int
    largest_layer: int
    rows_and_columns: int

    @property
    def embeddings(self) -> int:
        """Parameters outside the layers: embeddings, head and last norm."""
        return self.parameters - self.layer_parameters


def shape_of(
    name: str, revision: str | None = None, *, family: str = "bloom", vocabulary: int = 4096
) -> ModelShape:
    """The shape of a model from its configuration alone.

    Args:
        name: A built-in size, a published model, a model folder, or a Hub id in the cache.
        revision: Of a Hub model.
        family: Of a built-in size.
        vocabulary: Of a built-in size.

    Raises:
        ModelError: There is no configuration, it is of another family, or a built-in size of none.
    """
    config, head_of_its_own = _configuration(name, revision, family, vocabulary)
    return _shape(config, head_of_its_own=head_of_its_own)


def meta_model(
    name: str, revision: str | None = None, *, family: str = "bloom", vocabulary: int = 4096
) -> PreTrainedModel:
    """The model on the meta device: names and shapes of its weights, no numbers.

    Args:
        name: As `shape_of`'s, and so are the others.
        revision: Of a Hub model.
        family: Of a built-in size.
        vocabulary: Of a built-in size.

    Raises:
        ModelError: As `shape_of`.
    """
    return _on_meta(_configuration(name, revision, family, vocabulary)[0])


def _configuration(
    name: str, revision: str | None, family: str, vocabulary: int
) -> tuple[PretrainedConfig, bool]:
    """The configuration, and whether the head's weights are its own."""
    if name in SIZES:
        if family not in FAMILIES:
            raise ModelError(
                f"A built-in size is of a family: {' or '.join(FAMILIES)}.",
                found=f"`{family}`",
                remedy=nearest(family, FAMILIES),
            )
        if vocabulary < 1:
            raise ModelError("A vocabulary must have at least one entry.", found=vocabulary)
        return _built_in(name, family, vocabulary), False
    published = published_config(name)
    if published is not None:
        return published, published.model_type == "mt5"
    return _configured(name, revision)


def _on_meta(config: PretrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        model: PreTrainedModel = FAMILIES[config.model_type](config)
    return model


def _built_in(size: str, family: str, vocabulary: int) -> PretrainedConfig:
    shape = SIZES[size]
    common = {"vocab_size": vocabulary}
    if family == "bloom":
        return BloomConfig(
            **common,
            hidden_size=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            hidden_dropout=shape.dropout,
        )
    return MT5Config(
        **common,
        d_model=shape.width,
        d_kv=shape.width // shape.heads,
        d_ff=2 * shape.width,
        num_layers=shape.layers,
        num_heads=shape.heads,
        dropout_rate=shape.dropout,
    )


def _configured(name: str, revision: str | None) -> tuple[PretrainedConfig, bool]:
    """The configuration, and whether the head's weights are its own.

    The library ties mT5's head by its configuration, and unties it again when it finds another one in the file.
    What the file was saved with is in the configuration's JSON alone.
    """
    try:
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
        saved, _ = PretrainedConfig.get_config_dict(name, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            "A model must have a configuration here, or be a published one.",
            found=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            where=name,
            remedy=nearest(name, [*SIZES, *published_names()]),
        ) from error
    if config.model_type not in FAMILIES:
        raise ModelError(
            f"Memory is estimated for {' and '.join(FAMILIES)}.",
            found=f"model_type `{config.model_type}`",
            where=name,
        )
    return config, config.model_type == "mt5" and saved.get("tie_word_embeddings") is False


def _shape(config: Any, *, head_of_its_own: bool) -> ModelShape:
    model = _on_meta(config)
    counts = {id(p): p for p in model.parameters()}.values()
    sizes = [p.numel() for p in counts] + [config.vocab_size * config.hidden_size] * head_of_its_own
    edges = [sum(p.shape) for p in counts] + [config.vocab_size + config.hidden_size] * head_of_its_own
    layers = [
        _numel(module) for module in model.modules() if type(module).__name__ in model._no_split_modules
    ]
    is_bloom = config.model_type == "bloom"
    return ModelShape(
        family=config.model_type,
        width=config.hidden_size,
        inner=4 * config.hidden_size if is_bloom else config.d_ff,
        attention=config.hidden_size if is_bloom else config.num_heads * config.d_kv,
        heads=config.n_head if is_bloom else config.num_heads,
        layers=config.n_layer if is_bloom else config.num_layers,
        decoder_layers=0 if is_bloom else config.num_decoder_layers,
        vocabulary=config.vocab_size,
        dropout=config.hidden_dropout if is_bloom else config.dropout_rate,
        parameters=sum(sizes),
        layer_parameters=sum(layers),
        largest_layer=max(layers),
        rows_and_columns=sum(edges),
    )


def _numel(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
