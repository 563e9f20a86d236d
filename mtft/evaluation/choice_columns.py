"""Answer choices as flat columns: which are right, and which was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ChoiceColumns:
    """The choices of n samples, N in all, those of a sample side by side.

    Attributes:
        starts: (n + 1,) int64, where each sample's choices begin.
        lengths: (n,) int64, how many it has.
        wording: (N,) int64, equal for choices of the same wording.
        right: (N,) whether the choice is among the sample's targets.
        predicted: (n,) int64 place of the predicted choice; -1 if there is none.
        target: (n,) int64 place of the first choice that is a target; -1 if there is none.
    """

    starts: IntArray
    lengths: IntArray
    wording: IntArray
    right: NDArray[np.bool_]
    predicted: IntArray
    target: IntArray

    @classmethod
    def of(cls, choices: pa.Array, targets: pa.Array, predictions: pa.Array) -> ChoiceColumns:
        """From the columns `choices` and `targets`, lists of texts, and `prediction`."""
        lengths = [
            np.asarray(pc.list_value_length(c).fill_null(0), dtype=np.int64) for c in (choices, targets)
        ]
        owner, target_owner = (np.repeat(np.arange(len(found)), found) for found in lengths)
        wording, target_wording, said = _wordings(
            pc.list_flatten(choices), pc.list_flatten(targets), predictions.cast(pa.string())
        )
        kinds = 1 + max((int(found.max(initial=-1)) for found in (wording, target_wording, said)), default=0)
        right = np.isin(owner * kinds + wording, target_owner * kinds + target_wording)
        starts = np.concatenate([[0], np.cumsum(lengths[0])])
        predicted, target = _first(starts, wording == said[owner]), _first(starts, right)
        return cls(starts, lengths[0], wording, right, predicted, target)

    @cached_property
    def n_wordings(self) -> int:
        """More than any number in `wording`."""
        return int(self.wording.max(initial=0)) + 1

    @cached_property
    def longest(self) -> int:
        """The largest number of choices."""
        return int(self.lengths.max(initial=0))

    def flat(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """The choices of some samples, as places in the flat columns and as places within their sample."""
        first, length = self.starts[rows], self.lengths[rows]
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        return np.repeat(first, length) + within, within

    def count(self, rows: IntArray) -> IntArray:
        """How many choices each of some samples has."""
        return np.asarray(self.lengths[rows])


def _wordings(*columns: pa.ChunkedArray) -> list[IntArray]:
    """The texts of several columns as numbers, equal where the texts are; missing ones are -1."""
    chunks = [chunk.cast(pa.string()) for column in columns for chunk in _chunks(column)]
    joined = pa.chunked_array(chunks, type=pa.string()).combine_chunks().dictionary_encode()
    joined = joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
    indices = np.asarray(joined.indices.fill_null(-1), dtype=np.int64)
    return list(np.split(indices, np.cumsum([len(column) for column in columns])[:-1]))


def _chunks(column: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]


def _first(starts: IntArray, holds: NDArray[np.bool_]) -> IntArray:
    """(n,) the first place in each sample where something holds; -1 where it does nowhere."""
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    at = np.flatnonzero(holds)
    owners, first = np.unique(owner[at], return_index=True)
    places = np.full(len(starts) - 1, -1, dtype=np.int64)
    places[owners] = at[first] - starts[owners]
    return places
