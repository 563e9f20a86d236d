"""chrF and chrF++ from n-gram counts that add up over examples, so that a corpus score can be resampled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics import CHRF

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import Rows, per_row, reference_count, said

_BETA_SQUARED = 4.0


class ChrfCounts(CHRF):  # type: ignore[misc]
    """sacrebleu's chrF, giving its counts per example."""

    def counts(self, prediction: str, references: Sequence[str]) -> NDArray[np.float64]:
        """(3 x orders,) float64: n-grams of the prediction, of the best reference, and shared, per order.

        Source: Popović 2015, "chrF", WMT; Popović 2017, "chrF++", WMT (word_order 2); as in sacrebleu.
        """
        known = self._extract_reference_info([self._preprocess_segment(r) for r in references])
        found = self._compute_segment_statistics(self._preprocess_segment(prediction), known)
        return np.array(found, dtype=np.float64)


def chrf_signature(samples: Sequence[Sample], *, words: bool) -> str:
    """The signature that sacrebleu gives of samples."""
    metric = CHRF_PLUS_PLUS if words else CHRF_6
    metric.num_refs = reference_count(samples)
    return str(metric.get_signature().format())


def chrf_rows(samples: Sequence[Sample], *, words: bool) -> Rows:
    """Counts of each sample."""
    counts = [chrf_counts(*pair, words=words) for pair in said(samples)]
    return per_row(samples, counts, 24 if words else 18)


def chrf_score(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """chrF, 0 to 100, of summed counts (..., 3 x orders): the mean precision and recall over orders, at beta
    2.

    Orders for which either side is too short do not enter the mean.
    """
    made, wanted, shared = (counts[..., at::3] for at in range(3))
    usable = (made > 0) & (wanted > 0)
    orders = np.maximum(usable.sum(axis=-1), 1)
    precision = (np.where(usable, shared, 0) / np.where(usable, made, 1)).sum(axis=-1) / orders
    recall = (np.where(usable, shared, 0) / np.where(usable, wanted, 1)).sum(axis=-1) / orders
    below = _BETA_SQUARED * precision + recall
    score = (1 + _BETA_SQUARED) * precision * recall / np.where(below > 0, below, 1)
    return np.asarray(100 * score, dtype=np.float64)


CHRF_6 = ChrfCounts(word_order=0)
CHRF_PLUS_PLUS = ChrfCounts(word_order=2)


@lru_cache(maxsize=2**16)
def chrf_counts(prediction: str, references: tuple[str, ...], *, words: bool) -> tuple[float, ...]:
    """The counts of one example, kept: scoring, figures and comparisons of a run all need them.

    Args:
        prediction: The generated text.
        references: All references.
        words: chrF++, with word n-grams.
    """
    return tuple((CHRF_PLUS_PLUS if words else CHRF_6).counts(prediction, references).tolist())
