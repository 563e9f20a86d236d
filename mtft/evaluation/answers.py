"""Exact match and token F1 of short answers, normalised by the answer's language.

Source: Lewis et al. 2020, "MLQA: Evaluating Cross-lingual Extractive Question Answering", arXiv 1910.07475,
section 4 (language-specific articles, all Unicode punctuation, mixed segmentation of Chinese), over the
rules of Rajpurkar et al. 2016, "SQuAD", arXiv 1606.05250. Beyond it: texts are composed (NFC) first, the
other scripts that write no spaces are segmented like Chinese, and two texts without tokens agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from mtft.evaluation.segmentation import segmented

_ARTICLES = {
    "en": r"\b(?:a|an|the)\b",
    "es": r"\b(?:un|una|unos|unas|el|la|los|las)\b",
    "de": r"\b(?:ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "vi": r"\b(?:của|là|cái|chiếc|những)\b",
    "ar": "ال",  # written as part of the word
}


def normalised(text: str, language: str) -> str:
    """Lower case, without punctuation and the language's articles, single spaces.

    Example: `normalised("The  Nile!", "en")` is `"nile"`.
    """
    text = unicodedata.normalize("NFC", text).lower()
    text = "".join(c for c in text if not (unicodedata.category(c)[0] == "P" or c in "$+<=>^`|~"))
    if language in _ARTICLES:
        text = re.sub(_ARTICLES[language], " ", text)
    return " ".join(text.split())


def answer_tokens(text: str, language: str) -> list[str]:
    """The normalised text's tokens: words, and in scripts without spaces characters with their marks.

    Example: `answer_tokens("在1990年", "zh")` is `["在", "1990", "年"]`.
    """
    return segmented(normalised(text, language))


def exact_match(prediction: str, references: Sequence[str], language: str) -> float:
    """1 when the prediction's tokens are those of a reference, else 0.

    Tokens, as in MLQA: a space within Chinese is no difference.
    """
    made = answer_tokens(prediction, language)
    return float(any(made == answer_tokens(r, language) for r in references))


def token_f1(prediction: str, references: Sequence[str], language: str) -> float:
    """The best F1 of shared tokens over the references; two texts without tokens agree."""
    made = answer_tokens(prediction, language)
    return max((_f1(made, answer_tokens(r, language)) for r in references), default=0.0)


def _f1(made: list[str], wanted: list[str]) -> float:
    if not made or not wanted:
        return float(made == wanted)
    shared = sum((Counter(made) & Counter(wanted)).values())
    return 2 * shared / (len(made) + len(wanted))
