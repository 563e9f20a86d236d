"""Building a mixture: every trained cell is rendered once into a shard, and later builds find it there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtft import __version__
from mtft.errors import MixtureError
from mtft.mixing.built import BuiltMixture
from mtft.mixing.cells import MixtureCells
from mtft.mixing.division import Groups, evaluation_groups
from mtft.mixing.files import keep_array, kept_array
from mtft.mixing.fingerprints import SHARD_FORMAT, data_fingerprints, key_of, parts_of
from mtft.mixing.leakage import cached_leakage
from mtft.mixing.progress import bar
from mtft.mixing.rendering import CellShard, Rendering, render_cell
from mtft.mixing.shards import Shard
from mtft.mixing.spec import MixtureSpec
from mtft.mixing.workers import Processes
from mtft.tasks import Problems
from mtft.tasks.problems import Kind

if TYPE_CHECKING:
    from mtft.tasks import Sources, Task


def build_mixture(
    spec: MixtureSpec,
    cells: MixtureCells,
    sources: Sources,
    cache_dir: str | Path,
    progress: bool = False,
    *,
    num_proc: int | None = 1,
    verify: bool = True,
) -> BuiltMixture:
    """The rendered rows of every trained cell, from the cache where it has them.

    Each cell is one shard, keyed by its card, data, templates and settings, and renamed into place when
    whole: a build that was killed goes on where it was, a damaged shard is rendered again. The result does not
    depend on the number of processes. Then the guard collects the item groups of every validation and test side.

    Several processes or machines that share a cache may build the same mixture at once: each shard is rendered
    by one of them, and the others take up the next.

    Args:
        spec: The specification.
        cells: What it resolved to.
        sources: How rows are reached; strict sources make the first bad row fatal.
        cache_dir: Made where it does not exist.
        progress: Show a bar with an estimate of what remains.
        num_proc: Processes that render; None for one per core.
        verify: Compare each shard found with its hash, which reads all of it; else only its size.

    Raises:
        MixtureError: No prompted row came out.
        MtftError: A source cannot be read, or a row is bad and the sources are strict.
    """
    folder = Path(cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    build = Rendering(spec.seed, sources, folder, _asked(cells, spec.seed, sources))
    with Processes(num_proc) as processes:
        shards = _shards(build, processes, verify=verify, progress=progress)
        if not any(len(shard) for shard in shards):
            raise MixtureError(
                "A mixture must have at least one row to train on.", found="none", where=spec.path
            )
        problems = _problems(shards, strict=sources.strict)
        evaluated = _evaluated(cells, build, processes, progress=progress)
    copies = cached_leakage(cells, sources, folder)
    return BuiltMixture(spec, cells, shards, evaluated, problems, folder, sources, copies)


def _asked(cells: MixtureCells, seed: int, sources: Sources) -> tuple[CellShard, ...]:
    parts = [parts_of(cell, seed, sources) for cell in cells.train]
    return tuple(CellShard(cell, key_of(part), part) for cell, part in zip(cells.train, parts, strict=True))


def _shards(build: Rendering, processes: Processes, *, verify: bool, progress: bool) -> tuple[Shard, ...]:
    """One shard per cell, rendered where the cache lacks it; what went wrong in one found is fatal if strict."""
    keys = [each.key for each in build.shards]
    with ThreadPoolExecutor(processes.count) as readers:  # hashing leaves the interpreter to others
        found = list(readers.map(partial(Shard.find, build.folder, verify=verify), keys))
    _problems([shard for shard in found if shard], strict=build.sources.strict)
    missing = [number for number, shard in enumerate(found) if shard is None]
    with bar("rendering", len(keys) - len(missing), len(keys), show=progress and bool(missing)) as step:
        _render(missing, build, processes, step)
    return tuple(shard or Shard(build.folder, key) for shard, key in zip(found, keys, strict=True))


def _render(
    missing: Sequence[int], build: Rendering, processes: Processes, step: Callable[[str], None]
) -> None:
    """First what no other build is at, then what others were at: if they were killed, it is left to this one."""
    elsewhere = []
    for done, ours in processes.results(render_cell, build, missing):
        if ours:
            step(build.shards[missing[done]].cell.task.key)
        else:
            elsewhere.append(missing[done])
    for number in elsewhere:
        render_cell(build, number, wait=True)
        step(build.shards[number].cell.task.key)


@dataclass(frozen=True)
class _Dividing:
    """What the guard looks through."""

    tasks: tuple[Task, ...]
    sources: Sources


def _evaluated(cells: MixtureCells, build: Rendering, processes: Processes, *, progress: bool) -> Groups:
    """Hashes of all item groups that are evaluated, sorted, each once; per cell kept in the cache."""
    work = _Dividing(tuple({task.key: task for task in cells.evaluated}.values()), build.sources)
    paths = [build.folder / f"{_groups_key(task, build.sources)}-groups.npy" for task in work.tasks]
    found = [kept_array(path) for path in paths]
    missing = [number for number, groups in enumerate(found) if groups is None]
    with bar("dividing", len(paths) - len(missing), len(paths), show=progress and bool(missing)) as step:
        for done, groups in processes.results(_groups, work, missing):
            keep_array(paths[missing[done]], groups)
            found[missing[done]] = groups
            step(work.tasks[missing[done]].key)
    return np.unique(np.concatenate([groups for groups in found if groups is not None]))


def _groups(work: _Dividing, number: int) -> Groups:
    return evaluation_groups([work.tasks[number]], work.sources)


def _groups_key(task: Task, sources: Sources) -> str:
    guard = task.guard.fingerprint if task.guard else None
    return key_of(SHARD_FORMAT, __version__, task.key, guard, data_fingerprints(task, sources))


def _problems(shards: Sequence[Shard], *, strict: bool) -> Problems:
    """What was counted when the shards were made.

    Raises:
        TaskError: It is strict, and there is something.
    """
    problems = Problems(strict=strict)
    for shard in shards:
        problems.merge(_restored(shard.summary.problems))
        problems.raise_if_strict()
    return problems


def _restored(content: dict[str, Any]) -> Problems:
    """Problems from their plain data."""

    def counted(name: str) -> Counter[Kind]:
        return Counter(
            {Kind(each["reason"], each["task"], each["file"]): each["count"] for each in content[name]}
        )

    return Problems(dropped=counted("dropped"), noted=counted("noted"), samples=list(content["samples"]))
