"""Scorers: one function each, from one model output to the scores of one example.

A scorer never guesses: what it cannot score raises `Unscorable`, and the example is counted as unscored, not
as zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from mtft.errors import SuiteError, nearest
from mtft.evaluation.answers import exact_match, token_f1
from mtft.evaluation.character_f import chrf_counts, chrf_score
from mtft.evaluation.spans import parse_spans, span_counts
from mtft.tasks.records import Example


class Unscorable(Exception):  # noqa: N818  (a reason, not an error)
    """This output of this example has no score; the message is the reason."""


class Judgement(NamedTuple):
    """A scorer's verdict on one example.

    Attributes:
        prediction: What the model answered.
        scores: Value per score.
    """

    prediction: str
    scores: dict[str, float]


def accuracy(example: Example, loglikelihoods: tuple[float, ...]) -> Judgement:
    """Whether the likeliest choice is a target; choices that tie for likeliest share the point.

    Source: rank classification as in Sanh et al. 2022, "Multitask Prompted Training", arXiv 2110.08207,
    section 5.
    """
    choices = _choices(example)
    best = max(loglikelihoods)
    tied = [choice for choice, value in zip(choices, loglikelihoods, strict=True) if value == best]
    return Judgement(tied[0], {"accuracy": sum(c in example.targets for c in tied) / len(tied)})


def ranking(example: Example, loglikelihoods: tuple[float, ...]) -> Judgement:
    """The candidate's relevance and the score that ranks it among the rows of its item group.

    Answer choices stand in order of relevance, the least relevant first: the target's place is the gain. The
    score is the log-likelihood margin of the second choice over the first; with more choices, the expected
    place.
    """
    choices = _choices(example)
    values = np.array(loglikelihoods)
    if len(choices) == 2:
        score = float(values[1] - values[0])
    else:
        weights = np.exp(values - values.max())
        score = float(weights @ np.arange(len(values)) / weights.sum())
    gain = float(choices.index(next(t for t in example.targets if t in choices)))
    return Judgement(choices[int(values.argmax())], {"relevance": gain, "margin": score})


def chrf(example: Example, text: str) -> Judgement:
    """The example's own chrF and chrF++ (0 to 100); a cell's is computed from all its counts."""
    references = example.targets
    return Judgement(
        text,
        {
            "chrf": float(chrf_score(np.array(chrf_counts(text, references, words=False)))),
            "chrf_pp": float(chrf_score(np.array(chrf_counts(text, references, words=True)))),
        },
    )


def span_f1(example: Example, text: str) -> Judgement:
    """Entities found, invented and missed, and whether the output could be read."""
    made, gold = parse_spans(text), parse_spans(example.target)
    if gold.malformed:
        raise Unscorable("the target is no list of entities")
    counts = span_counts(made.spans, gold.spans)
    return Judgement(text, {**map_floats(counts._asdict()), "malformed": float(made.malformed)})


def qa(example: Example, text: str) -> Judgement:
    """Exact match and token F1 against the best reference, normalised by the answer's language."""
    references = example.targets
    return Judgement(
        text,
        {
            "f1": token_f1(text, references, example.language),
            "exact_match": exact_match(text, references, example.language),
        },
    )


def map_floats(values: dict[str, int]) -> dict[str, float]:
    """The same values as floats."""
    return {name: float(value) for name, value in values.items()}


def _choices(example: Example) -> tuple[str, ...]:
    if not example.answer_choices:
        raise Unscorable("the template gives no answer choices")
    if not set(example.targets) & set(example.answer_choices):
        raise Unscorable("the target is not among the answer choices")
    return example.answer_choices


@dataclass(frozen=True)
class Scorer:
    """A scorer and what it needs from the model: log-likelihoods of choices, or generated text."""

    needs: Literal["choices", "generation"]
    score: Callable[[Example, tuple[float, ...]], Judgement] | Callable[[Example, str], Judgement]


SCORERS: dict[str, Scorer] = {
    "accuracy": Scorer("choices", accuracy),
    "ndcg": Scorer("choices", ranking),
    "chrf": Scorer("generation", chrf),
    "span_f1": Scorer("generation", span_f1),
    "qa": Scorer("generation", qa),
}


def find_scorer(name: str, *, where: object = None) -> Scorer:
    """The scorer of that name.

    Raises:
        SuiteError: There is none; the nearest names are given.
    """
    if name not in SCORERS:
        raise SuiteError(
            "A metric must have a scorer.", found=f"`{name}`", where=where, remedy=nearest(name, SCORERS)
        )
    return SCORERS[name]


def unscorable_reason(example: Example, scorer: Scorer) -> str:
    """Why the example cannot be scored whatever the model says, or an empty string."""
    if scorer.needs == "choices":
        try:
            choices = _choices(example)
        except Unscorable as reason:
            return str(reason)
        return "there is only one answer choice" if len(set(choices)) < 2 else ""
    if scorer is SCORERS["span_f1"] and parse_spans(example.target).malformed:
        return "the target is no list of entities"
    return ""


def judge(
    example: Example, scorer: Scorer, loglikelihoods: tuple[float, ...] | None, text: str | None
) -> Judgement:
    """The verdict on one output.

    Raises:
        Unscorable: There is no finite output, or the example has no valid target.
    """
    if scorer.needs == "choices":
        if loglikelihoods is None or not all(map(math.isfinite, loglikelihoods)):
            raise Unscorable("a log-likelihood is not finite")
        return scorer.score(example, loglikelihoods)  # type: ignore[arg-type]
    if text is None:
        raise Unscorable("nothing was generated")
    return scorer.score(example, text)  # type: ignore[arg-type]
