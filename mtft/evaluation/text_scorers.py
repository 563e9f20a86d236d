"""Scorers of generated text against its references, and against the structure that it tells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtft.evaluation.judgement import Judgement, Unscorable
from mtft.evaluation.metrics.bertscore import bert_scores
from mtft.evaluation.metrics.bleu import bleu_counts, bleu_score, setting_of
from mtft.evaluation.metrics.character_f import chrf_counts, chrf_score
from mtft.evaluation.metrics.meteor import meteor as meteor_of
from mtft.evaluation.metrics.rouge import rouge as rouge_of
from mtft.evaluation.metrics.ter import ter_counts, ter_score
from mtft.structured import Table, coverage, parent, slot_error
from mtft.structured.slot_error_rules import RULES, rules_of
from mtft.tasks.records import Example

PARENT_PRESET = "totto"


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


def bleu(example: Example, text: str) -> Judgement:
    """The example's own BLEU (0 to 100) over the orders it is long enough for; a cell's is that of all
    counts.
    """
    counts = bleu_counts(text, example.targets, setting_of(example.language))
    return Judgement(text, {"bleu": float(bleu_score(np.array(counts), effective=True))})


def ter(example: Example, text: str) -> Judgement:
    """The example's own edit rate in per cent; a cell's is that of all edits over all lengths."""
    return Judgement(text, {"ter": float(ter_score(np.array(ter_counts(text, example.targets))))})


def rouge(example: Example, text: str) -> Judgement:
    """ROUGE-L, ROUGE-1 and ROUGE-2 against the best reference."""
    found = rouge_of(text, example.targets, example.language)
    scores = {"rouge_l": found.rouge_l.f, "rouge_1": found.rouge_1.f, "rouge_2": found.rouge_2.f}
    scores |= {"rouge_l_precision": found.rouge_l.precision, "rouge_l_recall": found.rouge_l.recall}
    return Judgement(text, scores)


def meteor(example: Example, text: str) -> Judgement:
    """METEOR against the best reference, of English texts: its stems and synonyms are English."""
    if example.language != "en":
        raise Unscorable("METEOR knows English alone")
    return Judgement(text, {"meteor": meteor_of(text, example.targets)})


def bertscore(example: Example, text: str) -> Judgement:
    """BERTScore against the best reference."""
    (found,) = bert_scores([(text, example.targets)])
    return Judgement(text, {"bertscore": found.f})


def bertscore_all(outputs: Sequence[tuple[Example, str]]) -> None:
    """Computes and keeps the scores of many outputs at once, which one by one would take much longer."""
    bert_scores([(text, example.targets) for example, text in outputs])


def parent_of(example: Example, text: str, table: Table) -> Judgement:
    """PARENT against the references and the table."""
    found = parent.parent_score(text, example.targets, table, PARENT_PRESET)
    scores = {"parent": found.f, "parent_precision": found.precision, "parent_recall": found.recall}
    return Judgement(text, scores)


def slot_error_of(example: Example, text: str, table: Table) -> Judgement:
    """How many slots there are, and what the text leaves out, adds and repeats."""
    found = slot_error.slot_errors(text, slot_error.slot_values(table), rules_of(example.dataset))
    return Judgement(text, {name: float(count) for name, count in found._asdict().items()})


def coverage_of(example: Example, text: str, table: Table) -> Judgement:
    """How many triples there are, and how many of them the text says."""
    found = coverage.triple_coverage(text, table)
    return Judgement(text, {name: float(count) for name, count in found._asdict().items()})


def parent_signature(example: Example) -> str:
    """The preset, which says casing, tokens and weights, and our version."""
    return f"preset:{PARENT_PRESET}|case:lc|tok:13a|mtft-parent:{parent.VERSION}"


def slot_error_signature(example: Example) -> str:
    """Whose rules, and our version; no reference is looked at."""
    rules = example.dataset if example.dataset in RULES else "generic"
    return f"nrefs:0|rules:{rules}|case:lc|mtft-slot-error:{slot_error.VERSION}"


def coverage_signature(example: Example) -> str:
    """Our version; no reference is looked at."""
    return f"nrefs:0|case:lc|mtft-coverage:{coverage.VERSION}"
