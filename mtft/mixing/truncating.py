"""Shortening prompts that are too long: each is rendered again, cut where its card allows, and kept in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mtft.errors import MixtureError
from mtft.mixing.cells import MixtureTask
from mtft.mixing.files import replacing, seal
from mtft.mixing.index import DUPLICATE, KEPT, LengthMeasure, Lengths, Verdicts
from mtft.mixing.progress import bar
from mtft.mixing.rendering import Rendering, train_rows
from mtft.mixing.shard_writer import BATCH_ROWS, pair_hash
from mtft.mixing.shards import Shard, ShardSummary
from mtft.mixing.truncated import SCHEMA, TruncatedPrompts
from mtft.mixing.verdicts import first_occurrences
from mtft.mixing.workers import Processes
from mtft.tasks import Problems


@dataclass(frozen=True)
class Truncating:
    """What all shards share.

    Attributes:
        build: How their rows were rendered.
        cells: The trained cells.
        shards: Theirs.
        measure: Counts tokens, special ones included.
        max_tokens: The most that a prompt may have.
    """

    build: Rendering
    cells: tuple[MixtureTask, ...]
    shards: tuple[Shard, ...]
    measure: LengthMeasure
    max_tokens: int


@dataclass(frozen=True)
class _Job:
    """The records of one shard that are too long and may be shortened, and the file that is to hold them."""

    shard: int
    records: npt.NDArray[np.int32]
    path: Path


def all_truncated(
    work: Truncating, lengths: Sequence[Lengths], num_proc: int | None = 1, progress: bool = False
) -> list[TruncatedPrompts | None]:
    """Per shard its shortened prompts, mapped from the cache's files; None where no prompt was shortened.

    A file follows from the shard, the measure and the tokens alone: what else takes records out is not looked at.
    Where it is missing, the cell's rows are read again up to the last that is too long; only those are rendered.

    Args:
        work: What is shortened, and to what.
        lengths: Per shard (2, records) int32, tokens of whole prompts and targets.
        num_proc: Processes; None for one per core.
        progress: Show a bar with an estimate of what remains.

    Raises:
        MixtureError: The rows are not those that the shards were made of.
        MtftError: A source cannot be read.
    """
    jobs = [_job(work, number, each) for number, each in enumerate(lengths)]
    found = [TruncatedPrompts.find(job.path) if len(job.records) else None for job in jobs]
    missing = [job for job, each in zip(jobs, found, strict=True) if len(job.records) and each is None]
    with (
        bar("truncating", len(jobs) - len(missing), len(jobs), show=progress and bool(missing)) as step,
        Processes(num_proc) as processes,
    ):
        for done, _ in processes.results(_truncate, work, missing):
            job = missing[done]
            found[job.shard] = TruncatedPrompts.find(job.path)
            step(work.shards[job.shard].summary.unit)
    return [each if each else None for each in found]


def mark_repeated(
    verdicts: Sequence[Verdicts], truncated: Sequence[TruncatedPrompts | None]
) -> tuple[Verdicts, ...]:
    """The verdicts, kept prompts that became equal to an earlier one by shortening, with its target, as duplicates."""
    marked = tuple(each.copy() for each in verdicts)
    kept = [
        (each, found, np.flatnonzero(each[found.records] == KEPT))
        for each, found in zip(marked, truncated, strict=True)
        if found is not None
    ]
    if not sum(len(here) for _, _, here in kept):
        return marked
    new = first_occurrences(*np.concatenate([found.pairs[:, here] for _, found, here in kept], axis=1))
    parts = np.split(new, np.cumsum([len(here) for _, _, here in kept])[:-1])
    for (each, found, here), first in zip(kept, parts, strict=True):
        each[found.records[here[~first]]] = DUPLICATE
    return marked


def _job(work: Truncating, number: int, lengths: Lengths) -> _Job:
    task, shard = work.cells[number].task, work.shards[number]
    places = [place for place, template in enumerate(task.templates) if task.truncatable(template)]
    long = lengths[0] > work.max_tokens
    if places and long.any():
        long &= np.isin(shard.column("template"), places)
    path = work.build.folder / f"{shard.key}-{work.measure.fingerprint}-{work.max_tokens}.arrow"
    return _Job(number, np.flatnonzero(long & bool(places)).astype(np.int32), path)


def _truncate(work: Truncating, job: _Job) -> None:
    """Writes a shard's file, which may hold nothing."""
    cut = _cut(work, job)
    with replacing(job.path) as temporary:
        with pa.ipc.new_file(str(temporary), SCHEMA) as writer:
            while batch := list(islice(cut, BATCH_ROWS)):
                writer.write_batch(_batch(batch, work.measure))
        seal(temporary)


def _batch(cut: Sequence[tuple[int, str, str]], measure: LengthMeasure) -> pa.RecordBatch:
    records, prompts, targets = (list(column) for column in zip(*cut, strict=True))
    pairs = b"".join(pair_hash(prompt, target) for _, prompt, target in cut)
    halves = np.frombuffer(pairs, dtype=">u8").reshape(-1, 2).T.astype(np.uint64)
    columns = zip((records, prompts, *measure(prompts, targets), *halves), SCHEMA.types, strict=True)
    return pa.record_batch([pa.array(column, kind) for column, kind in columns], schema=SCHEMA)


def _cut(work: Truncating, job: _Job) -> Iterator[tuple[int, str, str]]:
    """Record, shortened prompt and target, of those that could be shortened."""
    cell, shard = work.cells[job.shard], work.shards[job.shard]
    rows = enumerate(train_rows(cell, work.build, Problems(), ShardSummary(cell.task.key)))
    wanted, places = shard.column("row")[job.records], shard.column("template")[job.records]
    at, row = -1, None
    for record, number, place in zip(job.records.tolist(), wanted.tolist(), places.tolist(), strict=True):
        while at < number:
            at, row = next(rows, (number, None))
        example = shard.example(record)
        if row is None or row.row_id != example.row_id:
            raise MixtureError(
                "The rows of a mixture must not change while it is in use.",
                found=f"another row {number}" if row else f"no row {number}",
                where=cell.task.key,
                remedy="Build the mixture again.",
            )

        def tokens(text: str, target: str = example.target) -> int:
            return int(work.measure([text], [target])[0][0])

        fitted = cell.task.fit(row, cell.task.templates[place], work.max_tokens, tokens, work.build.seed)
        if fitted is not None:
            yield record, fitted.inputs, example.target
