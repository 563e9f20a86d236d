"""How full packs of several capacities would be, and which capacities fit the data best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtft.encoding.pack_windows import WINDOW, LengthSource
from mtft.encoding.packing import MAX_CAPACITY, OVER, Capacities, Integers, pack, sizes_of
from mtft.errors import ConfigError

CUSTOMARY = (512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
SAMPLE = 32_768
_STEP, _TARGET_STEP = 64, 16  # capacities are multiples of these
_TRIED = 4  # customary capacities above the smallest that holds every example
_TARGET_SHARES = (1.0, 1.15, 1.35)  # decoder capacities, in what the encoder's packs bring on average
_AS_GOOD = 1.01


@dataclass(frozen=True)
class Filling:
    """How a mixture's first positions fill packs of some capacity.

    Attributes:
        capacities: Tokens of a pack: one number, or encoder and decoder.
        utilisation: Share of each capacity that holds tokens, over all packs.
        packs: How many there are.
        examples_per_pack: Their mean.
        tokens_per_example: Tokens computed for an example, padding included: what packing makes small.
        dropped: Examples larger than a pack.
    """

    capacities: Capacities
    utilisation: tuple[float, ...]
    packs: int
    examples_per_pack: float
    tokens_per_example: float
    dropped: int


def filling(sizes: Integers, capacities: Capacities, window: int = WINDOW) -> Filling:
    """How full packs of these capacities are when each `window` examples are packed together.

    Args:
        sizes: (rows, dimensions), in the schedule's order; see `sizes_of`.
        capacities: One per dimension.
        window: As in `PackWindows`.

    Raises:
        ConfigError: A capacity is impossible.
    """
    packs, kept = 0, np.zeros(len(sizes), dtype=bool)
    for first in range(0, len(sizes), window):
        owner = pack(sizes[first : first + window], capacities)
        kept[first : first + window] = owner != OVER
        packs += int(owner.max(initial=OVER)) + 1
    examples, totals = int(kept.sum()), sizes[kept].sum(axis=0).tolist()
    shares = (total / max(1, packs * capacity) for total, capacity in zip(totals, capacities, strict=True))
    return Filling(
        capacities=capacities,
        utilisation=tuple(shares),
        packs=packs,
        examples_per_pack=examples / max(1, packs),
        tokens_per_example=packs * sum(capacities) / max(1, examples),
        dropped=len(sizes) - examples,
    )


def fillings(
    source: LengthSource, kind: str, rows: int, window: int = WINDOW
) -> tuple[list[Filling], Filling]:
    """How the first `rows` positions fill packs of several capacities, and the one proposed.

    Proposed is the smallest capacity that drops nothing and computes at most 1 % more tokens per example than
    the best: attention within a pack costs more the longer the pack is.

    Args:
        source: Where lengths come from.
        kind: `causal` or `seq2seq`.
        rows: Positions looked at.
        window: As in `PackWindows`.

    Raises:
        ConfigError: An example is longer than any capacity.
    """
    sizes = sizes_of(kind, *source.lengths(np.arange(rows, dtype=np.int64)))
    found = [filling(sizes, capacities, window) for capacities in candidates(sizes)]
    whole = [each for each in found if not each.dropped]
    enough = _AS_GOOD * min(each.tokens_per_example for each in whole)
    return found, next(each for each in whole if each.tokens_per_example <= enough)


def candidates(sizes: Integers) -> list[Capacities]:
    """Capacities worth a look, ascending.

    In the first dimension: the smallest that holds all but one example in a thousand, the smallest that holds
    all, and some customary ones above. A decoder's capacity follows from the encoder's: what packs that are
    full of prompts bring in targets on average, and somewhat more, so that neither runs out far before
    the other; never less than the longest target.

    Raises:
        ConfigError: An example is longer than any capacity.
    """
    longest = _rounded(int(sizes[:, 0].max(initial=1)), _STEP)
    if longest > MAX_CAPACITY:
        raise ConfigError(f"An example has at most {MAX_CAPACITY} tokens.", found=longest)
    most = _rounded(int(np.quantile(sizes[:, 0], 0.999)) if len(sizes) else 1, _STEP)
    above = [each for each in CUSTOMARY if each > longest][:_TRIED]
    first = sorted({most, longest, *above})
    if sizes.shape[1] == 1:
        return [(each,) for each in first]
    return [(each, target) for each in first for target in _target_candidates(sizes, each)]


def _target_candidates(sizes: Integers, encoder: int) -> Sequence[int]:
    prompts, targets = np.maximum(sizes.sum(axis=0), 1).tolist()
    longest = _rounded(int(sizes[:, 1].max(initial=1)), _TARGET_STEP)
    balanced = encoder * targets / prompts
    wanted = (_rounded(int(balanced * share), _TARGET_STEP) for share in _TARGET_SHARES)
    return sorted({min(max(each, longest), MAX_CAPACITY) for each in wanted})


def _rounded(tokens: int, step: int) -> int:
    return max(step, -(-tokens // step) * step)
