"""What scores without understanding: the commonest answer, a random order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import Metric
from mtft.evaluation.sample_columns import SampleRows


def majority_share(samples: Sequence[Sample]) -> float:
    """The share of the commonest answer, by wording or by place among the choices, whichever is larger.

    What the best constant answer would score; choices that differ from item to item have only places.
    """
    found = SampleRows.of(samples)
    if not len(found):
        return float("nan")
    choices = found.columns.choices
    flat, place = choices.flat(found.rows)
    right = choices.right[flat]
    owner = np.repeat(np.arange(len(found)), choices.count(found.rows))
    # A wording that a sample offers twice is one answer.
    wordings = (
        np.unique(owner[right] * choices.n_wordings + choices.wording[flat[right]]) % choices.n_wordings
    )
    return max(_commonest(wordings), _commonest(place[right])) / len(found)


def _commonest(values: NDArray[np.int64]) -> int:
    return int(np.unique(values, return_counts=True)[1].max(initial=0))


def chance_level(metric: Metric, samples: Sequence[Sample]) -> float | None:
    """What scores without understanding: max(1/K, majority share); for rankings, a random order's expected
    value.

    None for metrics of generated text.
    """
    if not metric.choice or not len(samples):
        return None
    found = SampleRows.of(samples)
    if metric.name != "accuracy":
        # A model that ranks nothing: a tie, which counts as every order alike.
        rows = metric.rows(found.with_score("margin", 0.0))
        return float(metric.value(rows.statistics.sum(axis=0))) if len(rows.ids) else None
    choices = found.columns.choices
    flat, _ = choices.flat(found.rows)
    count = choices.count(found.rows)
    owner = np.repeat(np.arange(len(found)), count)
    blind = np.bincount(owner, weights=choices.right[flat], minlength=len(found)) / count
    return max(float(blind.mean()), majority_share(found))
