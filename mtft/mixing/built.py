"""A built mixture: its rendered rows on disk, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtft.mixing.cells import MixtureCells
from mtft.mixing.division import Groups
from mtft.mixing.exemplars import Fitting, with_exemplars
from mtft.mixing.index import (
    KEPT,
    ByteLengths,
    LengthMeasure,
    Lengths,
    MixtureIndex,
    TokenBounds,
    UnitIndex,
    Verdicts,
    over_limits,
)
from mtft.mixing.leakage import Leakage
from mtft.mixing.measuring import all_lengths
from mtft.mixing.rendering import Rendering
from mtft.mixing.shards import Shard
from mtft.mixing.spec import MixtureSpec
from mtft.mixing.truncated import TruncatedPrompts
from mtft.mixing.truncating import Truncating, all_truncated, mark_repeated
from mtft.mixing.verdicts import verdicts_of

if TYPE_CHECKING:
    from mtft.tasks import Problems, Sources


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
        sources: How rows are reached.
        leakage: What its datasets have from each other.
    """

    spec: MixtureSpec
    cells: MixtureCells
    shards: tuple[Shard, ...]
    evaluated: Groups
    problems: Problems
    folder: Path
    sources: Sources
    leakage: tuple[Leakage, ...] = ()

    @cached_property
    def verdicts(self) -> tuple[Verdicts, ...]:
        """Per shard, (records,) uint8: what the guard, or a duplicate in another unit, takes out."""
        return verdicts_of(self.shards, self.evaluated, self.folder)

    def texts(self) -> Iterator[str]:
        """Every kept prompt and target, for training a tokenizer."""
        for shard, verdicts in zip(self.shards, self.verdicts, strict=True):
            for first, inputs, targets in shard.texts():
                for record, (prompt, target) in enumerate(zip(inputs, targets, strict=True), start=first):
                    if verdicts[record] == KEPT:
                        yield prompt
                        yield target

    def index(
        self,
        measure: LengthMeasure | None = None,
        limits: TokenBounds | None = None,
        *,
        num_proc: int | None = 1,
        progress: bool = False,
    ) -> MixtureIndex:
        """Lengths and final verdicts of all records; lengths are kept in the cache, per shard and measure.

        Prompts over the limit are shortened where the specification says so (`Limits.over_long`); the shortened
        ones are kept in the cache too.

        Args:
            measure: An encoder's `measure`; without one, UTF-8 bytes, and no limit applies.
            limits: Beyond which records are shortened or dropped, and counted; by default the specification's.
            num_proc: Processes that measure what the cache lacks; None for one per core.
            progress: Show a bar with an estimate of what remains.

        Raises:
            MtftError: Prompts are to be shortened, and their rows cannot be read or were changed.
        """
        limits = self.spec.limits if limits is None else limits
        chosen = ByteLengths() if measure is None else measure
        lengths = all_lengths(self.shards, chosen, self.folder, num_proc, progress)
        verdicts = self.verdicts
        shortened: list[TruncatedPrompts | None] = [None] * len(self.shards)
        truncates = measure is not None and self.spec.limits.over_long == "truncate"
        budget = limits.max_input_tokens if truncates else None
        if budget is not None:
            build = Rendering(self.spec.seed, self.sources, self.folder)
            work = Truncating(build, self.cells.train, self.shards, chosen, budget)
            shortened = all_truncated(work, lengths, num_proc, progress)
            lengths = [_updated(old, new) for old, new in zip(lengths, shortened, strict=True)]
        if measure is not None:
            measured = zip(lengths, verdicts, strict=True)
            verdicts = tuple(over_limits(*each, limits) for each in measured)
        if budget is not None:
            verdicts = mark_repeated(verdicts, shortened)
        rows = [shard.column("row") for shard in self.shards]
        units = tuple(map(UnitIndex, verdicts, lengths, rows, shortened))
        if self.spec.exemplars:
            bound = limits.max_input_tokens if measure is not None else None
            fitting = Fitting(self.shards, units, chosen, self.spec.exemplars, self.spec.seed, bound)
            fitted = with_exemplars(fitting, self.folder, num_proc, progress)
            units = tuple(
                replace(unit, lengths=whole, exemplars=exemplars)
                for unit, (exemplars, whole) in zip(units, fitted, strict=True)
            )
        return MixtureIndex(units, chosen.fingerprint, limits, budget)


def _updated(lengths: Lengths, shortened: TruncatedPrompts | None) -> Lengths:
    """The lengths, still mapped where no prompt was shortened."""
    if shortened is None:
        return lengths
    updated = np.array(lengths)
    updated[:, shortened.records] = shortened.lengths
    return updated
