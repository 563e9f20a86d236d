"""Predictions with their references: any number per prediction, in one orientation only."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.errors import SuiteError
from mtft.evaluation.metrics.base import VARYING, CorpusScore

Pair = tuple[str, tuple[str, ...]]
_ORIENTATION = "Give one list of references per prediction."


def corpus_pairs(predictions: Sequence[str], references: Sequence[Sequence[str | None]]) -> list[Pair]:
    """Each prediction with its references.

    A None among references stands for one that is not there. Empty predictions stay: they are wrong, not
    absent.

    Args:
        predictions: The texts.
        references: A list of references for each prediction, in the same order. sacrebleu wants it the other
            way round, one list per reference; which of the two it is cannot be told when there are as many
            references as predictions.

    Raises:
        SuiteError: The lists do not fit together, or a prediction has no reference.
    """
    if isinstance(predictions, str) or isinstance(references, str):
        raise SuiteError("Predictions and references must be lists.", found="a text", remedy=_ORIENTATION)
    if len(predictions) != len(references):
        found = f"{len(predictions):,} predictions and {len(references):,} lists of references"
        lengths = {len(r) for r in references if not isinstance(r, str)}
        turned = lengths == {len(predictions)}
        remedy = (
            f"{_ORIENTATION} These stand the other way round: list(zip(*references))." if turned else None
        )
        raise SuiteError(
            "Every prediction must have its references.", found=found, remedy=remedy or _ORIENTATION
        )
    pairs = []
    for place, (prediction, known) in enumerate(zip(predictions, references, strict=True)):
        pairs.append((_text(prediction, place), _texts(known, place)))
    return pairs


def _text(prediction: object, place: int) -> str:
    if not isinstance(prediction, str):
        raise SuiteError(
            "A prediction must be a text.", found=f"{prediction!r:.60}", where=f"prediction {place}"
        )
    return prediction


def _texts(known: Sequence[str | None], place: int) -> tuple[str, ...]:
    where = f"references of prediction {place}"
    if isinstance(known, str):
        rule = "References must be a list, also where there is one."
        raise SuiteError(rule, found=f"{known!r:.60}", where=where, remedy=_ORIENTATION)
    present = tuple(text for text in known if text is not None)
    if not present:
        raise SuiteError("A prediction must have at least one reference.", found="none", where=where)
    if any(not isinstance(text, str) for text in present):
        raise SuiteError("A reference must be a text.", found=f"{known!r:.60}", where=where)
    return present


def reference_numbers(pairs: Sequence[Pair]) -> int:
    """How many references each prediction has; `VARYING` where that differs."""
    numbers = {len(references) for _, references in pairs}
    return numbers.pop() if len(numbers) == 1 else VARYING


def with_references(signature: str, pairs: Sequence[Pair]) -> str:
    """The signature, beginning with the number of references as sacrebleu writes it."""
    number = reference_numbers(pairs)
    return f"nrefs:{'var' if number == VARYING else number}|{signature}"


def mean_score(values: Sequence[float], signature: str, pairs: Sequence[Pair]) -> CorpusScore:
    """The mean of one score per prediction.

    Raises:
        SuiteError: There is none.
    """
    if not pairs:
        raise SuiteError("A mean needs at least one prediction.", found="none")
    return CorpusScore(sum(values) / len(values), with_references(signature, pairs))
