"""Scorers of tagged sentences, of regions on a page, and of yes-or-no classification by label tokens."""

from __future__ import annotations

import numpy as np

from mtft.evaluation.judgement import Judgement, Unscorable
from mtft.evaluation.spans import SpanCounts
from mtft.structured.locations import Page, Region, overlap, read_regions
from mtft.structured.tag_codecs import TagItem, aligned, parse_tags, style_of
from mtft.structured.tag_spans import spans_of
from mtft.tasks.records import Example

HIT = 0.5
# Any size will do: intersection over union does not change when an axis is scaled.
_PAGE = Page(1.0, 1.0)


def tags(example: Example, text: str) -> Judgement:
    """Words tagged right, spans found, invented and missed, and whether the output was well formed and copied right.

    The style is that of the target. Tags of words that the output lacks are wrong; words that it adds count nowhere
    but in `copy_mismatch`.
    """
    wanted = _gold(example.target)
    style = style_of(example.target)
    keys = [item.key for item in wanted]
    said = aligned(parse_tags(text, style), keys, by_number=style != "spans")
    right = sum(tag == item.tag for tag, item in zip(said.tags, wanted, strict=True))
    counts = tag_span_counts(said.tags, [item.tag for item in wanted])
    scores = {"right": right, "words": len(keys), **counts._asdict()}
    scores |= {"malformed": said.malformed, "copy_mismatch": said.copy_mismatch}
    return Judgement(text, {name: float(value) for name, value in scores.items()})


def tag_span_counts(said: tuple[str, ...], wanted: list[str]) -> SpanCounts:
    """How many spans agree in both ends and type.

    Source: Tjong Kim Sang & Buchholz 2000, CoNLL-2000 shared task, section 4.
    """
    found, gold = set(spans_of(said)), set(spans_of(wanted))
    return SpanCounts(len(found & gold), len(found - gold), len(gold - found))


def _gold(target: str) -> tuple[TagItem, ...]:
    parsed = parse_tags(target, style_of(target))
    if parsed.malformed:
        raise Unscorable("the target is no tagged sentence")
    return parsed.items


def tagged_problem(example: Example) -> str:
    """Why no output can be scored as tags of this example, or an empty string."""
    return (
        "the target is no tagged sentence"
        if parse_tags(example.target, style_of(example.target)).malformed
        else ""
    )


def boxes(example: Example, text: str) -> Judgement:
    """Regions hit (same text, overlap of at least one half), the mean overlap, and whether all could be read.

    Said and wanted regions of equal text are paired by falling overlap. Both means are over the larger of the
    numbers of said and wanted regions, so that naming more than there are costs.

    Source: acc@0.5 as in Mao et al. 2016, "Generation and Comprehension of Unambiguous Object Descriptions", CVPR,
    section 6.1, there for one box.
    """
    if boxes_problem(example):
        raise Unscorable(boxes_problem(example))
    wanted, said = read_regions(example.target, _PAGE).regions, read_regions(text, _PAGE)
    overlaps = _paired(said.regions, wanted)
    of = max(len(wanted), len(said.regions) + said.malformed)
    scores = {"hit": sum(each >= HIT for each in overlaps) / of, "iou": sum(overlaps) / of}
    malformed = bool(said.malformed) or not said.regions
    return Judgement(text, {**scores, "malformed": float(malformed)})


def boxes_problem(example: Example) -> str:
    """Why no output can be scored as regions of this example, or an empty string."""
    gold = read_regions(example.target, _PAGE)
    return "" if gold.regions and not gold.malformed else "the target names no regions"


def _paired(said: tuple[Region, ...], wanted: tuple[Region, ...]) -> list[float]:
    pairs = sorted(
        ((overlap(a, b), i, j) for i, a in enumerate(said) for j, b in enumerate(wanted) if a.text == b.text),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    ours: set[int] = set()
    theirs: set[int] = set()
    found = []
    for value, i, j in pairs:
        if i not in ours and j not in theirs:
            found.append(value)
            ours.add(i)
            theirs.add(j)
    return found


def yes_or_no(example: Example, loglikelihoods: tuple[float, ...]) -> Judgement:
    """The probability of the second of two choices among both, and whether it is the target.

    p(yes) / (p(yes) + p(no)), the choices in the order no, yes; ranked over all rows it gives the ROC curve.

    Source: Nogueira et al. 2020, "Document Ranking with a Pretrained Sequence-to-Sequence Model", Findings of EMNLP,
    section 2 (a softmax over the logits of both label tokens alone).
    """
    choices = example.answer_choices or ()
    if problem := yes_or_no_problem(example):
        raise Unscorable(problem)
    first, second = loglikelihoods
    chosen = choices[int(second > first)]
    probability = float(np.exp(second - np.logaddexp(first, second)))
    right = 0.5 if first == second else float(chosen in example.targets)
    return Judgement(
        chosen, {"relevance": float(choices[1] in example.targets), "margin": probability, "right": right}
    )


def yes_or_no_problem(example: Example) -> str:
    """Why no output can be scored as yes or no to this example, or an empty string."""
    found = len(example.answer_choices or ())
    return "" if found == 2 else f"there are {found} answer choices, not no and yes"
