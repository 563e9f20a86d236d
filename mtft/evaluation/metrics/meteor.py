"""METEOR as nltk computes it, with a local WordNet; not the METEOR 1.5 of the published Java program.

On one pair of texts the two have been seen to give 0.74 and 0.45 (huggingface/datasets issue 2759), so figures
of the one are never compared with figures of the other.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mtft.errors import SuiteError
from mtft.evaluation.metrics.base import CorpusScore
from mtft.evaluation.metrics.corpus import corpus_pairs, mean_score
from mtft.structured.parent_tokens import mteval_tokens

VARIABLE = "MTFT_WORDNET"
FILES = (
    "lexnames",
    *(f"{kind}.{part}" for kind in ("index", "data") for part in ("noun", "verb", "adj", "adv")),
    *(f"{part}.exc" for part in ("noun", "verb", "adj", "adv")),
)
_RULE = "METEOR needs WordNet's files in a local folder."


def wordnet_folder() -> Path:
    """The folder that holds WordNet: the one that `MTFT_WORDNET` names, or nltk's own `corpora/wordnet`.

    Raises:
        SuiteError: There is none, or files are missing in it.
    """
    remedy = f"Let {VARIABLE} name a folder with data.noun, index.noun and the others, or leave METEOR out."
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else _nltk_folder()
    if folder is None:
        raise SuiteError(_RULE, found="none among nltk's folders", remedy=remedy)
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise SuiteError(
            _RULE, found=f"a folder without {', '.join(missing[:4])}", where=folder, remedy=remedy
        )
    return folder


def _nltk_folder() -> Path | None:
    import nltk.data

    found = (Path(root) / "corpora" / "wordnet" for root in nltk.data.path)
    return next((folder for folder in found if folder.is_dir()), None)


@lru_cache
def _wordnet(folder: Path) -> Any:
    import nltk.data
    from nltk.corpus.reader import WordNetCorpusReader

    root = str(folder.resolve())
    if root not in nltk.data.path:
        nltk.data.path.append(root)  # nltk reads nothing outside of its folders

    class LocalWordNet(WordNetCorpusReader):  # type: ignore[misc]
        """One WordNet, not mapped onto nltk's own, which need not be there."""

        def map_wn(self, version: str = "wordnet") -> None:
            """Nothing: synonyms need no mapping."""

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it knows no other languages
        return LocalWordNet(root, None)


def meteor(prediction: str, references: Sequence[str]) -> float:
    """METEOR of one English text, 0 to 1; of several references the best.

    Args:
        prediction: The text; 0 where it is empty.
        references: At least one.

    Raises:
        SuiteError: WordNet or the references are missing.

    Source: Banerjee and Lavie 2005, "METEOR", ACL workshop, with the parameters of Lavie and Agarwal 2007
    (alpha 0.9, beta 3, gamma 0.5): exact, Porter stem and WordNet matches.
    """
    return _meteor(prediction, tuple(references), wordnet_folder())


@lru_cache(maxsize=2**16)
def _meteor(prediction: str, references: tuple[str, ...], folder: Path) -> float:
    from nltk.translate.meteor_score import meteor_score

    if not references:
        raise SuiteError("A prediction must have at least one reference.", found="none")
    made = mteval_tokens(prediction)
    known = [tokens for reference in references if (tokens := mteval_tokens(reference))]
    return float(meteor_score(known, made, wordnet=_wordnet(folder))) if made and known else 0.0


def meteor_signature() -> str:
    """Which METEOR: parameters, tokenisation, the versions of nltk and WordNet."""
    words = _wordnet(wordnet_folder()).get_version() or "unknown"
    return f"case:lc|tok:13a|alpha:0.9|beta:3|gamma:0.5|stem:porter|wordnet:{words}|nltk:{version('nltk')}"


def corpus_meteor(predictions: Sequence[str], references: Sequence[Sequence[str | None]]) -> CorpusScore:
    """The mean METEOR of English texts, 0 to 1, with its signature.

    Raises:
        SuiteError: The lists do not fit together or are empty, or WordNet is missing.
    """
    pairs = corpus_pairs(predictions, references)
    return mean_score([meteor(*pair) for pair in pairs], meteor_signature(), pairs)
