"""A built mixture: its rendered rows on disk, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mtft.mixing.cells import MixtureCells
from mtft.mixing.division import Groups
from mtft.mixing.index import (
    KEPT,
    ByteLengths,
    LengthMeasure,
    MixtureIndex,
    TokenBounds,
    UnitIndex,
    Verdicts,
    over_limits,
)
from mtft.mixing.leakage import Leakage
from mtft.mixing.measuring import all_lengths
from mtft.mixing.shards import Shard
from mtft.mixing.spec import MixtureSpec
from mtft.mixing.verdicts import verdicts_of

if TYPE_CHECKING:
    from mtft.tasks import Problems


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

        Args:
            measure: An encoder's `measure`; without one, UTF-8 bytes, and no limit applies.
            limits: Over-long records are dropped and counted; by default the specification's limits.
            num_proc: Processes that measure what the cache lacks; None for one per core.
            progress: Show a bar with an estimate of what remains.
        """
        limits = self.spec.limits if limits is None else limits
        chosen = ByteLengths() if measure is None else measure
        units = []
        found = all_lengths(self.shards, chosen, self.folder, num_proc, progress)
        for shard, verdicts, lengths in zip(self.shards, self.verdicts, found, strict=True):
            final = verdicts if measure is None else over_limits(lengths, verdicts, limits)
            units.append(UnitIndex(final, lengths, shard.column("row")))
        return MixtureIndex(tuple(units), chosen.fingerprint, limits)
