"""BLEU from n-gram counts that add up over examples, equal to sacrebleu's on any set of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sacrebleu.metrics import BLEU

from mtft import languages
from mtft.errors import SuiteError, TaskError, nearest
from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics.base import CorpusScore, Rows, per_row, reference_count, said
from mtft.evaluation.metrics.corpus import corpus_pairs, reference_numbers
from mtft.evaluation.sample_columns import SampleRows
from mtft.statistics import FloatArray

TOKENIZERS = ("13a", "intl", "zh", "char", "none")
# Scripts without spaces; all others are tokenised by 13a. sacrebleu's own choices for Japanese and Thai need
# packages and downloads of their own.
_BY_SCRIPT = {
    **dict.fromkeys(("Hans", "Hant", "Hani"), "zh"),
    **dict.fromkeys(("Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"), "char"),
}


@dataclass(frozen=True)
class BleuSetting:
    """How BLEU is computed.

    Attributes:
        tokenize: Of `TOKENIZERS`, by sacrebleu's names.
        lowercase: Whether case is ignored.
        orders: Longest n-grams: 4, or 1 to 3 for BLEU-1 to BLEU-3.
    """

    tokenize: str = "13a"
    lowercase: bool = False
    orders: int = 4

    def __post_init__(self) -> None:
        if self.tokenize not in TOKENIZERS:
            remedy = nearest(self.tokenize, TOKENIZERS)
            raise SuiteError("BLEU's tokeniser must be known.", found=f"`{self.tokenize}`", remedy=remedy)
        if self.orders < 1:
            raise SuiteError("BLEU's longest n-grams must have a token.", found=self.orders)


class BleuCounts(BLEU):  # type: ignore[misc]
    """sacrebleu's BLEU, giving its counts per example."""

    def counts(self, prediction: str, references: Sequence[str]) -> list[float]:
        """(2 + 2 x orders) counts: lengths of the prediction and the closest reference, shared n-grams, all."""
        known = self._extract_reference_info([self._preprocess_segment(r) for r in references])
        found = self._compute_segment_statistics(self._preprocess_segment(prediction), known)
        return [float(count) for count in found]


@lru_cache
def _counter(setting: BleuSetting) -> BleuCounts:
    return BleuCounts(
        tokenize=setting.tokenize, lowercase=setting.lowercase, max_ngram_order=setting.orders, force=True
    )


@lru_cache(maxsize=2**16)
def bleu_counts(prediction: str, references: tuple[str, ...], setting: BleuSetting) -> tuple[float, ...]:
    """The counts of one example, kept: scoring, figures and comparisons of a run all need them."""
    return tuple(_counter(setting).counts(prediction, references))


def bleu_score(counts: FloatArray, *, effective: bool = False) -> FloatArray:
    """BLEU, 0 to 100, of summed counts (..., 2 + 2 x orders), with sacrebleu's exponential smoothing.

    Args:
        counts: Sums of `bleu_counts`.
        effective: Leave out the orders for which the prediction is too short: for single sentences.

    Source: Papineni et al. 2002, "BLEU", ACL, section 2.3; Post 2018, "A Call for Clarity in Reporting BLEU
    Scores", WMT; smoothing: Chen and Cherry 2014, WMT, method 3.
    """
    orders = (counts.shape[-1] - 2) // 2
    made, wanted = counts[..., 0], counts[..., 1]
    shared, total = counts[..., 2 : 2 + orders], counts[..., 2 + orders :]
    usable = np.cumprod(total > 0, axis=-1).astype(bool)  # no order counts after one that is empty
    halvings = np.cumsum(usable & (shared == 0), axis=-1)
    smoothed = np.where(shared > 0, shared, 0.5**halvings)
    logs = np.log(np.where(usable, smoothed / np.where(usable, total, 1), 1.0))
    number = np.maximum(usable.sum(axis=-1), 1) if effective else orders
    precision = np.exp(logs.sum(axis=-1) / number)
    known = shared.any(axis=-1) & (effective | usable.all(axis=-1))
    shortness = np.minimum(0.0, 1 - wanted / np.where(made > 0, made, 1))
    return np.asarray(np.where(known, 100 * np.exp(shortness) * precision, 0.0), dtype=np.float64)


def bleu_signature(setting: BleuSetting, references: int) -> str:
    """The signature that sacrebleu gives: `nrefs:var` for `VARYING` references."""
    metric = _counter(setting)
    metric.num_refs = references
    made = str(metric.get_signature().format())
    return made if setting.orders == 4 else f"{made}|orders:{setting.orders}"


def corpus_bleu(
    predictions: Sequence[str],
    references: Sequence[Sequence[str | None]],
    setting: BleuSetting | None = None,
) -> CorpusScore:
    """Corpus BLEU, 0 to 100, with its signature.

    Args:
        predictions: The texts; empty ones count.
        references: A list per prediction, of any and differing lengths.
        setting: How; by default cased, `13a`, up to 4-grams.

    Raises:
        SuiteError: The lists do not fit together.
    """
    setting = setting or BleuSetting()
    pairs = corpus_pairs(predictions, references)
    counts = [bleu_counts(p, r, setting) for p, r in pairs] or [(0.0,) * (2 + 2 * setting.orders)]
    value = float(bleu_score(np.sum(counts, axis=0)))
    return CorpusScore(value, bleu_signature(setting, reference_numbers(pairs)))


def tokenizer_of(language: str) -> str:
    """The tokeniser of a language's texts, by its script."""
    try:
        script = languages.get(language).script
    except TaskError:  # an own or invented language
        return "13a"
    return _BY_SCRIPT.get(script, "13a")


def setting_of(language: str, *, lowercase: bool = False) -> BleuSetting:
    """BLEU of a language's texts."""
    return BleuSetting(tokenizer_of(language), lowercase)


def bleu_rows(*, lowercase: bool) -> Callable[[Sequence[Sample]], Rows]:
    """Counts of each sample."""

    def rows(samples: Sequence[Sample]) -> Rows:
        found = SampleRows.of(samples)
        settings = {name: setting_of(name, lowercase=lowercase) for name in found.distinct("language")}
        languages = found.names("language", found.codes("language"))
        pairs = zip(said(found), languages, strict=True)
        counts = [bleu_counts(*pair, settings[language]) for pair, language in pairs]
        return per_row(samples, counts, 10)

    return rows


def bleu_signatures(*, lowercase: bool) -> Callable[[Sequence[Sample]], str]:
    """The signature of samples, which are of one language."""

    def signature(samples: Sequence[Sample]) -> str:
        count = reference_count(samples)
        languages = SampleRows.of(samples).distinct("language")
        settings = sorted({setting_of(name, lowercase=lowercase).tokenize for name in languages})
        return " / ".join(bleu_signature(BleuSetting(name, lowercase), count) for name in settings)

    return signature
