"""Which records of a build train, and how long they are: the mixture's index, texts left on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mtft.mixing.exemplars import UnitExemplars
    from mtft.mixing.truncated import TruncatedPrompts

Lengths = npt.NDArray[np.int32]
Verdicts = npt.NDArray[np.uint8]

# A record's verdict is a position in this list; the first one stays.
VERDICTS = ("kept", "group_on_evaluation_side", "duplicate", "input_too_long", "target_too_long")
KEPT, EVALUATED, DUPLICATE, INPUT_TOO_LONG, TARGET_TOO_LONG = range(len(VERDICTS))


class LengthMeasure(Protocol):
    """Knows how many tokens texts have; an encoder's `measure` is one."""

    @property
    def fingerprint(self) -> str:
        """Equal for measures that always agree."""

    def __call__(self, inputs: Sequence[str], targets: Sequence[str], /) -> tuple[Lengths, Lengths]:
        """Tokens of each prompt and of each target, both (rows,) int32."""


class TokenBounds(Protocol):
    """Lengths beyond which an example is too long; None for any."""

    @property
    def max_input_tokens(self) -> int | None:
        """Longest prompt."""

    @property
    def max_target_tokens(self) -> int | None:
        """Longest target."""


class ByteLengths:
    """Lengths in UTF-8 bytes: what a byte-fallback tokenizer never exceeds, for use before there is one."""

    fingerprint = "utf-8"

    def __call__(self, inputs: Sequence[str], targets: Sequence[str]) -> tuple[Lengths, Lengths]:
        """Bytes of each prompt and of each target, both (rows,) int32."""
        return _byte_lengths(inputs), _byte_lengths(targets)


def _byte_lengths(texts: Sequence[str]) -> Lengths:
    return np.fromiter((len(text.encode()) for text in texts), dtype=np.int32, count=len(texts))


def over_limits(lengths: Lengths, verdicts: Verdicts, limits: TokenBounds) -> Verdicts:
    """The verdicts with over-long kept records marked; `lengths` is (2, records)."""
    marked: Verdicts = verdicts.copy()
    for row, bound, verdict in (
        (0, limits.max_input_tokens, INPUT_TOO_LONG),
        (1, limits.max_target_tokens, TARGET_TOO_LONG),
    ):
        if bound is not None:
            marked[(marked == KEPT) & (lengths[row] > bound)] = verdict
    return marked


@dataclass(frozen=True)
class UnitIndex:
    """One unit's part of the index.

    Attributes:
        verdicts: (records,) uint8, positions in `VERDICTS`.
        lengths: (2, records) int32, tokens of prompt and target; of a shortened prompt those that it has left.
        row: (records,) int32, the row that each record prompts; ascending.
        shortened: The prompts that stand in place of the shard's; None where there are none.
        exemplars: The answered examples before each prompt, counted in the lengths; None where there are none.
    """

    verdicts: Verdicts
    lengths: Lengths
    row: npt.NDArray[np.int32]
    shortened: TruncatedPrompts | None = None
    exemplars: UnitExemplars | None = None

    @cached_property
    def records(self) -> npt.NDArray[np.int32]:
        """The kept records, ascending: grouped by row."""
        return np.flatnonzero(self.verdicts == KEPT).astype(np.int32)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where in `records` each kept row begins, (rows,) int64."""
        rows = self.row[self.records]
        return np.flatnonzero(np.diff(rows, prepend=-1))

    @property
    def rows(self) -> int:
        """Kept rows."""
        return len(self.starts)

    @property
    def examples(self) -> int:
        """Kept records."""
        return len(self.records)

    @cached_property
    def truncated(self) -> int:
        """Kept records whose prompt was shortened."""
        return 0 if self.shortened is None else int((self.verdicts[self.shortened.records] == KEPT).sum())

    @cached_property
    def dropped(self) -> Counter[str]:
        """Records left out, by reason."""
        numbers = np.bincount(self.verdicts, minlength=len(VERDICTS)).tolist()
        return Counter({name: n for name, n in zip(VERDICTS[1:], numbers[1:], strict=True) if n})

    def mean_lengths(self) -> tuple[float, float]:
        """Mean tokens of the kept prompts and targets; zero where nothing is kept."""
        if not self.examples:
            return 0.0, 0.0
        means = self.lengths[:, self.records].mean(axis=1)
        return float(means[0]), float(means[1])


@dataclass(frozen=True)
class MixtureIndex:
    """The index of a whole build.

    Attributes:
        units: One per trained cell, in the build's order.
        measure: Fingerprint of what measured the lengths.
        limits: What over-long means here.
        truncated_to: Tokens that longer prompts were shortened to where that was possible; None where they were
            dropped, or nothing was.
    """

    units: tuple[UnitIndex, ...]
    measure: str
    limits: TokenBounds
    truncated_to: int | None = None

    @property
    def length_unit(self) -> str:
        """What the lengths count: `tokens`, or `bytes` where no tokenizer was at hand."""
        return "bytes" if self.measure == ByteLengths.fingerprint else "tokens"
