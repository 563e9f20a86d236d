"""The packs of one stretch of the schedule after the other: computed from lengths, no text read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from mtft.encoding.packing import ALGORITHM, OVER, Integers, checked_capacities, members, pack, sizes_of
from mtft.encoding.step_plan import Positions
from mtft.errors import ConfigError, nearest
from mtft.mixing.permutation import permuted, stable_key

OverCapacity = Literal["drop", "refuse"]
OVER_CAPACITY = ("drop", "refuse")
WINDOW = 4096


class LengthSource(Protocol):
    """Examples by position whose lengths are known without reading them; a mixture is one."""

    @property
    def fingerprint(self) -> str:
        """Changes when any position holds another example."""

    def lengths(
        self, positions: npt.NDArray[np.int64], /
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Tokens of prompt and target at each position."""


@dataclass(frozen=True)
class PackWindow:
    """The packs of one window.

    Attributes:
        packs: In the order they are trained on; each (examples,) int64 positions, ascending.
        dropped: (examples,) int64, positions larger than a pack.
        digest: Hash of the window's lengths.
    """

    packs: tuple[Positions, ...]
    dropped: Positions
    digest: str


class PackWindows:
    """Window n holds the packs of positions n * window up to (n + 1) * window of the schedule.

    Each is packed by itself, and its packs are then put in an order drawn by `seed`, since the packer leaves
    the largest examples in front. The result does not depend on what was asked for before.

    Args:
        source: Where lengths come from.
        kind: `causal` or `seq2seq`: the encoder's.
        capacities: Tokens of a pack: one number for a causal model, encoder and decoder for a seq2seq one.
        total_rows: Positions in all, or None without an end; the last window may be short.
        window: Positions packed together.
        seed: Of the packs' order within their window.
        over_capacity: `drop` an example that is larger than a pack, and count it; or `refuse` it.

    Raises:
        ConfigError: A setting cannot work.
    """

    def __init__(
        self,
        source: LengthSource,
        kind: str,
        capacities: tuple[int, ...],
        *,
        total_rows: int | None = None,
        window: int = WINDOW,
        seed: int = 0,
        over_capacity: OverCapacity = "drop",
    ) -> None:
        self.capacities = checked_capacities(capacities, dimensions=1 if kind == "causal" else 2)
        if over_capacity not in OVER_CAPACITY:
            raise ConfigError(
                "An example larger than a pack is dropped or refused.",
                found=f"`{over_capacity}`",
                remedy=nearest(over_capacity, OVER_CAPACITY),
            )
        if window < 1 or (total_rows is not None and total_rows < 1):
            raise ConfigError(
                "Packing needs at least one row per window and one row in all.",
                found=f"window={window}, total_rows={total_rows}",
            )
        self.source, self.kind, self.total_rows = source, kind, total_rows
        self.window, self.seed, self.over_capacity = window, seed, over_capacity
        self._kept: dict[int, PackWindow] = {}

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides which positions share a pack, but where the schedule ends."""
        rules = (ALGORITHM, self.kind, self.capacities, self.window, self.seed, self.over_capacity)
        return hashlib.sha256(repr((self.source.fingerprint, *rules)).encode()).hexdigest()[:16]

    def exists(self, number: int) -> bool:
        """Whether the schedule reaches into this window."""
        return number >= 0 and (self.total_rows is None or number * self.window < self.total_rows)

    def __getitem__(self, number: int) -> PackWindow:
        """One window; the last two asked for are kept.

        Raises:
            ConfigError: An example is larger than a pack and such are refused, or none fits.
        """
        if number not in self._kept:
            while len(self._kept) > 1:
                del self._kept[next(iter(self._kept))]
            self._kept[number] = self._packed(number)
        return self._kept[number]

    def _packed(self, number: int) -> PackWindow:
        end = (number + 1) * self.window
        if self.total_rows is not None:
            end = min(end, self.total_rows)
        positions = np.arange(number * self.window, end, dtype=np.int64)
        sizes = sizes_of(self.kind, *self.source.lengths(positions))
        owner = pack(sizes, self.capacities)
        self._check(positions, sizes, owner)
        packs = [positions[examples] for examples in members(owner)]
        order = _order(len(packs), stable_key("packs", self.seed, number))
        digest = hashlib.sha256(np.ascontiguousarray(sizes, dtype="<i8").tobytes()).hexdigest()[:16]
        return PackWindow(tuple(packs[n] for n in order), positions[owner == OVER], digest)

    def _check(self, positions: Positions, sizes: Integers, owner: Integers) -> None:
        """Raise where an example is too large and such are refused, or where none fits."""
        over = np.flatnonzero(owner == OVER)
        if len(over) and self.over_capacity == "refuse":
            raise ConfigError(
                f"Every example must fit into a pack of {in_words(self.capacities)}.",
                found=f"{in_words(sizes[over[0]].tolist())} at position {positions[over[0]]}",
                remedy="Raise the capacity, lower the token limits, or drop such examples.",
            )
        # a short last window may hold nothing that fits, as long as others do
        if len(over) == len(owner) and (len(owner) == self.window or positions[0] == 0):
            raise ConfigError(
                f"Some example of every window must fit into a pack of {in_words(self.capacities)}.",
                found=f"the smallest of {len(owner)} has {in_words(sizes[sizes.sum(axis=1).argmin()].tolist())}",
                remedy="Raise the capacity; `mtft mixture describe NAME --packing` proposes some.",
            )


def in_words(sizes: tuple[int, ...] | list[int]) -> str:
    """`1024 tokens`, or `1024 encoder and 256 decoder tokens`."""
    return f"{sizes[0]} tokens" if len(sizes) == 1 else f"{sizes[0]} encoder and {sizes[1]} decoder tokens"


def _order(count: int, key: int) -> list[int]:
    """A shuffled 0 … count - 1, the same on every machine."""
    index = np.arange(count, dtype=np.int64)
    shuffled = permuted(index, np.full(count, count, np.int64), np.full(count, key, dtype=np.uint64))
    return [int(n) for n in shuffled]
