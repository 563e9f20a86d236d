"""ROUGE-1, ROUGE-2 and ROUGE-L against the best of any number of references."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

from mtft.errors import SuiteError
from mtft.evaluation.metrics.base import CorpusScore
from mtft.evaluation.metrics.corpus import corpus_pairs, mean_score
from mtft.evaluation.segmentation import segmented

_KINDS = ("rouge1", "rouge2", "rougeL")


class RougeScore(NamedTuple):
    """One kind of ROUGE of one text against its best reference, each 0 to 1."""

    precision: float
    recall: float
    f: float


class Rouge(NamedTuple):
    """Single tokens, pairs, and the longest common subsequence, each against the best reference by its F."""

    rouge_1: RougeScore
    rouge_2: RougeScore
    rouge_l: RougeScore


class UnicodeTokens:
    """Words of any script in lower case; rouge-score's own tokeniser drops whatever is not a-z or 0-9."""

    def tokenize(self, text: str) -> list[str]:
        """Letters with their marks, and digits; each character of scripts without spaces alone."""
        composed = unicodedata.normalize("NFC", text).casefold()
        return segmented("".join(c if _is_word(c) else " " for c in composed))


def _is_word(character: str) -> bool:
    # Joiners shape the letters beside them, as in Persian and Hindi.
    return unicodedata.category(character)[0] in "LMN" or character in "\u200c\u200d"


@lru_cache
def _scorer(own: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # takes a second: it brings nltk

    return RougeScorer(list(_KINDS), use_stemmer=False, tokenizer=None if own else UnicodeTokens())


@lru_cache(maxsize=2**16)
def rouge(prediction: str, references: tuple[str, ...], language: str = "en") -> Rouge:
    """ROUGE-1, ROUGE-2 and ROUGE-L of one text; each of several references' best, by its own F.

    Args:
        prediction: The text.
        references: At least one.
        language: English is tokenised by rouge-score, other languages by `UnicodeTokens`.

    Raises:
        SuiteError: There is no reference.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", sections 2 and 3; as in rouge-score.
    """
    if not references:
        raise SuiteError("A prediction must have at least one reference.", found="none")
    score = _scorer(language == "en").score
    found = [score(reference, prediction) for reference in references]
    best = [max((RougeScore(*one[kind]) for one in found), key=lambda one: (one.f, one)) for kind in _KINDS]
    return Rouge(*best)


def rouge_l(prediction: str, references: tuple[str, ...], language: str = "en") -> RougeScore:
    """ROUGE-L of one text; see `rouge`."""
    return rouge(prediction, references, language).rouge_l


def rouge_signature(language: str = "en") -> str:
    """Casing, tokenisation and version."""
    tokens = "rouge" if language == "en" else "unicode"
    return f"case:lc|tok:{tokens}|stem:no|refs:best|rouge-score:{version('rouge-score')}"


def corpus_rouge_l(
    predictions: Sequence[str], references: Sequence[Sequence[str | None]], language: str = "en"
) -> CorpusScore:
    """The mean F of ROUGE-L, 0 to 1, with its signature.

    Raises:
        SuiteError: The lists do not fit together, or are empty.
    """
    pairs = corpus_pairs(predictions, references)
    values = [rouge_l(p, r, language).f for p, r in pairs]
    return mean_score(values, rouge_signature(language), pairs)
