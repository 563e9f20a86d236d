"""Which examples share a row: arrays of lengths in, pack numbers out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mtft.errors import ConfigError

Integers = npt.NDArray[np.int64]
Capacities = tuple[int, ...]

OVER = -1
ALGORITHM = 1  # part of every plan's fingerprint: raised whenever the same lengths get other packs
MAX_CAPACITY = 2**20
_WHOLE = 2**20  # what a capacity is scaled to, so that distances are whole numbers


def sizes_of(
    kind: str, input_tokens: npt.NDArray[np.integer], target_tokens: npt.NDArray[np.integer]
) -> Integers:
    """What each example takes of a pack, int64: (rows, 1) for a causal model, (rows, 2) for a seq2seq one.

    A causal model reads prompt and target in one row; an encoder-decoder has a row for each.

    Example: prompts `[5, 9]` and targets `[2, 3]` are `[[7], [12]]` or `[[5, 2], [9, 3]]`.
    """
    both = np.stack([input_tokens, target_tokens], axis=1).astype(np.int64)
    return both.sum(axis=1, keepdims=True) if kind == "causal" else both


def pack(sizes: Integers, capacities: Sequence[int]) -> Integers:
    """The pack of each example, (rows,) int64 from 0 on, or -1 for one that is larger than a pack.

    The result follows from the arguments alone, on any machine: all arithmetic is of whole numbers, and equal
    sizes are taken in the order given.

    In one dimension: best-fit decreasing. In two, where an encoder-decoder's long prompts must meet long
    targets of other examples: each pack in turn takes, as long as anything fits, the example whose size is
    nearest to the room left, both measured in shares of the capacities.

    Example: sizes `[[5], [3], [4], [9]]` and capacity 8 give `[0, 0, 1, -1]`.

    Args:
        sizes: (rows, dimensions), not negative; see `sizes_of`.
        capacities: What a pack holds in each dimension, one or two.

    Raises:
        ConfigError: A capacity is not in 1 … 2**20, or there are not as many as dimensions.

    Source: Johnson 1974, "Fast algorithms for bin packing", for best-fit decreasing; Panigrahy et al. 2011,
        "Heuristics for vector bin packing", for the norm-based rule.
    """
    limits = checked_capacities(capacities, dimensions=sizes.shape[1])
    owner: Integers = np.full(len(sizes), OVER, dtype=np.int64)
    fits = (sizes <= np.array(limits)).all(axis=1)
    packed = _best_fit(sizes[fits, 0], limits[0]) if len(limits) == 1 else _nearest(sizes[fits], limits)
    owner[fits] = packed
    return owner


def checked_capacities(capacities: Sequence[int], *, dimensions: int) -> Capacities:
    """The capacities as a tuple.

    Raises:
        ConfigError: There are too many or too few, or one is out of range.
    """
    if len(capacities) != dimensions or not all(1 <= each <= MAX_CAPACITY for each in capacities):
        wanted = "one capacity" if dimensions == 1 else f"{dimensions} capacities"
        raise ConfigError(
            f"A pack has {wanted}, each from 1 to {MAX_CAPACITY} tokens.",
            found=", ".join(map(str, capacities)) or "none",
            remedy="A causal model takes one (prompt and target together), an encoder-decoder two.",
        )
    return tuple(int(each) for each in capacities)


def members(owner: Integers) -> list[Integers]:
    """The examples of each pack, ascending: one (examples,) int64 array per pack.

    Example: `[0, 1, -1, 0]` gives `[[0, 3], [1]]`.
    """
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner + 1, minlength=1)
    return np.split(order, np.cumsum(counts)[:-1])[1:]


def lower_bound(sizes: Integers, capacities: Sequence[int]) -> int:
    """Packs that no packing of these sizes can do without: the fuller dimension's total over its capacity."""
    totals = sizes.sum(axis=0).tolist()
    return max(int(-(-total // capacity)) for total, capacity in zip(totals, capacities, strict=True))


def _best_fit(lengths: Integers, capacity: int) -> Integers:
    """Longest first, each into the pack with the least room that holds it.

    The rooms that some pack has are the bits of one number, so the least room of at least n is the lowest
    bit from n on.
    """
    order = np.argsort(-lengths, kind="stable")
    waiting: list[list[int]] = [[] for _ in range(capacity + 1)]  # packs by their room
    rooms, opened, chosen = 0, 0, []
    for length in lengths[order].tolist():
        usable = rooms >> length
        if usable:
            room = length + (usable & -usable).bit_length() - 1
            number = waiting[room].pop()
            if not waiting[room]:
                rooms ^= 1 << room
        else:
            room, number, opened = capacity, opened, opened + 1
        waiting[room - length].append(number)
        rooms |= 1 << (room - length)
        chosen.append(number)
    owner: Integers = np.empty(len(lengths), dtype=np.int64)
    owner[order] = chosen
    return owner


def _nearest(sizes: Integers, capacities: Capacities) -> Integers:
    """Pack after pack, each filled with the example nearest to its room."""
    left = _Unpacked(sizes, capacities)
    kinds: list[int] = []
    packs: list[int] = []
    number = 0
    while len(kinds) < len(sizes):
        first, second = capacities
        while (taken := left.take(first, second)) is not None:
            kind, (one, two) = taken
            first, second = first - one, second - two
            kinds.append(kind)
            packs.append(number)
        left.forget_exhausted()
        number += 1
    owner: Integers = np.empty(len(sizes), dtype=np.int64)
    # the n-th taking of a size is of the n-th example that has it
    owner[np.argsort(left.kind_of, kind="stable")] = np.array(packs, dtype=np.int64)[
        np.argsort(np.array(kinds, dtype=np.int64), kind="stable")
    ]
    return owner


class _Unpacked:
    """The examples that are in no pack yet, grouped by size, the largest first dimension first.

    Distances are |room - size|² = |room|² - 2 room·size + |size|², in shares of the capacities scaled to whole
    numbers below 2**52: float64 holds them exactly, so their order is the same on every machine.

    Attributes:
        kind_of: (rows,) int64, the number of each example's size.
    """

    def __init__(self, sizes: Integers, capacities: Capacities) -> None:
        keys = sizes[:, 0] * (MAX_CAPACITY + 1) + sizes[:, 1]
        values, inverse, counts = np.unique(-keys, return_inverse=True, return_counts=True)
        self.kind_of: Integers = inverse.reshape(-1)
        first, second = np.divmod(-values, MAX_CAPACITY + 1)
        self._scale = [_WHOLE // capacity for capacity in capacities]
        self._number = np.arange(len(values))
        self._size = np.stack([first, second], axis=1)
        shares = (self._size * np.array(self._scale)).astype(np.float64)
        self._terms = np.concatenate([(shares**2).sum(axis=1, keepdims=True), shares], axis=1)
        self._room = np.ones(3)
        self._refresh(counts.tolist())

    def take(self, first: int, second: int) -> tuple[int, tuple[int, int]] | None:
        """The number and size of the example nearest to this room, which is then gone; None if none fits."""
        start = bisect_left(self._minus_first, -first)
        if start == len(self._minus_first):
            return None
        self._room[1], self._room[2] = -2 * first * self._scale[0], -2 * second * self._scale[1]
        distance = self._terms[start:] @ self._room
        np.putmask(distance, self._second[start:] > second, np.inf)
        best = int(distance.argmin())
        if distance[best] == np.inf:
            return None
        best += start
        self._count[best] -= 1
        if not self._count[best]:
            self._terms[best, 0] = np.inf
            self._exhausted += 1
        return self._entry[best]

    def forget_exhausted(self) -> None:
        """Drop sizes without examples, once they are many enough to slow the search down."""
        if 4 * self._exhausted > len(self._count):
            kept = np.flatnonzero(self._count)
            self._number, self._size, self._terms = self._number[kept], self._size[kept], self._terms[kept]
            self._refresh([count for count in self._count if count])

    def _refresh(self, counts: list[int]) -> None:
        """What is looked up one by one, as lists: arrays are slow at that."""
        self._count, self._exhausted = counts, 0
        self._second = self._size[:, 1].copy()
        self._minus_first: list[int] = (-self._size[:, 0]).tolist()
        sizes = map(tuple, self._size.tolist())
        self._entry: list[tuple[int, tuple[int, int]]] = list(zip(self._number.tolist(), sizes, strict=True))
