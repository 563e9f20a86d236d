"""Translation edit rate from edits and lengths that add up over examples, equal to sacrebleu's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from sacrebleu.metrics import TER

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import CorpusScore, Rows, per_row, reference_count, said
from mtft.evaluation.metrics.corpus import corpus_pairs, reference_numbers
from mtft.statistics import FloatArray


class TerCounts(TER):  # type: ignore[misc]
    """sacrebleu's TER, giving edits and reference length per example."""

    def counts(self, prediction: str, references: Sequence[str]) -> tuple[float, float]:
        """Edits to the nearest reference, and the references' mean length."""
        known = self._extract_reference_info(list(references))
        edits, length = self._compute_segment_statistics(self._preprocess_segment(prediction), known)
        return float(edits), float(length)


_COUNTER = TerCounts()


@lru_cache(maxsize=2**16)
def ter_counts(prediction: str, references: tuple[str, ...]) -> tuple[float, float]:
    """The counts of one example, kept: finding shifts takes time."""
    return _COUNTER.counts(prediction, references)


def ter_score(counts: FloatArray) -> FloatArray:
    """TER in per cent, of summed counts (..., 2): edits per word of the references; less is better.

    100 where there are edits and no words, 0 where there is neither. It may exceed 100.

    Source: Snover et al. 2006, "A Study of Translation Edit Rate", AMTA; as in sacrebleu (lower-cased,
    tokens between spaces).
    """
    edits, length = counts[..., 0], counts[..., 1]
    rate = np.where(length > 0, edits / np.where(length > 0, length, 1), edits > 0)
    return np.asarray(100 * rate, dtype=np.float64)


def ter_signature(references: int) -> str:
    """The signature that sacrebleu gives: `nrefs:var` for `VARYING` references."""
    _COUNTER.num_refs = references
    return str(_COUNTER.get_signature().format())


def corpus_ter(predictions: Sequence[str], references: Sequence[Sequence[str | None]]) -> CorpusScore:
    """Corpus TER in per cent, with its signature.

    Raises:
        SuiteError: The lists do not fit together.
    """
    pairs = corpus_pairs(predictions, references)
    counts = [ter_counts(*pair) for pair in pairs] or [(0.0, 0.0)]
    value = float(ter_score(np.sum(counts, axis=0)))
    return CorpusScore(value, ter_signature(reference_numbers(pairs)))


def ter_rows(samples: Sequence[Sample]) -> Rows:
    """Counts of each sample."""
    return per_row(samples, [ter_counts(*pair) for pair in said(samples)], 2)


def ter_signatures(samples: Sequence[Sample]) -> str:
    """The signature of samples."""
    return ter_signature(reference_count(samples))
