"""Where the tokens of a batch are computed: segment by segment, in matrices of nearly equal lengths.

A packed batch is only how tokens travel. Before the first layer its segments are laid out in *slots*: segments of
similar length form a *group*, a small matrix with one segment per row, and all groups lie one after the other
in one long row. Layers that treat every token alike run over that row at once; attention runs group by
group, so that one segment never meets another, and its positions start at 0. A batch that is not packed is
the same with one segment per row, and its padding is then not computed either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mtft.errors import ModelError

Integers = npt.NDArray[np.int64]

# What a further group costs, in slots of padding: starting its kernels takes as long as computing so many tokens.
_GROUP_COST = {"cpu": 24, "cuda": 256}
# Rows times squared length of a group, so that its attention weights stay in a processor's cache.
_GROUP_AREA = {"cpu": 2**18, "cuda": 2**24}
_GROUP_ROWS = 256


@dataclass(frozen=True)
class Segments:
    """The segments of a batch, found in its segment numbers.

    Attributes:
        row: (segments,) int64 ascending, pack x segments per pack + number - 1: the place in `row_weights`.
        start: (segments,) int64, the first token in the flattened batch.
        length: (segments,) int64, tokens.
    """

    row: Integers
    start: Integers
    length: Integers


@dataclass(frozen=True)
class Group:
    """Segments computed as the rows of one matrix.

    Attributes:
        start: Its first slot.
        rows: Segments.
        length: Slots of each, the longest one's tokens.
        full: Whether all rows have as many tokens as slots.
    """

    start: int
    rows: int
    length: int
    full: bool

    @property
    def stop(self) -> int:
        """The slot after its last one."""
        return self.start + self.rows * self.length


@dataclass(frozen=True)
class Layout:
    """One side of a batch in slots.

    Attributes:
        groups: In the order of their slots.
        token: (slots,) int64, the slot's token in the flattened batch; padding repeats the segment's last one.
        filled: (slots,) bool, False on padding.
        first: (slots,) bool, True where a segment begins.
        row: (slots,) int64, see `Segments.row`.
        key_mask: (slots,) float32 to be added to attention scores, 0 on tokens and -inf on padding.
    """

    groups: tuple[Group, ...]
    token: Tensor
    filled: Tensor
    first: Tensor
    row: Tensor
    key_mask: Tensor

    @property
    def longest(self) -> int:
        """Slots of the longest segment."""
        return max(group.length for group in self.groups)


def find_segments(numbers: Tensor, per_pack: int, name: str) -> Segments:
    """The segments that the numbers mark.

    Example: `[[1, 1, 2, 0], [1, 0, 0, 0]]` with two per pack: rows `[0, 1, 2]`, starts `[0, 2, 4]`, lengths
    `[2, 1, 1]`.

    Args:
        numbers: (packs, length) integers: 0 on padding, else the segment's number in its pack, from 1.
        per_pack: The largest number there may be.
        name: What to call the numbers in a message.

    Raises:
        ModelError: A number is out of range, or a segment is in two pieces.
    """
    values = numbers.cpu().numpy().astype(np.int64)
    packs = len(values)
    if values.size and not 0 <= values.min() <= values.max() <= per_pack:
        raise ModelError(
            f"`{name}` must hold 0 on padding and, on tokens, numbers from 1 to {per_pack}, a weight for each.",
            found=f"{values.min()} to {values.max()}",
        )
    keys = (values + np.arange(packs)[:, None] * (per_pack + 1)).ravel()
    borders = np.flatnonzero(np.diff(keys, prepend=-1))
    lengths = np.diff(borders, append=keys.size)
    pack, number = np.divmod(keys[borders], per_pack + 1)
    kept = number > 0
    rows = (pack * per_pack + number - 1)[kept]
    order = np.argsort(rows, kind="stable")
    if (np.diff(rows[order]) == 0).any():
        raise ModelError(
            f"A segment's tokens must stand side by side in `{name}`.",
            found="one in two pieces",
            remedy="Pack with `PackedCollator`; pad on one side only.",
        )
    return Segments(rows[order], borders[kept][order], lengths[kept][order])


def lay_out(segments: Segments, device: torch.device) -> Layout:
    """The slots of a causal batch."""
    lengths = segments.length[:, None]
    order = np.argsort(-segments.length, kind="stable")
    return _slots(segments, _partition(lengths, order, device.type), device)


def lay_out_both(inputs: Segments, targets: Segments, device: torch.device) -> tuple[Layout, Layout]:
    """The slots of the prompts and of the targets of an encoder-decoder's batch, in the same groups and rows.

    Raises:
        ModelError: A target has no prompt.
    """
    both = _with_all_rows(targets, inputs)
    lengths = np.stack([inputs.length, both.length], axis=1)
    # prompts within a tenth of each other count as equally long, so that targets can be alike as well
    order = np.lexsort((-both.length, -np.ceil(np.log(inputs.length) / np.log(1.1))))
    members = _partition(lengths, order, device.type)
    return _slots(inputs, members, device), _slots(both, members, device)


def _with_all_rows(targets: Segments, inputs: Segments) -> Segments:
    """The targets, one for every prompt; a prompt without target gets an empty one."""
    if not np.isin(targets.row, inputs.row).all():
        raise ModelError(
            "Every target segment must have an input segment of the same number in its pack.",
            found=f"{np.setdiff1d(targets.row, inputs.row).size} without",
        )
    place = np.searchsorted(inputs.row, targets.row)
    start, length = np.zeros_like(inputs.row), np.zeros_like(inputs.row)
    start[place], length[place] = targets.start, targets.length
    return Segments(inputs.row, start, length)


def _partition(lengths: Integers, order: Integers, device: str) -> list[Integers]:
    """Which segments form a group: the cut of `order` into runs with the least slots and group costs in all.

    Args:
        lengths: (segments, sides).
        order: (segments,), similar ones side by side.
        device: Its kind.
    """
    cost, area = _GROUP_COST.get(device, _GROUP_COST["cuda"]), _GROUP_AREA.get(device, _GROUP_AREA["cuda"])
    sizes = lengths[order]
    least, begins = np.zeros(len(order) + 1), np.zeros(len(order) + 1, dtype=np.int64)
    longest = np.zeros_like(sizes)  # of the run from each segment up to the present one
    for end in range(1, len(order) + 1):
        window = slice(max(0, end - _GROUP_ROWS), end)
        np.maximum(longest[window], sizes[end - 1], out=longest[window])
        rows = np.arange(end - window.start, 0, -1)
        total = least[window] + cost + rows * longest[window].sum(axis=1)
        total[:-1][(rows * longest[window, 0] ** 2 > area)[:-1]] = np.inf
        begins[end] = window.start + total.argmin()
        least[end] = total.min()
    groups, end = [], len(order)
    while end:
        groups.append(order[begins[end] : end])
        end = int(begins[end])
    return groups[::-1]


def _slots(segments: Segments, members: Sequence[Integers], device: torch.device) -> Layout:
    """The layout of segments in these groups."""
    groups: list[Group] = []
    offsets, places = [], []
    start = 0
    for group in members:
        lengths = segments.length[group]
        width = max(1, int(lengths.max()))
        offsets.append(np.tile(np.arange(width), len(group)))
        places.append(np.repeat(group, width))
        groups.append(Group(start, len(group), width, bool((lengths == width).all())))
        start = groups[-1].stop
    offset, place = np.concatenate(offsets), np.concatenate(places)
    length = segments.length[place]
    token = segments.start[place] + np.minimum(offset, np.maximum(length - 1, 0))
    filled = torch.from_numpy(offset < length)
    return Layout(
        groups=tuple(groups),
        token=torch.from_numpy(token).to(device),
        filled=filled.to(device),
        first=torch.from_numpy(offset == 0).to(device),
        row=torch.from_numpy(segments.row[place]).to(device),
        key_mask=torch.zeros(len(filled)).masked_fill_(~filled, -torch.inf).to(device),
    )
