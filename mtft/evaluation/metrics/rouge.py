"""ROUGE-L against the best of any number of references."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

from mtft.errors import SuiteError
from mtft.evaluation.metrics.base import CorpusScore
from mtft.evaluation.metrics.corpus import corpus_pairs, mean_score

_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO ", "KHMER", "MYANMAR", "TIBETAN")


class RougeL(NamedTuple):
    """ROUGE-L of one text against its best reference, each 0 to 1."""

    precision: float
    recall: float
    f: float


class UnicodeTokens:
    """Words of any script in lower case; rouge-score's own tokeniser drops whatever is not a-z or 0-9."""

    def tokenize(self, text: str) -> list[str]:
        """Letters with their marks, and digits; each character of scripts without spaces alone."""
        spaced = "".join(map(_spaced, unicodedata.normalize("NFC", text).casefold()))
        return spaced.split()


def _spaced(character: str) -> str:
    kind = unicodedata.category(character)[0]
    if kind not in "LMN":
        return " "
    if kind != "M" and unicodedata.name(character, "").startswith(_UNSPACED):
        return f" {character} "
    return character


@lru_cache
def _scorer(own: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # takes a second: it brings nltk

    return RougeScorer(["rougeL"], use_stemmer=False, tokenizer=None if own else UnicodeTokens())


@lru_cache(maxsize=2**16)
def rouge_l(prediction: str, references: tuple[str, ...], language: str = "en") -> RougeL:
    """ROUGE-L of one text; of several references the one with the best F.

    Args:
        prediction: The text.
        references: At least one.
        language: English is tokenised by rouge-score, other languages by `UnicodeTokens`.

    Raises:
        SuiteError: There is no reference.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3; as in rouge-score.
    """
    if not references:
        raise SuiteError("A prediction must have at least one reference.", found="none")
    score = _scorer(language == "en").score
    found = [RougeL(*score(reference, prediction)["rougeL"]) for reference in references]
    return max(found, key=lambda one: (one.f, one))


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
