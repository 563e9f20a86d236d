"""The mixture itself: an endless, reproducible order over a build, every position computable alone."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mtft.mixing.built import BuiltMixture
from mtft.mixing.describe import describe, emptied_cells
from mtft.mixing.index import Lengths, MixtureIndex, UnitIndex
from mtft.mixing.manifest import manifest
from mtft.mixing.order import Order
from mtft.mixing.overlap import OverlapIndex
from mtft.mixing.overlap_build import overlap_index
from mtft.mixing.phased_schedule import PhasedSchedule
from mtft.mixing.phases import mean_shares, phases_of, scheduled
from mtft.mixing.proportions import Proportion, proportions
from mtft.mixing.rates import Rates, Unit, horizon_of, most_positions
from mtft.mixing.repetition import beyond_bound
from mtft.mixing.schedule import Integers
from mtft.mixing.shards import Shard
from mtft.tasks.records import Example

logger = logging.getLogger(__name__)


class Mixture:
    """Position → (unit, row, template) → example.

    A unit is a trained cell. At each position the schedule names the unit; within it, no row repeats before
    all were used, each epoch has an order of its own, and a row shows another of its templates each epoch
    until it has shown them all.

    Args:
        built: The rendered rows.
        index: Which of them train, and their lengths.
        rates: How units share positions; by default the specification's.
        seed: Of the order; by default the specification's.
        horizon: Positions over which a maximum repetition is held, and annealing goes on where it does not say;
            by default what the rates say, else one pass over all rows.

    Attributes:
        phases: Stretches of constant rates; one, where rates do not change.
        shares: (units,) float64, of the positions of one pass.
        horizon: As given, or its default.
        most: (units,) float64, how many positions of the horizon each may have; infinity for any.

    Raises:
        MixtureError: No row is left, or the maximum repetition does not fill the horizon.
    """

    def __init__(
        self,
        built: BuiltMixture,
        index: MixtureIndex,
        rates: Rates | None = None,
        seed: int | None = None,
        *,
        horizon: int | None = None,
    ) -> None:
        self.built = built
        self.index = index
        self.rates = rates or built.spec.rates
        self.seed = built.spec.seed if seed is None else seed
        self.sizes = np.array([unit.rows for unit in index.units], dtype=np.int64)
        if emptied := emptied_cells(self):
            logger.warning("%d cells have no row left to train on: %s", len(emptied), "; ".join(emptied))
        units = self._units()
        self.horizon = horizon_of(units, self.rates) if horizon is None else horizon
        self.most = most_positions(units, self.rates)
        self.phases = phases_of(units, self.rates, horizon=self.horizon)
        self.shares = mean_shares(self.phases, len(self))
        self.schedule = scheduled(self.phases)
        names = [shard.summary.unit for shard in built.shards]
        self._order = Order(self.schedule, self.sizes, names, self.seed)
        # All kept records of all units in one line; a place in it is a slot.
        self._records = np.concatenate([unit.records for unit in index.units])
        first_slot = _offsets([unit.examples for unit in index.units])
        starts = [unit.starts + first for unit, first in zip(index.units, first_slot, strict=True)]
        self._starts = np.concatenate([*starts, [len(self._records)]])
        self._first_row = _offsets(self.sizes.tolist())

    def __len__(self) -> int:
        """Rows of one pass: every kept row of every unit once. Positions go on beyond."""
        return int(self.sizes.sum())

    def at(self, positions: Sequence[int] | Integers) -> tuple[Integers, Integers, Integers]:
        """What stands at each position: the unit, the row's number among the unit's kept rows, the
        template's number.

        All (n,) int64. The template's number is its place in the unit's `Task.templates`.
        """
        unit, row, slot = self._place(positions)
        return unit, row, self._templates[slot].astype(np.int64)

    def example(self, position: int) -> Example:
        """The example at a position."""
        return self.examples([position])[0]

    def examples(self, positions: Sequence[int] | Integers) -> list[Example]:
        """The examples at some positions; only their own records are read."""
        unit, _, slot = self._place(positions)
        records = self._records[slot].tolist()
        return [self._example(u, r) for u, r in zip(unit.tolist(), records, strict=True)]

    def lengths(self, positions: Sequence[int] | Integers) -> tuple[Lengths, Lengths]:
        """Tokens of the prompts and targets at some positions, both (n,) int32; no text is read."""
        unit, _, slot = self._place(positions)
        found = np.empty((2, len(unit)), dtype=np.int32)
        record = self._records[slot]
        order = np.argsort(unit, kind="stable")
        for here in np.split(order, np.flatnonzero(np.diff(unit[order])) + 1):
            if len(here):  # the lengths stay in their files: only those asked for are read
                found[:, here] = self.index.units[unit[here[0]]].lengths[:, record[here]]
        return found[0], found[1]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that decides which text stands at which position."""
        state = hashlib.sha256(repr((self.seed, self.schedule.rates())).encode())
        if isinstance(self.schedule, PhasedSchedule):
            state.update(repr(self.schedule.stops.tolist()).encode())
        for shard, unit in zip(self.built.shards, self.index.units, strict=True):
            state.update(f"{shard.summary.unit}\n{shard.key}\n".encode())
            state.update(unit.records.tobytes())
        if self.index.truncated_to is not None:  # the measure decides where a prompt is cut
            state.update(f"{self.index.measure}\n{self.index.truncated_to}\n".encode())
        for unit in self.index.units:
            if unit.exemplars is not None:
                state.update(f"exemplars {unit.exemplars.count} {unit.exemplars.seed}\n".encode())
                state.update(unit.exemplars.fitting.tobytes())
        return state.hexdigest()[:16]

    @cached_property
    def parts(self) -> dict[str, Any]:
        """What the fingerprint stands for, by name, as plain data: two mixtures that differ, differ in some part."""
        columns = zip(self.built.shards, self.index.units, self.schedule.rates(), strict=True)
        units = {
            shard.summary.unit: {**shard.summary.parts, "rate": rate, "records that train": _digest(unit)}
            for shard, unit, rate in columns
        }
        bound = self.index.truncated_to
        over_long = "drop" if bound is None else f"truncate to {bound} tokens"
        whole: dict[str, Any] = {"seed of the order": self.seed, "over_long": over_long}
        if isinstance(self.schedule, PhasedSchedule):
            whole["rates change at positions"] = self.schedule.stops.tolist()
        if count := self.built.spec.exemplars:
            whole["exemplars"] = f"{count}, {_exemplars_digest(self.index.units)}"
        return {**whole, **units}

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        """(task, language) of every trained cell to its task, its language or its task cluster.

        Args:
            by: `task`, `language` or `cluster`.
        """
        units = self._units()
        return {(unit.task, unit.language): str(getattr(unit, by)) for unit in units}

    def proportions(self, n_positions: int | None = None) -> list[Proportion]:
        """What the first `n_positions` hold of each unit; by default of one pass."""
        return proportions(self, len(self) if n_positions is None else n_positions)

    def check_repetition(self, n_positions: int) -> None:
        """Refuse to go so far that a row comes more often than a bound on repetition allows.

        Raises:
            ConfigError: One does; up to the horizon none is looked for.
        """
        if error := beyond_bound(self, n_positions):
            raise error

    def describe(self, n_positions: int | None = None, *, width: int = 120) -> str:
        """The tree of sources and the proportion table, as text of at most `width` columns.

        Where rows come more often than a bound on repetition allows, a last line warns of it, whole.
        """
        return describe(self, len(self) if n_positions is None else n_positions, width)

    def manifest(self, n_positions: int | None = None) -> dict[str, Any]:
        """Settings, sources, counts, drop reasons and proportions as plain data."""
        return manifest(self, len(self) if n_positions is None else n_positions)

    def overlap(self) -> OverlapIndex:
        """Hashes of the text of all rows, whether or not a run reaches them; written once, kept in the cache."""
        return overlap_index(
            self.built.shards, self.index.units, self.built.folder, name=self.built.spec.name
        )

    def _example(self, unit: int, record: int) -> Example:
        exemplars = self.index.units[unit].exemplars
        example, shortened = self.built.shards[unit].example(record), self.index.units[unit].shortened
        if exemplars is not None:
            return replace(example, inputs=exemplars.prompt(record))
        prompt = None if shortened is None else shortened.prompt(record)
        return example if prompt is None else replace(example, inputs=prompt)

    def _units(self) -> list[Unit]:
        return [
            Unit(
                rows=index.rows,
                task=cell.task.name,
                cluster=cell.task.cluster,
                language=cell.task.language,
                weight=cell.weight,
                max_repetition=cell.max_repetition,
                prompted=_prompted(shard, index) if self.rates.unit == "examples" else (),
                templates=max(len(cell.task.templates), 1),
            )
            for cell, index, shard in zip(
                self.built.cells.train, self.index.units, self.built.shards, strict=True
            )
        ]

    def _place(self, positions: Sequence[int] | Integers) -> tuple[Integers, Integers, Integers]:
        """Unit, row among its kept rows, and slot, at each position; all (n,) int64."""
        unit, row, epoch = self._order.rows(np.asarray(positions, dtype=np.int64))
        first = self._first_row[unit] + row
        start, templates = self._starts[first], self._starts[first + 1] - self._starts[first]
        begin = self._order.draw(unit, row) % templates.astype(np.uint64)
        return unit, row, start + (begin.astype(np.int64) + epoch) % templates

    @cached_property
    def _templates(self) -> npt.NDArray[np.int16]:
        """(slots,) the number of each slot's template."""
        columns = zip(self.built.shards, self.index.units, strict=True)
        return np.concatenate([shard.column("template")[unit.records] for shard, unit in columns])


def _digest(unit: UnitIndex) -> str:
    return f"{unit.examples} ({hashlib.sha256(unit.records.tobytes()).hexdigest()[:8]})"


def _exemplars_digest(units: Sequence[UnitIndex]) -> str:
    fitting = b"".join(unit.exemplars.fitting.tobytes() for unit in units if unit.exemplars is not None)
    return hashlib.sha256(fitting).hexdigest()[:8]


def _prompted(shard: Shard, index: UnitIndex) -> tuple[int, ...]:
    """How many kept records have each origin, which is one template on one split."""
    return tuple(np.unique(shard.column("origin")[index.records], return_counts=True)[1].tolist())


def _offsets(counts: Sequence[int]) -> Integers:
    """Where each of consecutive runs begins. Example: `[3, 2]` gives `[0, 3]`."""
    return np.cumsum([0, *counts], dtype=np.int64)[:-1]
