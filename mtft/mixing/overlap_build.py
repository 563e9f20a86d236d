"""Making the overlap index of a mixture: the hashes of its shards, of the rows that train, sorted into one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from mtft.mixing.files import replacing, seal, sealed_size
from mtft.mixing.fingerprints import key_of
from mtft.mixing.index import UnitIndex
from mtft.mixing.overlap import HEADER, LONGEST_NAME, MAGIC, SECTIONS, OverlapIndex, OverlapRule
from mtft.mixing.text_hashes import NORMALISATION, Hashes

if TYPE_CHECKING:
    from mtft.mixing.shards import Shard

SORTED_AT_ONCE = 1 << 26  # hashes; more are sorted range by range


def overlap_index(
    shards: Sequence[Shard], units: Sequence[UnitIndex], folder: Path, *, name: str
) -> OverlapIndex:
    """The overlap index of the rows that have at least one record that trains; kept in the cache.

    Args:
        shards: One per trained cell.
        units: Which of their records train.
        folder: The cache.
        name: The mixture's.
    """
    kept = sha256()
    for unit in units:
        kept.update(np.unique(unit.row[unit.records]).tobytes() + b"|")
    key = key_of("overlap", NORMALISATION, [shard.key for shard in shards], kept.hexdigest())
    path = folder / f"{key}-overlap.bin"
    if sealed_size(path) is None:
        with replacing(path) as temporary:
            _write(temporary, shards, units, {"fingerprint": key, "name": name[:LONGEST_NAME]})
            seal(temporary)
    return OverlapIndex(path)


def _write(path: Path, shards: Sequence[Shard], units: Sequence[UnitIndex], facts: dict[str, str]) -> None:
    trains = [_hashed_records(unit) for unit in units]

    def hashes(name: str) -> Iterable[Hashes]:
        for shard, keep in zip(shards, trains, strict=True):
            yield from shard.hashes(name, keep)

    def groups() -> Iterable[Hashes]:
        for shard, unit in zip(shards, units, strict=True):
            yield shard.column("group")[unit.records]

    sections: dict[str, Callable[[], Iterable[Hashes]]] = {
        "ngrams": partial(hashes, "ngrams"),
        "short": partial(hashes, "short"),
        "groups": groups,
    }
    with path.open("wb") as file:
        file.write(b" " * HEADER)
        counts = {name: _write_sorted(file, sections[name]) for name in SECTIONS}
        header = MAGIC + json.dumps({**facts, "rule": asdict(OverlapRule()), "counts": counts}).encode()
        file.seek(0)
        file.write(header.ljust(HEADER))


def _write_sorted(file: BinaryIO, parts: Callable[[], Iterable[Hashes]]) -> int:
    """How many distinct hashes there are, now written in order.

    Where they are more than are sorted at once, they are gone through once per range of values.
    """
    total = sum(map(len, parts()))
    ranges = -(-total // SORTED_AT_ONCE)
    bounds = [(number << 64) // max(ranges, 1) for number in range(ranges + 1)]
    written = 0
    for low, high in pairwise(bounds):
        first, last = np.uint64(low), np.uint64(high - 1)
        inside = [part[(part >= first) & (part <= last)] for part in parts()]
        found = np.unique(np.concatenate(inside)).astype("<u8")
        file.write(found.tobytes())
        written += len(found)
    return written


def _hashed_records(unit: UnitIndex) -> npt.NDArray[np.bool_]:
    """(records,) whether a record is its row's first, which has the hashes, and a record of the row trains."""
    first = np.flatnonzero(np.diff(unit.row, prepend=-1))
    keep = np.zeros(len(unit.row), dtype=np.bool_)
    keep[first] = np.isin(unit.row[first], unit.row[unit.records])
    return keep
