"""What a forward with `row_weights` may be given, checked before anything is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from mtft.errors import ModelError
from mtft.modeling.head import IGNORED
from mtft.modeling.packed_layout import Segments, find_segments

_REMEDY = "Give `segments` of `PackedCollator`, or a (rows, tokens) mask of 1 on tokens."


def input_segments(
    like: Tensor, attention_mask: Tensor | None, segments: Tensor | None, row_weights: Tensor
) -> Segments:
    """The segments of `input_ids`: those of a packed batch, or the rows of one that is not packed.

    Args:
        like: (packs, tokens) or (packs, tokens, width), the ids or embeddings.
        attention_mask: (rows, tokens), 1 on tokens; None where there is no padding, and for packed batches.
        segments: (packs, tokens) integers; None for a batch that is not packed.
        row_weights: (packs, segments), or (rows,) for a batch that is not packed.

    Raises:
        ModelError: Shapes or types do not go together, or there are no tokens.
    """
    shape = like.shape[:2]
    if segments is None:
        check_mask(attention_mask)
        _check_weights(row_weights, shape[0], packed=False)
        rows = torch.ones(shape, dtype=torch.int64) if attention_mask is None else attention_mask != 0
        numbers, per_pack, name = _numbers(rows.long(), shape, "attention_mask"), 1, "attention_mask"
    else:
        if attention_mask is not None:
            raise ModelError(
                "A packed batch must not have an `attention_mask`: `segments` says which tokens there are.",
                found=f"both, the mask of shape {tuple(attention_mask.shape)}",
                remedy="Leave the mask out.",
            )
        _check_weights(row_weights, shape[0], packed=True)
        numbers, per_pack, name = _numbers(segments, shape, "segments"), row_weights.shape[1], "segments"
    found = find_segments(numbers, per_pack, name)
    if not len(found.row):
        raise ModelError(f"A batch must have tokens: `{name}` is 0 everywhere.")
    return found


def target_segments_of(
    labels: Tensor, target_segments: Tensor | None, segments: Tensor | None, row_weights: Tensor
) -> Segments:
    """The segments of an encoder-decoder's labels; in a batch that is not packed, rows up to the last label.

    Raises:
        ModelError: Only one of `segments` and `target_segments` is given, or shapes and types do not fit.
    """
    if (target_segments is None) != (segments is None):
        raise ModelError(
            "A packed batch of an encoder-decoder must have both `segments` and `target_segments`.",
            found="`segments` alone" if target_segments is None else "`target_segments` alone",
            remedy="Pack with `PackedCollator`.",
        )
    if target_segments is not None:
        numbers = _numbers(target_segments, labels.shape, "target_segments")
        return find_segments(numbers, row_weights.shape[1], "target_segments")
    # every position that still has a label on or after it
    reached = (labels != IGNORED).flip(1).cumsum(1).flip(1) > 0
    return find_segments(reached.long(), 1, "labels")


def check_mask(attention_mask: Tensor | None) -> None:
    """Refuse masks of more than two dimensions.

    A mask of four is read in silence and wrongly: a boolean one is added to the scores as 0 and 1, and an
    encoder's would also be the cross-attention's.

    Raises:
        ModelError: It has other than two dimensions.
    """
    if isinstance(attention_mask, Tensor) and attention_mask.ndim != 2:
        raise ModelError(
            "An `attention_mask` must have two dimensions, (rows, tokens).",
            found=f"shape {tuple(attention_mask.shape)} of {str(attention_mask.dtype).removeprefix('torch.')}",
            remedy=_REMEDY,
        )


def refuse_unweighted(segments: Tensor | None) -> None:
    """Refuse a packed batch without weights: the library's forward would let its segments see each other.

    Raises:
        ModelError: There are segments.
    """
    if segments is not None:
        raise ModelError(
            "A packed batch must come with `labels` and `row_weights`.",
            found="`segments` without them",
            remedy="To generate or to score, give rows that are not packed.",
        )


def _check_weights(row_weights: Tensor, rows: int, *, packed: bool) -> None:
    dimensions = 2 if packed else 1
    if row_weights.ndim != dimensions or len(row_weights) != rows:
        wanted = f"({rows}, segments)" if packed else f"({rows},)"
        raise ModelError(
            f"`row_weights` of a batch that is {'' if packed else 'not '}packed must have shape {wanted}.",
            found=f"shape {tuple(row_weights.shape)}",
            remedy="A packed batch has `segments` as well.",
        )


def _numbers(numbers: Tensor, shape: torch.Size, name: str) -> Tensor:
    """The numbers, which must be integers and as many as there are tokens."""
    if numbers.shape != shape or numbers.dtype == torch.bool or numbers.is_floating_point():
        raise ModelError(
            f"`{name}` must hold an integer for every token, shape {tuple(shape)}.",
            found=f"shape {tuple(numbers.shape)} of {str(numbers.dtype).removeprefix('torch.')}",
            remedy=_REMEDY,
        )
    return numbers
