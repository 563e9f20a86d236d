"""From encoded rows to packed tensors: several examples in a row, told apart by their segment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from mtft.encoding.collator import IGNORED, Batch
from mtft.encoding.encoded import Encoded
from mtft.encoding.encoders import Encoder
from mtft.encoding.pack_windows import in_words
from mtft.encoding.packing import checked_capacities
from mtft.errors import ConfigError

Row = npt.NDArray[np.generic]


class PackedCollator:
    """Lays the examples of each pack one after the other; an empty pack becomes a row of weight zero.

    Lengths are those of the fullest pack of the batch, or the capacities with `full`. A pack without
    examples holds one segment of an end-of-sequence token each way, so that every process runs the
    same forward, and its weight of 0 keeps it out of loss and gradient.

    Args:
        encoder: Says the kind of model, the padding id and the end-of-sequence id.
        capacities: What no pack may exceed; see `pack`.
        pad_to_multiple_of: Lengths are rounded up to a multiple of this, at most to the capacity.
        full: Always pad to the capacities: one shape for all batches.
    """

    def __init__(
        self,
        encoder: Encoder,
        capacities: Sequence[int],
        *,
        pad_to_multiple_of: int = 1,
        full: bool = False,
    ) -> None:
        self.kind, self.pad_id = encoder.kind, encoder.pad_id
        self.capacities = checked_capacities(capacities, dimensions=1 if self.kind == "causal" else 2)
        self.multiple, self.full = pad_to_multiple_of, full
        ending = np.array([encoder.eos_id], dtype=np.int32)
        self._empty = [Encoded(ending, ending)]

    def __call__(self, packs: Sequence[Sequence[Encoded]]) -> Batch:
        """The batch of these packs.

        For a causal model: `input_ids`, `segments` and `labels`, each (packs, tokens). For an encoder-decoder:
        `input_ids` and `segments` (packs, input tokens), `labels` and `target_segments` (packs, target
        tokens). `row_weights` is (packs, segments): 1 for an example, 0 where a pack has no such segment.
        Ids and labels are int64, segments int32, weights float32. Segments count from 1, and are 0 on padding;
        labels are -100 on prompts, on padding and, in a causal batch, on the first token of each segment, which
        nothing predicts.

        Example: causal, prompts [5, 6] and [8], targets [7, 2] and [9, 2], in one pack beside an empty one,
            end-of-sequence 2, padding 3:

            input_ids    [[5, 6, 7, 2, 8, 9, 2], [2, 2, 3, 3, 3, 3, 3]]
            segments     [[1, 1, 1, 1, 2, 2, 2], [1, 1, 0, 0, 0, 0, 0]]
            labels       [[-100, -100, 7, 2, -100, 9, 2], [-100, 2, -100, …]]
            row_weights  [[1, 1], [0, 0]]

        Raises:
            ConfigError: A pack is over its capacity: it was planned with other lengths.
        """
        filled = [pack or self._empty for pack in packs]
        batch = self._causal(filled) if self.kind == "causal" else self._seq2seq(filled)
        weights = torch.zeros(len(packs), max(map(len, filled)))
        for row, pack in zip(weights, packs, strict=True):
            row[: len(pack)] = 1.0
        batch["row_weights"] = weights
        return batch

    def _causal(self, packs: Sequence[Sequence[Encoded]]) -> Batch:
        ids = [[np.concatenate([each.input_ids, each.target_ids]) for each in pack] for pack in packs]
        labels = [[_causal_labels(each) for each in pack] for pack in packs]
        width = self._width(ids, 0)
        return {
            "input_ids": _joined(ids, width, self.pad_id, np.int64),
            "segments": _joined(_numbered(ids), width, 0, np.int32),
            "labels": _joined(labels, width, IGNORED, np.int64),
        }

    def _seq2seq(self, packs: Sequence[Sequence[Encoded]]) -> Batch:
        inputs = [[each.input_ids for each in pack] for pack in packs]
        targets = [[each.target_ids for each in pack] for pack in packs]
        width, target_width = self._width(inputs, 0), self._width(targets, 1)
        return {
            "input_ids": _joined(inputs, width, self.pad_id, np.int64),
            "segments": _joined(_numbered(inputs), width, 0, np.int32),
            "labels": _joined(targets, target_width, IGNORED, np.int64),
            "target_segments": _joined(_numbered(targets), target_width, 0, np.int32),
        }

    def _width(self, packs: Sequence[Sequence[Row]], dimension: int) -> int:
        """Tokens of the batch's rows.

        Raises:
            ConfigError: A pack is over its capacity.
        """
        capacity = self.capacities[dimension]
        longest = max(sum(map(len, pack)) for pack in packs)
        if longest > capacity:
            raise ConfigError(
                f"A pack must hold its examples: {in_words(self.capacities)}.",
                found=f"{longest} {'target tokens' if dimension else 'tokens'}",
                remedy="Index the mixture with the encoder that trains: `built.index(encoder.measure)`.",
            )
        rounded = -(-longest // self.multiple) * self.multiple
        return capacity if self.full else min(capacity, rounded)


def segment_target_tokens(batch: Batch) -> torch.Tensor:
    """Target tokens of each segment of a packed batch, (packs, segments) int64, as `row_weights` are laid out."""
    segments = batch.get("target_segments", batch["segments"])
    counts = torch.zeros(len(segments), batch["row_weights"].shape[1] + 1, dtype=torch.int64)
    counts.scatter_add_(1, segments.long(), (batch["labels"] != IGNORED).long())
    return counts[:, 1:]


def _causal_labels(example: Encoded) -> Row:
    """-100 on the prompt and on the segment's first token, which is a target only where the prompt is empty."""
    labels: Row = np.concatenate([np.full(len(example.input_ids), IGNORED), example.target_ids])
    labels[0] = IGNORED
    return labels


def _numbered(packs: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """Each array of a pack replaced by its number in the pack, from 1."""
    return [[np.full(len(ids), number) for number, ids in enumerate(pack, start=1)] for pack in packs]


def _joined(
    packs: Sequence[Sequence[Row]], width: int, fill: int, dtype: type[np.int64] | type[np.int32]
) -> torch.Tensor:
    """Each pack's arrays one after the other as a row of one matrix, filled up on the right."""
    matrix = np.full((len(packs), width), fill, dtype=dtype)
    for row, pack in zip(matrix, packs, strict=True):
        whole = np.concatenate(pack)
        row[: len(whole)] = whole
    return torch.from_numpy(matrix)
