"""Building a mixture: every trained cell is rendered once into a shard, and later builds find it there."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mtft import __version__
from mtft.errors import MixtureError
from mtft.mixing.cells import MixtureCells, MixtureTask
from mtft.mixing.division import Groups, evaluation_groups
from mtft.mixing.index import (
    DUPLICATE,
    EVALUATED,
    KEPT,
    ByteLengths,
    LengthMeasure,
    MixtureIndex,
    TokenBounds,
    UnitIndex,
    Verdicts,
    measured,
    over_limits,
)
from mtft.mixing.leakage import Leakage, cached_leakage
from mtft.mixing.sampling import sampled
from mtft.mixing.shards import Shard, ShardWriter, replacing
from mtft.mixing.spec import MixtureSpec
from mtft.tasks import Problems
from mtft.tasks.problems import Kind
from mtft.tasks.task import PROMPTED

if TYPE_CHECKING:
    from mtft.tasks import Row, Sources, Task

SHARD_FORMAT = 1  # raised when the same settings would make other shards


@dataclass(frozen=True)
class BuiltMixture:
    """The rendered rows of a mixture, on disk.

    Attributes:
        spec: What was asked for.
        cells: The cells it resolved to.
        shards: One per trained cell, in order.
        evaluated: Hashes of the item groups on the validation and test sides of all cells; sorted.
        problems: What went wrong while rows were read and rendered, whether now or when the shard was made.
        folder: The cache.
        leakage: What its datasets have from each other.
    """

    spec: MixtureSpec
    cells: MixtureCells
    shards: tuple[Shard, ...]
    evaluated: Groups
    problems: Problems
    folder: Path
    leakage: tuple[Leakage, ...] = ()

    @cached_property
    def verdicts(self) -> tuple[Verdicts, ...]:
        """Per shard, (records,) uint8: what the guard, or a duplicate in another unit, takes out."""
        first = _first_of_each([shard.column("pair_high") for shard in self.shards], self._column("pair_low"))
        return tuple(
            np.where(np.isin(group, self.evaluated), EVALUATED, np.where(new, KEPT, DUPLICATE)).astype(
                np.uint8
            )
            for group, new in zip(self._column("group"), first, strict=True)
        )

    def texts(self) -> Iterator[str]:
        """Every kept prompt and target, for training a tokenizer."""
        for shard, verdicts in zip(self.shards, self.verdicts, strict=True):
            for first, inputs, targets in shard.texts():
                for record, (prompt, target) in enumerate(zip(inputs, targets, strict=True), start=first):
                    if verdicts[record] == KEPT:
                        yield prompt
                        yield target

    def index(self, measure: LengthMeasure | None = None, limits: TokenBounds | None = None) -> MixtureIndex:
        """Lengths and final verdicts of all records; lengths are kept in the cache, per shard and measure.

        Args:
            measure: An encoder's `measure`; without one, UTF-8 bytes, and no limit applies.
            limits: Over-long records are dropped and counted; by default the specification's limits.
        """
        limits = self.spec.limits if limits is None else limits
        chosen = ByteLengths() if measure is None else measure
        units = []
        for shard, verdicts in zip(self.shards, self.verdicts, strict=True):
            lengths = measured(shard, chosen, self.folder)
            final = verdicts if measure is None else over_limits(lengths, verdicts, limits)
            units.append(UnitIndex(final, lengths, shard.column("row")))
        return MixtureIndex(tuple(units), chosen.fingerprint, limits)

    def _column(self, name: str) -> list[npt.NDArray[Any]]:
        return [shard.column(name) for shard in self.shards]


def build_mixture(
    spec: MixtureSpec,
    cells: MixtureCells,
    sources: Sources,
    cache_dir: str | Path,
    progress: bool = False,
) -> BuiltMixture:
    """The rendered rows of every trained cell, from the cache where it has them.

    Each cell is one shard, keyed by its card, data, templates and settings, and renamed into place when
    whole: a build that was killed goes on where it was. Then the guard collects the item groups of every
        validation and test side.

    Args:
        spec: The specification.
        cells: What it resolved to.
        sources: How rows are reached; strict sources make the first bad row fatal.
        cache_dir: Made where it does not exist.
        progress: Show a bar with an estimate of what remains.

    Raises:
        MixtureError: No prompted row came out.
        MtftError: A source cannot be read, or a row is bad and the sources are strict.
    """
    folder = Path(cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    problems = Problems(strict=sources.strict)
    shards = []
    with _bar(progress) as bar:
        work = bar.add_task("rows", total=len(cells.train) + 1)
        for cell in cells.train:
            bar.update(work, description=cell.task.key)
            shards.append(_shard(cell, spec.seed, sources, folder, problems))
            bar.advance(work)
        bar.update(work, description="division")
        evaluated = _cached_groups(cells, sources, folder)
        copies = cached_leakage(cells, sources, folder)
        bar.update(work, description=spec.name, advance=1)
    if not any(len(shard) for shard in shards):
        raise MixtureError("A mixture must have at least one row to train on.", found="none", where=spec.path)
    return BuiltMixture(spec, cells, tuple(shards), evaluated, problems, folder, copies)


def _shard(cell: MixtureTask, seed: int, sources: Sources, folder: Path, problems: Problems) -> Shard:
    """The cell's shard, rendered unless the cache has it; what went wrong then is counted now."""
    key = _shard_key(cell, seed, sources)
    if not Shard.complete(folder, key):
        _render(cell, seed, sources, folder, key)
    shard = Shard(folder, key)
    problems.merge(_restored(shard.summary.problems))
    problems.raise_if_strict()
    return shard


def _shard_key(cell: MixtureTask, seed: int, sources: Sources) -> str:
    """Hash of whatever decides the shard's content."""
    task = cell.task
    names = [template.name for template in task.templates]
    data = _data_fingerprint(task, sources)
    sample = cell.sample and asdict(cell.sample)
    state = (SHARD_FORMAT, __version__, task.key, task.fingerprint, names, data, seed, sample)
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:20]


def _data_fingerprint(task: Task, sources: Sources) -> list[str]:
    """Hashes of all data that a cell's rows follow from, other languages' too where its card looks there."""
    card = task.card
    looks_around = card.division.exclusive or any(getattr(s, "looks_around", False) for s in card.steps)
    # One revision of a Hub repository fixes all its configurations together.
    configs = card.variants if looks_around and card.source.id is None else [task.config]
    found = [replace(task, config=config).source_fingerprint(sources) for config in configs]
    return found + (task.guard.data_fingerprints(sources) if task.guard else [])


def _render(cell: MixtureTask, seed: int, sources: Sources, folder: Path, key: str) -> None:
    """Reads, renders and writes one cell; the JSON file, written last, makes the shard complete."""
    task, problems = cell.task, Problems(strict=sources.strict)
    with replacing(folder / f"{key}.arrow") as temporary:
        writer = ShardWriter(temporary, task.key)
        for number, row in enumerate(_rows(cell, seed, sources, problems, writer)):
            before = writer.summary.rows
            for place, template in enumerate(task.templates or (None,)):
                example = task.render(row, template, problems, seed)
                if example is not None:
                    writer.add(example, number, place, PROMPTED if template is None else template.name)
            if writer.summary.rows > before:
                writer.count(row.fields, task.card.slices)
        summary = writer.close()
    for kind, count in (problems.dropped + problems.noted).items():
        summary.dropped[kind.reason] = summary.dropped.get(kind.reason, 0) + count
    summary.problems = problems.as_dict()
    summary.write(folder / f"{key}.json")


def _rows(
    cell: MixtureTask, seed: int, sources: Sources, problems: Problems, writer: ShardWriter
) -> Iterator[Row]:
    """The cell's train rows; of a sampled cell those of the drawn items, the others counted.

    A sample needs all items before its first row, so the rows are read twice rather than kept in memory.
    """
    rows = cell.task.rows("train", sources, problems)
    if cell.sample is None:
        yield from rows
        return
    before = cell.task.rows("train", sources, Problems())
    found = sampled(cell.sample, cell.task, before, seed)
    writer.summary.sample = found.record()
    for row in rows:
        if row.item_group in found.items:
            yield row
        else:
            writer.drop("not_sampled")


def _cached_groups(cells: MixtureCells, sources: Sources, folder: Path) -> Groups:
    """The guard's item groups, kept in the cache by the data of all cells."""
    state = sorted((task.key, _data_fingerprint(task, sources)) for task in cells.evaluated)
    key = hashlib.sha256(json.dumps([SHARD_FORMAT, __version__, state]).encode()).hexdigest()[:20]
    path = folder / f"{key}-groups.npy"
    if not path.is_file():
        groups = evaluation_groups(cells.evaluated, sources)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, groups)
    found: Groups = np.load(path, allow_pickle=False)
    return found


def _first_of_each(
    highs: Sequence[npt.NDArray[np.uint64]], lows: Sequence[npt.NDArray[np.uint64]]
) -> list[npt.NDArray[np.bool_]]:
    """Per array, whether each 128-bit word (high, low) occurs there for the first time among all."""
    high, low = np.concatenate(highs), np.concatenate(lows)
    order = np.lexsort((low, high))  # stable: among equals the earliest stands first
    again = np.zeros(len(order), dtype=np.bool_)
    again[order[1:]] = (np.diff(high[order]) == 0) & (np.diff(low[order]) == 0)
    return np.split(~again, np.cumsum([len(part) for part in highs])[:-1])


def _restored(content: dict[str, Any]) -> Problems:
    """Problems from their plain data."""

    def counted(name: str) -> Counter[Kind]:
        return Counter(
            {Kind(each["reason"], each["task"], each["file"]): each["count"] for each in content[name]}
        )

    return Problems(dropped=counted("dropped"), noted=counted("noted"), samples=list(content["samples"]))


def _bar(show: bool) -> Progress:
    return Progress(
        TextColumn("building"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        disable=not show,
    )
