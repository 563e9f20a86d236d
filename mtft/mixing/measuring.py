"""Token lengths of all records: measured once per shard and measure, in pieces that several processes share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtft.mixing.files import keep_array, kept_array
from mtft.mixing.index import LengthMeasure, Lengths
from mtft.mixing.progress import bar
from mtft.mixing.shards import Shard
from mtft.mixing.workers import Processes

PIECE = 16  # batches of a shard that one process measures at a time


@dataclass(frozen=True)
class _Piece:
    """Batches `start` up to `stop` of one shard."""

    shard: int
    start: int
    stop: int


@dataclass(frozen=True)
class _Measuring:
    """What all pieces share."""

    shards: tuple[Shard, ...]
    measure: LengthMeasure


def all_lengths(
    shards: Sequence[Shard],
    measure: LengthMeasure,
    folder: Path,
    num_proc: int | None = 1,
    progress: bool = False,
) -> list[Lengths]:
    """Input and target length of every record, per shard (2, records) int32, mapped from the cache's files.

    A shard's file is written as soon as its last piece is measured, so work that was cut short goes on there.

    Args:
        shards: The shards.
        measure: Several processes each get a copy.
        folder: The cache.
        num_proc: Processes; None for one per core. With one, a fast tokenizer's own threads still share the work.
        progress: Show a bar with an estimate of what remains.
    """
    paths = [folder / f"{shard.key}-{measure.fingerprint}.npy" for shard in shards]
    found = [_whole(path, shard) for path, shard in zip(paths, shards, strict=True)]
    missing = [number for number, lengths in enumerate(found) if lengths is None]
    pieces = [piece for number in missing for piece in _pieces(number, shards[number])]
    new = {number: np.zeros((2, len(shards[number])), dtype=np.int32) for number in missing}
    left = {number: sum(piece.shard == number for piece in pieces) for number in missing}
    for number in [number for number in missing if not left[number]]:  # no record at all
        keep_array(paths[number], new[number])
    work = _Measuring(tuple(shards), measure)
    with (
        bar("measuring", len(shards) - len(missing), len(shards), show=progress and bool(pieces)) as step,
        Processes(num_proc) as processes,
    ):
        for done, lengths in processes.results(_measured, work, pieces):
            piece = pieces[done]
            first = piece.start * shards[piece.shard].batch_rows
            new[piece.shard][:, first : first + lengths.shape[1]] = lengths
            left[piece.shard] -= 1
            if not left[piece.shard]:
                keep_array(paths[piece.shard], new.pop(piece.shard))
                step(shards[piece.shard].summary.unit)
    return [_kept(path) if lengths is None else lengths for path, lengths in zip(paths, found, strict=True)]


def _pieces(number: int, shard: Shard) -> list[_Piece]:
    return [_Piece(number, start, start + PIECE) for start in range(0, shard.batches, PIECE)]


def _measured(work: _Measuring, piece: _Piece) -> Lengths:
    """The lengths of a piece, (2, records) int32."""
    parts = [
        np.stack(work.measure(inputs, targets))
        for _, inputs, targets in work.shards[piece.shard].texts(piece.start, piece.stop)
    ]
    return np.concatenate(parts, axis=1)


def _whole(path: Path, shard: Shard) -> Lengths | None:
    lengths = kept_array(path)
    return lengths if lengths is not None and lengths.shape == (2, len(shard)) else None


def _kept(path: Path) -> Lengths:
    lengths = kept_array(path)
    if lengths is None:
        raise FileNotFoundError(path)
    return lengths
