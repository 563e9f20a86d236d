"""Tags as tokens of their own, which begin as the mean of the pieces they were written with before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AddedToken, PreTrainedTokenizerBase

from mtft.errors import ModelError


def add_tags(model: Any, tokenizer: PreTrainedTokenizerBase, tags: Iterable[str]) -> list[int]:
    """The ids of the tags that were no tokens yet, now added to the tokenizer and the model.

    A new row of the embedding, and of an output head of its own, is the mean of the rows of the pieces that the tag
    was written with, so that the model reads about what it read before, in fewer tokens. A tag takes the spaces
    beside it: `<cell> a` is two tokens. Both save as the library's own and load without this code.

    Args:
        model: A plain model, not an adapter; its vocabulary grows only where it has no spare rows.
        tokenizer: Its tokenizer.
        tags: The tags, such as `<cell>`.

    Raises:
        ModelError: The model has an adapter, or its weights are not whole in this process.
    """
    known = tokenizer.get_vocab()
    new = [tag for tag in dict.fromkeys(tags) if tag not in known]
    if not new:
        return []
    _check_whole(model)
    pieces = [tokenizer(tag, add_special_tokens=False).input_ids for tag in new]
    tokenizer.add_tokens([AddedToken(tag, lstrip=True, rstrip=True, normalized=False) for tag in new])
    ids = [int(index) for index in tokenizer.convert_tokens_to_ids(new)]
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    for weight in _vocabulary_weights(model):
        _fill(weight, ids, pieces)
    return ids


def _check_whole(model: Any) -> None:
    if hasattr(model, "peft_config"):
        rule = "Tags are added to a plain model, before an adapter is put on it."
        raise ModelError(rule, remedy="Merge the adapter first.")
    if any(weight.shape[0] == 0 for weight in _vocabulary_weights(model)):
        raise ModelError("Tags are added to a model whose weights are whole in this process.")


def _vocabulary_weights(model: Any) -> list[Tensor]:
    """The input embedding's weight and the head's where it is another, both (vocabulary, width)."""
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    weights: list[Tensor] = [layer.weight for layer in layers if layer is not None]
    return list({weight.data_ptr(): weight for weight in weights}.values())


@torch.no_grad()
def _fill(weight: Tensor, ids: Sequence[int], pieces: Sequence[Sequence[int]]) -> None:
    for index, parts in zip(ids, pieces, strict=True):
        weight[index] = weight[list(parts)].mean(dim=0)
