"""Whether the fast scoring of this model agrees with the naive one, on a few real requests."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mtft.errors import ModelError
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.naive import naive_loglikelihoods
from mtft.evaluation.requests import RankIds

# Rounding of the number of significant bits: float32 keeps 24, bfloat16 8, float16 11.
_TOLERANCE = {"torch.float32": 1e-3, "torch.float64": 1e-6}
_LOOSE = 0.25


def largest_difference(engine: LikelihoodEngine, items: Sequence[RankIds]) -> float:
    """The largest difference of any choice's log-likelihood between both paths, in nats."""
    reference = naive_loglikelihoods(engine.model, items, engine.pad)
    known = {item.key: values for item, values in zip(items, reference, strict=True)}
    worst = 0.0
    for batch in engine.batches(items):
        for item, values in zip(batch, engine.score(batch), strict=True):
            pairs = zip(values, known[item.key], strict=True)
            worst = max([worst, *(abs(a - b) for a, b in pairs if math.isfinite(a) or math.isfinite(b))])
    return worst


def check_engine(engine: LikelihoodEngine, items: Sequence[RankIds], n: int) -> None:
    """Compares both paths on `n` requests spread over all lengths.

    Raises:
        ModelError: They differ by more than rounding.
    """
    ordered = sorted(items, key=lambda item: (len(item.inputs), item.key))
    chosen = ordered[:: max(1, len(ordered) // n)][:n] if ordered else []
    dtype = str(next(iter(engine.model.parameters())).dtype)
    tolerance = _TOLERANCE.get(dtype, _LOOSE)
    worst = largest_difference(engine, chosen)
    if not worst <= tolerance:
        raise ModelError(
            f"Shared-prompt scoring must equal the naive one to {tolerance} nats in {dtype}.",
            found=f"a difference of {worst:.2e} on {len(chosen)} requests",
            remedy="Please report the model's architecture and the version of transformers.",
        )
