"""Rendering one cell into its shard, in whatever process that happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtft.mixing.cells import MixtureTask
from mtft.mixing.files import claimed, digest_of, replacing
from mtft.mixing.fingerprints import Parts
from mtft.mixing.row_texts import text_columns, texts_of
from mtft.mixing.sampling import sampled
from mtft.mixing.shard_writer import ShardWriter
from mtft.mixing.shards import Shard, ShardSummary
from mtft.tasks import Problems
from mtft.tasks.task import PROMPTED

if TYPE_CHECKING:
    from mtft.tasks import Row, Sources


@dataclass(frozen=True)
class CellShard:
    """A cell and the shard that holds it.

    Attributes:
        cell: The cell.
        key: Its shard's key.
        parts: What the key stands for.
    """

    cell: MixtureTask
    key: str
    parts: Parts


@dataclass(frozen=True)
class Rendering:
    """What all cells of a build share.

    Attributes:
        seed: The mixture's.
        sources: How rows are reached.
        folder: The cache.
        shards: The cells with their shards. They stand here and not in the jobs, since they share cards and
            templates, which a process then reads and compiles once.
    """

    seed: int
    sources: Sources
    folder: Path
    shards: tuple[CellShard, ...] = ()


def render_cell(build: Rendering, number: int, *, wait: bool = False) -> bool:
    """Whether the shard of a cell stands in the cache now; False where another process is rendering it.

    Args:
        build: What is built.
        number: The cell's place in `build.shards`.
        wait: Wait for that other process, then look again.

    Raises:
        MtftError: A source cannot be read, or a row is bad and the sources are strict.
    """
    asked = build.shards[number]
    with claimed(build.folder / asked.key, wait=wait) as ours:
        if not ours:
            return False
        if Shard.find(build.folder, asked.key, verify=True) is None:
            _render(build, asked)
    return True


def _render(build: Rendering, asked: CellShard) -> None:
    """Reads, renders and writes one cell; the JSON file, written last, makes the shard complete."""
    task, problems = asked.cell.task, Problems(strict=build.sources.strict)
    templates = [(place, template) for place, template in enumerate(task.templates or (None,))]
    names = [PROMPTED if template is None else template.name for _, template in templates]
    with replacing(build.folder / f"{asked.key}.arrow") as temporary:
        writer, columns = ShardWriter(temporary, task.key), text_columns(task)
        for number, row in enumerate(train_rows(asked.cell, build, problems, writer.summary)):
            before, texts = writer.summary.rows, texts_of(row.fields, columns)
            for place, template in templates:
                example = task.render(row, template, problems, build.seed)
                if example is not None:
                    writer.add(example, number, place, names[place], texts)
            if writer.summary.rows > before:
                writer.count(row.fields, task.card.slices)
        summary = writer.close()
        summary.size, summary.sha256 = temporary.stat().st_size, digest_of(temporary).hex()
    for kind, count in (problems.dropped + problems.noted).items():
        summary.drop(kind.reason, count)
    summary.problems, summary.parts = problems.as_dict(), asked.parts
    summary.write(build.folder / f"{asked.key}.json")


def train_rows(
    cell: MixtureTask, build: Rendering, problems: Problems, summary: ShardSummary
) -> Iterator[Row]:
    """The cell's train rows, the same at every call; of a sampled cell those of the drawn items, the others
    counted.

    A sample needs all items before its first row, so the rows are read twice rather than kept in memory.
    """
    rows = cell.task.rows("train", build.sources, problems)
    if cell.sample is None:
        yield from rows
        return
    before = cell.task.rows("train", build.sources, Problems())
    found = sampled(cell.sample, cell.task, before, build.seed)
    summary.sample = found.record()
    for row in rows:
        if row.item_group in found.items:
            yield row
        else:
            summary.drop("not_sampled")
