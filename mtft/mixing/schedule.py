"""The order of a mixture as arithmetic: which unit stands at a position, and its number there."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mtft.errors import MixtureError

Integers = npt.NDArray[np.int64]

MAX_TOTAL = 2**31  # the arithmetic below stays within 64 bits for totals under this
BLOCK = 2**14  # positions walked down together: their numbers stay in a core's cache


class Schedule:
    """An endless sequence of units in which every prefix holds each unit at its rate, to within two rows.

    The units are the leaves of the Huffman tree of their weights. At a node of weight w whose left child
    weighs a, the first n positions send `left(n) = floor(n * a / w + 1/2)` to the left and the rest to the
    right. So a position's way down, and its number within its unit, follow from integers alone: no prefix,
    no state, time proportional to the depth.

    Example: weights `[2, 1]` give units `0 1 0 0 1 0 0 1 0 …`, of which position 4 is number 1 of unit 1.

    **The bound.** Let a leaf's ancestors, from its parent to the root, weigh a_1 < a_2 < …, and the leaf
    a_0. Each node rounds by at most 1/2 for both children, and a rounding at the node of weight a_k is
    passed down scaled by a_0 / a_(k-1). The error at the leaf is therefore at most 1/2 * (1 + a_0/a_1 +
    a_0/a_2 + …). When Huffman's algorithm merged two nodes into the one of weight a_k they were the lightest
    of all, so the sibling that joins it later weighs at least as much as either: a_(k+1) >= a_k + a_(k-1).
    The a_k grow at least as the Fibonacci numbers 1, 1, 2, 3, 5, …, and the error is at most half the sum of
    their reciprocals, 3.36 / 2 = 1.68 rows.

    Args:
        weights: One integer per unit, zero for a unit that never occurs; their sum is below 2**31.

    Raises:
        MixtureError: No weight is positive, one is negative, or the sum is too large.

    Source: Bresenham 1965 for the rounding, Huffman 1952 for the tree; the combination and its bound are ours
    (docs/decisions/0001-schedule.md).
    """

    def __init__(self, weights: Sequence[int] | Integers) -> None:
        self.weights = np.asarray(weights, dtype=np.int64)
        self.total = int(sum(map(int, self.weights)))
        if not len(self.weights) or self.weights.min() < 0 or not 0 < self.total < MAX_TOTAL:
            raise MixtureError(
                f"A schedule's weights must not be negative, and their sum lie in 1 … {MAX_TOTAL - 1}.",
                found=self.weights.tolist()[:20],
            )
        self._grow()

    def _grow(self) -> None:
        """The Huffman tree as arrays: the first `len(weights)` nodes are leaves, the others have children."""
        weights = [int(weight) for weight in self.weights]
        queue = [(weight, node) for node, weight in enumerate(weights) if weight]
        heapq.heapify(queue)
        children = [(0, 0)] * len(weights)
        while len(queue) > 1:
            (light, first), (heavy, second) = heapq.heappop(queue), heapq.heappop(queue)
            heapq.heappush(queue, (light + heavy, len(weights)))
            children.append((first, second))
            weights.append(light + heavy)
        self._root = queue[0][1]
        self._weight = np.array(weights, dtype=np.int64)
        self._left, self._right = np.array(children, dtype=np.int64).T.copy()

    def locate(self, positions: Integers) -> tuple[Integers, Integers]:
        """The unit at each position and its number within that unit, counted from zero; all (n,) int64."""
        unit, local = np.empty((2, len(positions)), dtype=np.int64)
        for first in range(0, len(positions), BLOCK):
            block = slice(first, first + BLOCK)
            unit[block], local[block] = self._walk(np.array(positions[block], dtype=np.int64))
        return unit, local

    def _walk(self, local: Integers) -> tuple[Integers, Integers]:
        """From the root down, one level of all positions at a time; changes its argument."""
        node = np.full(len(local), self._root, dtype=np.int64)
        inside = np.flatnonzero(node >= len(self.weights))
        while len(inside):
            at, n = node[inside], local[inside]
            before, goes_left = self._split(at, n)
            node[inside] = np.where(goes_left, self._left[at], self._right[at])
            local[inside] = np.where(goes_left, before, n - before)
            inside = inside[node[inside] >= len(self.weights)]
        return node, local

    def counts(self, n: int) -> Integers:
        """How often each unit occurs among the first n positions, (units,) int64; they sum to n."""
        counts = np.zeros(len(self._weight), dtype=np.int64)
        counts[self._root] = n
        for node in range(len(self._weight) - 1, len(self.weights) - 1, -1):  # parents after their children
            left = int(self._split(np.array([node]), counts[node : node + 1])[0][0])
            counts[self._left[node]] = left
            counts[self._right[node]] = counts[node] - left
        return counts[: len(self.weights)]

    def rates(self) -> list[int]:
        """Each unit's weight, as plain data."""
        found: list[int] = self.weights.tolist()
        return found

    def _split(self, node: Integers, n: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """left(n) = floor(n * a / w + 1/2) at some nodes, and whether left(n + 1) is one more.

        Exact in 64 bits: whole turns of w positions send a each, and only the rest is multiplied. Position n + 1
        adds 2a to the dividend, so it goes left where the remainder has come within 2a of the next multiple.
        """
        whole, left = self._weight[node], self._weight[self._left[node]]
        turns, rest = np.divmod(n, whole)
        sent, remainder = np.divmod(2 * rest * left + whole, 2 * whole)
        goes_left: npt.NDArray[np.bool_] = remainder >= 2 * (whole - left)
        return sent + turns * left, goes_left
