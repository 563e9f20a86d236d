"""Scorers: one function each, from one model output to the scores of one example.

A scorer never guesses: what it cannot score raises `Unscorable`, and the example is counted as unscored, not
as zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mtft.errors import SuiteError, nearest
from mtft.evaluation import tag_scorers, text_scorers
from mtft.evaluation.answers import exact_match, token_f1
from mtft.evaluation.judgement import Judgement, Unscorable
from mtft.evaluation.metrics.bertscore import bert_setting, bert_signature
from mtft.evaluation.metrics.meteor import meteor_signature, wordnet_folder
from mtft.evaluation.metrics.rouge import rouge_signature
from mtft.evaluation.spans import parse_spans, span_counts
from mtft.structured import KINDS, Kind, Table
from mtft.tasks.records import Example


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


def choices_problem(choices: tuple[str, ...] | None) -> str:
    """Why these choices cannot be ranked, or an empty string.

    Choices that begin alike, or with one another, can: each is scored to its end.
    """
    if not choices:
        return "the template gives no answer choices"
    if not all(choice.strip() for choice in choices):
        return "an answer choice is empty"
    if len(set(choices)) < 2:
        return "there is only one answer choice"
    return "two answer choices are equal" if len(set(choices)) < len(choices) else ""


def _choices(example: Example) -> tuple[str, ...]:
    if problem := choices_problem(example.answer_choices):
        raise Unscorable(problem)
    assert example.answer_choices is not None
    if not set(example.targets) & set(example.answer_choices):
        raise Unscorable("the target is not among the answer choices")
    return example.answer_choices


Outputs = Sequence[tuple[Example, str]]


@dataclass(frozen=True)
class Scorer:
    """A scorer and what it needs.

    Attributes:
        needs: Of the model: log-likelihoods of choices, or generated text.
        score: The function; with `kinds` it also takes the row's table.
        kinds: Of tables that it can score; none: it looks at no table.
        signature: How an example's scores are made, where its metrics cannot tell.
        ready: Raises an error that says what is missing, before a model is loaded.
        prepare: Called once with all outputs, where many at once are faster.
        problem: Why no output can be scored on an example, where the choices do not tell; else an empty string.
    """

    needs: Literal["choices", "generation"]
    score: Callable[..., Judgement]
    kinds: tuple[Kind, ...] = ()
    signature: Callable[[Example], str] = lambda example: ""
    ready: Callable[[], object] = lambda: None
    prepare: Callable[[Outputs], None] = lambda outputs: None
    problem: Callable[[Example], str] = lambda example: ""


SCORERS: dict[str, Scorer] = {
    "accuracy": Scorer("choices", accuracy),
    "ndcg": Scorer("choices", ranking),
    "chrf": Scorer("generation", text_scorers.chrf),
    "bleu": Scorer("generation", text_scorers.bleu),
    "ter": Scorer("generation", text_scorers.ter),
    "rouge": Scorer("generation", text_scorers.rouge, signature=lambda e: rouge_signature(e.language)),
    "meteor": Scorer(
        "generation", text_scorers.meteor, signature=lambda e: meteor_signature(), ready=wordnet_folder
    ),
    "bertscore": Scorer(
        "generation",
        text_scorers.bertscore,
        signature=lambda e: bert_signature(),
        ready=bert_setting,
        prepare=text_scorers.bertscore_all,
    ),
    "parent": Scorer("generation", text_scorers.parent_of, KINDS, text_scorers.parent_signature),
    "slot_error": Scorer(
        "generation",
        text_scorers.slot_error_of,
        ("meaning_representation",),
        text_scorers.slot_error_signature,
    ),
    "coverage": Scorer("generation", text_scorers.coverage_of, ("triples",), text_scorers.coverage_signature),
    "span_f1": Scorer("generation", span_f1),
    "tag_accuracy": Scorer("generation", tag_scorers.tags, problem=tag_scorers.tagged_problem),
    "tag_f1": Scorer("generation", tag_scorers.tags, problem=tag_scorers.tagged_problem),
    "boxes": Scorer("generation", tag_scorers.boxes, problem=tag_scorers.boxes_problem),
    "roc_auc": Scorer("choices", tag_scorers.yes_or_no, problem=tag_scorers.yes_or_no_problem),
    "qa": Scorer("generation", qa, signature=lambda e: f"case:lc|tok:mlqa-{e.language}"),
}


def find_scorer(name: str, *, where: object = None) -> Scorer:
    """The scorer of that name, ready to use.

    Raises:
        SuiteError: There is none, and the nearest names are given; or what it needs is missing.
        MissingExtraError: The extra that it needs is not installed.
    """
    if name not in SCORERS:
        raise SuiteError(
            "A metric must have a scorer.", found=f"`{name}`", where=where, remedy=nearest(name, SCORERS)
        )
    SCORERS[name].ready()
    return SCORERS[name]


def unscorable_reason(example: Example, scorer: Scorer, table: Table | None = None) -> str:
    """Why the example cannot be scored whatever the model says, or an empty string."""
    try:
        if scorer.needs == "choices":
            _choices(example)
        _check_table(scorer, table)
    except Unscorable as reason:
        return str(reason)
    if scorer is SCORERS["span_f1"] and parse_spans(example.target).malformed:
        return "the target is no list of entities"
    return scorer.problem(example)


def _check_table(scorer: Scorer, table: Table | None) -> None:
    if scorer.kinds and table is None:
        raise Unscorable("the row has no table")
    if scorer.kinds and table is not None and table.kind not in scorer.kinds:
        raise Unscorable(f"the row's table is of kind {table.kind}, not {' or '.join(scorer.kinds)}")


def judge(
    example: Example,
    scorer: Scorer,
    loglikelihoods: tuple[float, ...] | None,
    text: str | None,
    table: Table | None = None,
) -> Judgement:
    """The verdict on one output.

    Raises:
        Unscorable: There is no finite output, or the example has no valid target, or no table to score by.
    """
    if scorer.needs == "choices":
        if loglikelihoods is None or not all(map(math.isfinite, loglikelihoods)):
            raise Unscorable("a log-likelihood is not finite")
        return scorer.score(example, loglikelihoods)
    if text is None:
        raise Unscorable("a logit is not finite")
    _check_table(scorer, table)
    return scorer.score(example, text, table) if scorer.kinds else scorer.score(example, text)
