"""Batches of similar length under a token budget, in an order that does not depend on the rows' order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor


class HasKey(Protocol):
    """Something with a key that tells it from others of its size."""

    @property
    def key(self) -> str:
        """The key."""


Item = TypeVar("Item", bound=HasKey)


def batches(
    items: Iterable[Item], size: Callable[[Item], tuple[int, ...]], tokens: int, max_rows: int = 512
) -> list[list[Item]]:
    """Items in batches, longest first, so that memory runs out at the first batch or not at all.

    Args:
        items: Any number, over all tasks.
        size: The dimensions that a batch pads to its maxima, the most important first; their sum is a row's
        cost.
        tokens: Budget of a batch, padding included; one item may exceed it alone.
        max_rows: Most items in a batch.
    """
    ordered = sorted(items, key=lambda item: (*size(item), item.key), reverse=True)
    made: list[list[Item]] = []
    widest: tuple[int, ...] = ()
    for item in ordered:
        both = tuple(map(max, widest, size(item))) if made else size(item)
        if made and len(made[-1]) < max_rows and sum(both) * (len(made[-1]) + 1) <= tokens:
            made[-1].append(item)
            widest = both
        else:
            made.append([item])
            widest = size(item)
    return made


def packed(
    items: Iterable[Item], size: Callable[[Item], int], order: Callable[[Item], tuple[Any, ...]], tokens: int
) -> list[list[Item]]:
    """Items in batches without padding, the first of an order last, in which the key decides what `order` leaves open.

    Args:
        items: Any number, over all tasks.
        size: Tokens of an item.
        order: Begins with what costs memory, so that it runs out at the first batch or not at all.
        tokens: Budget of a batch; one item may exceed it alone.
    """
    made: list[list[Item]] = []
    filled = 0
    for item in sorted(items, key=lambda item: (*order(item), item.key), reverse=True):
        cost = size(item)
        if not made or filled + cost > tokens:
            made.append([])
            filled = 0
        made[-1].append(item)
        filled += cost
    return made


def padded(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids (rows, longest) int64 padded on the right with `pad`, and their mask (rows, longest) int64.

    Example: [[5, 6, 7], [8]] with pad 0 gives [[5, 6, 7], [8, 0, 0]] and [[1, 1, 1], [1, 0, 0]].
    """
    longest = max((len(row) for row in rows), default=0)
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], dtype=torch.int64)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(longest)[None, :] < lengths[:, None]).long()
    return ids.reshape(len(rows), longest).to(device), mask.to(device)


def left_padded(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Like `padded`, on the left: all rows end together.

    Example: [[5, 6, 7], [8]] with pad 0 gives [[5, 6, 7], [0, 0, 8]] and [[1, 1, 1], [0, 0, 1]].
    """
    ids, mask = padded([row[::-1] for row in rows], pad, device)
    return ids.flip(1), mask.flip(1)
