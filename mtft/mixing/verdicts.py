"""What becomes of each record of a build before its length is known: kept, a duplicate, or on an evaluated side."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtft.mixing.division import Groups
from mtft.mixing.files import keep_array, kept_array
from mtft.mixing.fingerprints import key_of
from mtft.mixing.index import DUPLICATE, EVALUATED, KEPT, Verdicts
from mtft.mixing.shards import Shard

Words = npt.NDArray[np.uint64]


def verdicts_of(shards: Sequence[Shard], evaluated: Groups, folder: Path) -> tuple[Verdicts, ...]:
    """Per shard, (records,) uint8: what the guard, or a duplicate in another unit, takes out.

    Kept in the cache: over many records the search for duplicates is long, and every process of a run needs it.
    """
    guarded = sha256(evaluated.tobytes()).hexdigest()
    path = folder / f"{key_of([shard.key for shard in shards], guarded)}-verdicts.npy"
    sizes = [len(shard) for shard in shards]
    found = kept_array(path)
    if found is None or len(found) != sum(sizes):
        found = _judged(shards, evaluated)
        keep_array(path, found)
    return tuple(np.split(found, np.cumsum(sizes)[:-1]))


def _judged(shards: Sequence[Shard], evaluated: Groups) -> Verdicts:
    new = first_occurrences(
        np.concatenate([shard.column("pair_high") for shard in shards]),
        np.concatenate([shard.column("pair_low") for shard in shards]),
    )
    guarded = np.isin(np.concatenate([shard.column("group") for shard in shards]), evaluated)
    judged: Verdicts = np.where(guarded, EVALUATED, np.where(new, KEPT, DUPLICATE)).astype(np.uint8)
    return judged


def first_occurrences(high: Words, low: Words) -> npt.NDArray[np.bool_]:
    """Whether each 128-bit word, given as two halves, occurs there for the first time; all (n,).

    Only words with equal upper halves are compared in the lower ones: nearly all of those are duplicates.
    """
    order = np.argsort(high, kind="stable")
    same = high[order[1:]] == high[order[:-1]]
    tied = np.sort(order[np.append(same, False) | np.insert(same, 0, False)])
    by_word = tied[np.lexsort((low[tied], high[tied]))]  # stable: among equals the earliest stands first
    again = (high[by_word[1:]] == high[by_word[:-1]]) & (low[by_word[1:]] == low[by_word[:-1]])
    first = np.ones(len(high), dtype=np.bool_)
    first[by_word[1:][again]] = False
    return first
