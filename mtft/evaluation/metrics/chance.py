"""What scores without understanding: the commonest answer, a random order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import Metric


def majority_share(samples: Sequence[Sample]) -> float:
    """The share of the commonest answer, by wording or by place among the choices, whichever is larger.

    What the best constant answer would score; choices that differ from item to item have only places.
    """
    if not samples:
        return float("nan")
    wordings = Counter(t for s in samples for t in set(s.targets) & set(s.choices))
    places = Counter(n for s in samples for n, c in enumerate(s.choices) if c in s.targets)
    return max(max(c.values(), default=0) for c in (wordings, places)) / len(samples)


def chance_level(metric: Metric, samples: Sequence[Sample]) -> float | None:
    """What scores without understanding: max(1/K, majority share); for rankings, a random order's expected
    value.

    None for metrics of generated text.
    """
    if not metric.choice or not samples:
        return None
    if metric.name == "accuracy":
        blind = [len([c for c in s.choices if c in s.targets]) / len(s.choices) for s in samples]
        return max(float(np.mean(blind)), majority_share(samples))
    level = [_indifferent(sample) for sample in samples]
    rows = metric.rows(level)
    return float(metric.value(rows.statistics.sum(axis=0))) if len(rows.ids) else None


def _indifferent(sample: Sample) -> Sample:
    """The sample as a model would leave it that ranks nothing: a tie, which counts as every order alike."""
    return Sample(**{**vars(sample), "scores": {**sample.scores, "margin": 0.0}})
