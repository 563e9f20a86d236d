"""Whether the fast scoring of this model agrees with the naive one, on a few real requests of every task."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mtft.errors import ModelError
from mtft.evaluation.backbones import rounding
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.naive import naive_loglikelihoods
from mtft.evaluation.requests import RankIds, RankRequest

_SHOWN = 80


class Checked(NamedTuple):
    """A request that may be checked: whose it is, in words and in ids."""

    task: str
    request: RankRequest
    ids: RankIds


class _Difference(NamedTuple):
    """Both paths' log-likelihoods of one choice."""

    checked: Checked
    choice: str
    fast: float
    naive: float

    @property
    def size(self) -> float:
        """In nats; infinite where only one of them is a number, 0 where none is."""
        if math.isfinite(self.fast) and math.isfinite(self.naive):
            return abs(self.fast - self.naive)
        return 0.0 if math.isfinite(self.fast) == math.isfinite(self.naive) else math.inf


def spread(checked: Iterable[Checked], n: int) -> list[Checked]:
    """At most `n` requests of every task, from the shortest prompt to the longest."""
    by_task: dict[str, list[Checked]] = defaultdict(list)
    for each in checked:
        by_task[each.task].append(each)
    chosen = []
    for _, found in sorted(by_task.items()):
        ordered = sorted(found, key=lambda each: (len(each.ids.inputs), each.ids.key))
        count = min(n, len(ordered))
        last = max(1, count - 1)
        chosen += [ordered[place * (len(ordered) - 1) // last] for place in range(count)]
    return chosen


def check_engine(engine: LikelihoodEngine, checked: Sequence[Checked], n: int) -> None:
    """Compares both paths on `n` requests of every task, spread over its lengths.

    Raises:
        ModelError: They differ by more than rounding; it names the task, the request and both values.
    """
    chosen = spread(checked, n)
    worst = max(_differences(engine, chosen), key=lambda found: found.size, default=None)
    tolerance = rounding(engine.model)
    if worst is not None and not worst.size <= tolerance:
        inputs = worst.checked.request.inputs
        raise ModelError(
            f"Shared-prompt scoring must equal the naive one to {tolerance} nats.",
            found=f"log-likelihood {worst.fast:.6f} and naively {worst.naive:.6f} of the choice {worst.choice!r} "
            f"after the prompt {'…' * (len(inputs) > _SHOWN)}{inputs[-_SHOWN:]!r}, "
            f"the worst of {len(chosen)} requests",
            where=f"task {worst.checked.task}",
            remedy="Score with `--reference true`, and please report the model's architecture and the version of "
            "transformers.",
        )


def _differences(engine: LikelihoodEngine, chosen: Sequence[Checked]) -> list[_Difference]:
    """Of every choice of these requests."""
    distinct = {each.ids.key: each.ids for each in chosen}
    fast = {
        item.key: values
        for batch in engine.batches(list(distinct.values()))
        for item, values in zip(batch, engine.score(batch), strict=True)
    }
    naive = naive_loglikelihoods(engine.model, list(distinct.values()), engine.pad)
    reference = dict(zip(distinct, naive, strict=True))
    return [
        _Difference(each, choice, a, b)
        for each in chosen
        for choice, a, b in zip(
            each.request.choices, fast[each.ids.key], reference[each.ids.key], strict=True
        )
    ]
