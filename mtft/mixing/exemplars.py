"""Answered examples before the training prompt: which ones, and how many of them fit.

    inputs of the farthest exemplar, one space, its target
                                                            (an empty line)
    inputs of the nearest exemplar, one space, its target
                                                            (an empty line)
    the example's own inputs

The text is laid out as few-shot prompts of evaluation are. Exemplars are kept records of the same trained cell (task
and language) under the same template, never of the example's own item nor two of one item. Which ones follows from
the mixture's seed and the record alone, so a position still needs no other position.

Source: several answered examples of one task as the training input, Min et al. 2022, "MetaICL: Learning to Learn In
Context", NAACL, arXiv 2110.15943, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtft.mixing.files import keep_array, kept_array
from mtft.mixing.fingerprints import key_of
from mtft.mixing.index import LengthMeasure, Lengths, UnitIndex
from mtft.mixing.permutation import mixed, permuted, stable_key
from mtft.mixing.progress import bar
from mtft.mixing.shards import Shard
from mtft.mixing.workers import Processes

SEPARATOR = "\n\n"
NOBODY = -1
BATCH = 1024  # records that are composed and measured at a time
Records = npt.NDArray[np.int32]


def answered(inputs: str, target: str) -> str:
    """A prompt with its answer. Example: inputs `2 + 2 =` and target `4` are `2 + 2 = 4`."""
    apart = "" if inputs[-1:].isspace() or target[:1].isspace() else " "
    return f"{inputs}{apart}{target}"


@dataclass(frozen=True)
class UnitExemplars:
    """The exemplars of one unit's records.

    Attributes:
        shard: Its records.
        unit: Which of them are kept, and the prompts that were shortened.
        count: How many exemplars are asked for.
        seed: Of the choice.
        fitting: (records,) int8, how many stand before each record's prompt.
    """

    shard: Shard
    unit: UnitIndex
    count: int
    seed: int
    fitting: npt.NDArray[np.int8]

    def chosen(self, records: Sequence[int] | Records) -> npt.NDArray[np.int64]:
        """The exemplars of some records, (n, count) int64 records, the nearest first; `NOBODY` where there is none.

        A keyed permutation of the pool is walked from its beginning, at most `4 * count + 16` places of it: the rest
        is not looked at, so that the work does not grow with the pool.
        """
        wanted = np.asarray(records, dtype=np.int64)
        found = np.full((len(wanted), self.count), NOBODY, dtype=np.int64)
        keys = mixed(mixed(wanted.astype(np.uint64)) ^ self._key)
        template = self._templates[wanted]
        for number, pool in self._pools.items():
            here = np.flatnonzero(template == number)
            if len(here):
                found[here] = self._walk(wanted[here], keys[here], pool)
        return found

    def _walk(self, records: npt.NDArray[np.int64], keys: Any, pool: Records) -> npt.NDArray[np.int64]:
        n, rows = len(pool), np.arange(len(records))
        found = np.full((len(records), self.count), NOBODY, dtype=np.int64)
        met = np.zeros((len(records), self.count + 1), dtype=np.uint64)
        met[:] = self._groups[records][:, None]  # its own item, wherever none other stands yet
        filled = np.zeros(len(records), dtype=np.int64)
        for place in range(min(n, 4 * self.count + 16)):
            if (filled == self.count).all():
                break
            turn = np.full(len(records), place, dtype=np.int64)
            candidate = pool[permuted(turn, np.full(len(records), n, dtype=np.int64), keys)]
            group = self._groups[candidate]
            new = (filled < self.count) & ~(met == group[:, None]).any(axis=1)
            found[rows[new], filled[new]] = candidate[new]
            met[rows[new], filled[new] + 1] = group[new]
            filled += new
        return found

    def prompt(self, record: int) -> str:
        """The record's prompt with the exemplars that fit before it."""
        return self.prompts([record], self.fitting[[record]])[0]

    def prompts(self, records: Sequence[int] | Records, counts: npt.NDArray[Any]) -> list[str]:
        """The prompts of some records with so many exemplars before each, at most those that there are."""
        found = self.chosen(records)
        return [
            SEPARATOR.join(
                [*(self._answered(int(e)) for e in row[:k][::-1] if e != NOBODY), self._inputs(int(r))]
            )
            for r, row, k in zip(records, found, counts, strict=True)
        ]

    def available(self, records: Sequence[int] | Records) -> npt.NDArray[np.int8]:
        """How many exemplars each record has, whether or not they fit, (n,) int8."""
        counts: npt.NDArray[np.int8] = (self.chosen(records) != NOBODY).sum(axis=1).astype(np.int8)
        return counts

    def _answered(self, record: int) -> str:
        return answered(self._inputs(record), self.shard.example(record).target)

    def _inputs(self, record: int) -> str:
        short = None if self.unit.shortened is None else self.unit.shortened.prompt(record)
        return self.shard.example(record).inputs if short is None else short

    @cached_property
    def _key(self) -> np.uint64:
        key: np.uint64 = np.uint64(stable_key("exemplars", self.seed, self.shard.summary.unit))
        return key

    @cached_property
    def _templates(self) -> npt.NDArray[np.int16]:
        return self.shard.column("template")

    @cached_property
    def _groups(self) -> npt.NDArray[np.uint64]:
        return self.shard.column("group")

    @cached_property
    def _pools(self) -> dict[int, Records]:
        """Template → its kept records, ascending."""
        kept = self.unit.records
        numbers = self._templates[kept]
        return {int(number): kept[numbers == number] for number in np.unique(numbers)}


@dataclass(frozen=True)
class Fitting:
    """What all units of a mixture share while their exemplars are fitted.

    Attributes:
        shards: The units' records.
        units: Which of them are kept, by their lengths without exemplars.
        measure: Counts tokens.
        count: Exemplars asked for.
        seed: Of their choice.
        max_tokens: The most that a prompt may have; None for any.
    """

    shards: tuple[Shard, ...]
    units: tuple[UnitIndex, ...]
    measure: LengthMeasure
    count: int
    seed: int
    max_tokens: int | None


def with_exemplars(
    work: Fitting, folder: Path, num_proc: int | None = 1, progress: bool = False
) -> list[tuple[UnitExemplars, Lengths]]:
    """Per unit its exemplars, as many as fit, and the lengths of the whole prompts and of the targets.

    Exemplars are left out from the far end until the prompt is no longer than it may be; the example stays, since its
    own prompt fits. The lengths, (2, records) int32, are those of the text that trains. They and the numbers of
    exemplars are kept in the cache, per shard, measure, limit and records kept.

    Args:
        work: What is fitted.
        folder: The cache.
        num_proc: Processes; None for one per core.
        progress: Show a bar with an estimate of what remains.
    """
    paths = [folder / f"{_key(work, number)}-exemplars.npy" for number in range(len(work.shards))]
    found = [kept_array(path) for path in paths]
    missing = [n for n, each in enumerate(found) if each is None or each.shape != (3, len(work.shards[n]))]
    with (
        bar("exemplars", len(paths) - len(missing), len(paths), show=progress and bool(missing)) as step,
        Processes(num_proc) as processes,
    ):
        for done, table in processes.results(_fitted, work, missing):
            keep_array(paths[missing[done]], table)
            found[missing[done]] = table
            step(work.shards[missing[done]].summary.unit)
    return [
        (_unit(work, n, table[2].astype(np.int8)), table[:2])
        for n, table in enumerate(found)
        if table is not None
    ]


def _unit(work: Fitting, number: int, fitting: npt.NDArray[np.int8]) -> UnitExemplars:
    return UnitExemplars(work.shards[number], work.units[number], work.count, work.seed, fitting)


def _key(work: Fitting, number: int) -> str:
    unit = work.units[number]
    kept = sha256(unit.records.tobytes()).hexdigest()
    cut = work.max_tokens if unit.shortened is not None else None
    return key_of(
        work.shards[number].key, work.measure.fingerprint, work.count, work.seed, work.max_tokens, cut, kept
    )


def _fitted(work: Fitting, number: int) -> Lengths:
    """(3, records) int32: tokens of prompts and targets, and how many exemplars stand before each."""
    unit = work.units[number]
    table = np.zeros((3, len(work.shards[number])), dtype=np.int32)
    table[:2] = unit.lengths
    exemplars = _unit(work, number, np.zeros(0, dtype=np.int8))
    for first in range(0, unit.examples, BATCH):
        records = unit.records[first : first + BATCH]
        counts = exemplars.available(records).astype(np.int32)
        table[:, records] = _fit(exemplars, work, records, counts)
    return table


def _fit(exemplars: UnitExemplars, work: Fitting, records: Records, counts: npt.NDArray[np.int32]) -> Lengths:
    """Lengths and numbers of exemplars of some records, (3, n) int32."""
    targets = [exemplars.shard.example(record).target for record in records.tolist()]
    found = np.stack([*exemplars.unit.lengths[:, records], np.zeros(len(records), dtype=np.int32)])
    left = np.flatnonzero(counts)
    while len(left):
        prompts = exemplars.prompts(records[left], counts[left])
        input_tokens, target_tokens = work.measure(prompts, [targets[n] for n in left])
        fits = input_tokens <= (np.iinfo(np.int32).max if work.max_tokens is None else work.max_tokens)
        found[:, left[fits]] = np.stack([input_tokens, target_tokens, counts[left]])[:, fits]
        left = left[~fits]
        counts[left] -= 1
        left = left[counts[left] > 0]
    return found
