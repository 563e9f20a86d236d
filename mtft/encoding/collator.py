"""From encoded rows to padded tensors: padding only, nothing is cut, moved or packed here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from mtft.encoding.encoded import Encoded
from mtft.encoding.encoders import Encoder

IGNORED = -100
Batch = dict[str, torch.Tensor]


class Collator:
    """Pads rows to the longest one; an empty slot becomes a row of weight zero.

    All tensors are int64 but `row_weights`, which is float32. A row that is None stands for an empty slot:
    it holds one end-of-sequence token each way, so that every process runs the same forward, and its
    weight of 0 keeps it out of loss and gradient.

    Args:
        encoder: Says the kind of model, the padding id and the end-of-sequence id.
        pad_to_multiple_of: Lengths are rounded up to a multiple of this.
    """

    def __init__(self, encoder: Encoder, pad_to_multiple_of: int = 1) -> None:
        self.kind = encoder.kind
        self.pad_id = encoder.pad_id
        self.multiple = pad_to_multiple_of
        ending = np.array([encoder.eos_id], dtype=np.int32)
        self._empty = Encoded(ending, ending)

    def __call__(self, rows: Sequence[Encoded | None]) -> Batch:
        """The batch of these rows.

        For a causal model: `input_ids`, `attention_mask`, `labels`, each (rows, prompt + target tokens);
        for an encoder-decoder: `input_ids`, `attention_mask` (rows, prompt tokens) and `labels`
        (rows, target tokens). Labels are -100 on prompt and padding. `row_weights` is (rows,).

        Example: causal, prompt [5, 6], target [7, 2] beside an empty slot, end-of-sequence 2, padding 3:

            input_ids       [[5, 6, 7, 2], [2, 2, 3, 3]]
            attention_mask  [[1, 1, 1, 1], [1, 1, 0, 0]]
            labels          [[-100, -100, 7, 2], [-100, 2, -100, -100]]
            row_weights     [1, 0]
        """
        filled = [self._empty if row is None else row for row in rows]
        batch = self._causal(filled) if self.kind == "causal" else self._seq2seq(filled)
        batch["row_weights"] = torch.tensor([float(row is not None) for row in rows])
        return batch

    def _causal(self, rows: Sequence[Encoded]) -> Batch:
        whole = [np.concatenate([row.input_ids, row.target_ids]) for row in rows]
        labels = [np.concatenate([np.full(len(r.input_ids), IGNORED), r.target_ids]) for r in rows]
        return {
            "input_ids": self._padded(whole, self.pad_id),
            "attention_mask": self._padded([np.ones(len(ids)) for ids in whole], 0),
            "labels": self._padded(labels, IGNORED),
        }

    def _seq2seq(self, rows: Sequence[Encoded]) -> Batch:
        return {
            "input_ids": self._padded([row.input_ids for row in rows], self.pad_id),
            "attention_mask": self._padded([np.ones(len(row.input_ids)) for row in rows], 0),
            "labels": self._padded([row.target_ids for row in rows], IGNORED),
        }

    def _padded(self, arrays: Sequence[npt.NDArray[np.generic]], fill: int) -> torch.Tensor:
        """The arrays as rows of one int64 matrix, filled up on the right."""
        longest = max(len(array) for array in arrays)
        width = -(-longest // self.multiple) * self.multiple
        matrix = np.full((len(arrays), width), fill, dtype=np.int64)
        for row, array in zip(matrix, arrays, strict=True):
            row[: len(array)] = array
        return torch.from_numpy(matrix)
