"""Losses that are not numbers or far above what they were, and the examples that made them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from mtft.plain import finite

# makes the median absolute deviation of a normal distribution its standard deviation
_TO_SIGMA = 1.4826
# a window whose losses hardly differ would call any loss a spike
_LEAST_SPREAD = 0.02
_LEAST_SEEN = 20
_SHOWN = 8


class SpikeDetector:
    """Says which steps' losses are far above those before them.

    A loss is a spike above median + factor · max(1.4826 · MAD, 2 % of the median), over the last `window` steps.
    Median and MAD (the median distance from the median) are not moved by the spikes themselves, and a loss that
    stays up is a spike only until it fills half of the window. Below 20 steps nothing is.

    Args:
        window: Steps looked back at.
        factor: Standard deviations, robustly estimated.

    Source: Hampel 1974, "The Influence Curve and its Role in Robust Estimation", section 6 (the MAD); the factor
        1.4826 is 1 / Φ⁻¹(3/4).
    """

    def __init__(self, window: int = 100, factor: float = 8.0) -> None:
        self.factor = factor
        self.losses: deque[float] = deque(maxlen=window)

    @property
    def limit(self) -> float | None:
        """The largest loss that is no spike now; None as long as too few were seen."""
        if len(self.losses) < min(_LEAST_SEEN, self.losses.maxlen or _LEAST_SEEN):
            return None
        middle = median(self.losses)
        spread = _TO_SIGMA * median(abs(loss - middle) for loss in self.losses)
        return float(middle + self.factor * max(spread, _LEAST_SPREAD * abs(middle)))

    def see(self, loss: float) -> bool:
        """Whether this step's loss, a finite number, is a spike; it is among the seen ones then."""
        limit = self.limit
        self.losses.append(loss)
        return limit is not None and loss > limit


class RowLoss(NamedTuple):
    """One example of a step.

    Attributes:
        position: In the mixture.
        loss: Sum over its target tokens, in nats.
        tokens: Target tokens.
        share: What it adds to the step's loss, its weight included.
    """

    position: int
    loss: float
    tokens: int
    share: float


@dataclass(frozen=True)
class Anomaly:
    """A step that is none to learn from.

    Attributes:
        kind: `non-finite loss`, `non-finite gradient` or `spike`.
        step: Optimiser step, counted from 1.
        loss: The step's.
        grad_norm: The step's, before clipping; None where it is not known.
        limit: Of a spike: what the loss exceeds.
        rows: The examples to look at, the worst first; see `worst`.
        others: How many more were in the step.
    """

    kind: str
    step: int
    loss: float
    grad_norm: float | None
    limit: float | None
    rows: tuple[RowLoss, ...]
    others: int

    def found(self, names: Sequence[str]) -> str:
        """What an error says of it; `names` tell each row."""
        limit = "" if self.limit is None else f", limit {self.limit:.4g}"
        norm = "" if self.grad_norm is None else f", gradient norm {self.grad_norm:.4g}"
        rows = "".join(
            f"\n  position {row.position}: {name}; {row.loss / max(row.tokens, 1):.4g} nats per token "
            f"over {row.tokens}"
            for row, name in zip(self.rows, names, strict=True)
        )
        more = f"\n  and {self.others:,} more rows" if self.others else ""
        return f"{self.kind} at step {self.step}: loss {self.loss:.4g}{limit}{norm}{rows}{more}"

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain data; numbers that JSON lacks become null."""
        rows = [
            {
                "position": row.position,
                "row": name,
                "loss": row.loss,
                "tokens": row.tokens,
                "share": row.share,
            }
            for row, name in zip(self.rows, names, strict=True)
        ]
        return finite(
            {
                "kind": self.kind,
                "step": self.step,
                "loss": self.loss,
                "grad_norm": self.grad_norm,
                "limit": self.limit,
                "rows": rows,
                "others": self.others,
            }
        )


def worst(rows: Iterable[RowLoss]) -> tuple[tuple[RowLoss, ...], int]:
    """The rows to look at, and how many more there are.

    Where losses are not finite, those rows alone; else the rows that add most to the step's loss.
    """
    every = sorted(
        rows, key=lambda row: (-row.share if math.isfinite(row.share) else -math.inf, row.position)
    )
    broken = [row for row in every if not math.isfinite(row.loss)]
    shown = (broken or every)[:_SHOWN]
    return tuple(shown), len(every) - len(shown)


def name_of(example: Any) -> str:
    """Task, language, row and template of an example, as far as it has them.

    Example: `mini_xp3/nli [qab] train/17, template 5f2c…`.
    """
    language = getattr(example, "language", "")
    split, row = getattr(example, "split", ""), getattr(example, "row_id", None)
    template = getattr(example, "template_id", "")
    return (
        f"{example.task}"
        + (f" [{language}]" if language else "")
        + (f" row {split}/{row}" if row is not None else "")
        + (f", template {template}" if template else "")
    )
