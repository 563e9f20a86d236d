"""Metrics: from the samples of a cell to statistics that add up over item groups, and from their sum to a
number.
"""

from __future__ import annotations

from functools import partial

from mtft.evaluation.metrics.base import (
    CorpusScore,
    Metric,
    Rows,
    kept_signature,
    mean_of,
    ratio_of,
    reference_count,
)
from mtft.evaluation.metrics.bleu import bleu_rows, bleu_score, bleu_signatures
from mtft.evaluation.metrics.chance import chance_level, majority_share
from mtft.evaluation.metrics.character_f import chrf_rows, chrf_score, chrf_signature
from mtft.evaluation.metrics.per_sample import (
    overall_auc_rows,
    overall_auc_value,
    per_query,
    span_f1_value,
    span_rows,
)
from mtft.evaluation.metrics.ter import ter_rows, ter_score, ter_signatures
from mtft.evaluation.ranking import auc, ndcg, reciprocal_rank

_MALFORMED = Metric("malformed_rate", mean_of("malformed"), less_is_better=True)
_MISCOPIED = Metric("copy_mismatch_rate", mean_of("copy_mismatch"), less_is_better=True)
_TAG_ACCURACY = Metric("tag_accuracy", ratio_of(("right",), "words"), is_mean=False)
_TAG_F1 = Metric("tag_f1", span_rows, span_f1_value, is_mean=False)
_SLOT_ERRORS = ("missing", "added", "repeated")


def _bleu(name: str, *, lowercase: bool) -> Metric:
    signature = bleu_signatures(lowercase=lowercase)
    rows = bleu_rows(lowercase=lowercase)
    return Metric(name, rows, bleu_score, top=100.0, is_mean=False, signature=signature)


def _chrf(name: str, *, words: bool) -> Metric:
    rows, signature = partial(chrf_rows, words=words), partial(chrf_signature, words=words)
    return Metric(name, rows, chrf_score, top=100.0, is_mean=False, signature=signature)


# What each scorer's samples are summed up to; the first is the primary one.
METRICS: dict[str, tuple[Metric, ...]] = {
    "accuracy": (Metric("accuracy", mean_of("accuracy"), choice=True),),
    "ndcg": (
        Metric("ndcg", per_query(ndcg), choice=True, by_query=True),
        Metric("mrr", per_query(reciprocal_rank), choice=True, by_query=True),
        Metric("auc", per_query(auc), choice=True, by_query=True),
        Metric("auc_overall", overall_auc_rows, overall_auc_value, is_mean=False, choice=True),
    ),
    "chrf": (_chrf("chrf", words=False), _chrf("chrf_pp", words=True)),
    "bleu": (_bleu("bleu", lowercase=False), _bleu("bleu_lc", lowercase=True)),
    "ter": (
        Metric(
            "ter",
            ter_rows,
            ter_score,
            top=100.0,
            is_mean=False,
            less_is_better=True,
            signature=ter_signatures,
        ),
    ),
    "rouge": tuple(Metric(name, mean_of(name)) for name in ("rouge_l", "rouge_1", "rouge_2")),
    "meteor": (Metric("meteor", mean_of("meteor")),),
    "bertscore": (Metric("bertscore", mean_of("bertscore"), is_mean=False),),
    "parent": (
        Metric("parent", mean_of("parent")),
        Metric("parent_precision", mean_of("parent_precision")),
        Metric("parent_recall", mean_of("parent_recall")),
    ),
    "slot_error": (
        Metric("slot_error", ratio_of(_SLOT_ERRORS, "slots"), is_mean=False, less_is_better=True),
        *(
            Metric(f"slots_{name}", ratio_of((name,), "slots"), is_mean=False, less_is_better=True)
            for name in _SLOT_ERRORS
        ),
    ),
    "coverage": (
        Metric("coverage", ratio_of(("covered",), "triples"), is_mean=False),
        Metric("values_said", ratio_of(("said",), "values"), is_mean=False),
    ),
    "span_f1": (
        Metric("span_f1", span_rows, span_f1_value, is_mean=False),
        Metric("malformed_rate", mean_of("malformed"), less_is_better=True),
    ),
    "tag_accuracy": (_TAG_ACCURACY, _MALFORMED, _MISCOPIED),
    "tag_f1": (_TAG_F1, _TAG_ACCURACY, _MALFORMED, _MISCOPIED),
    "boxes": (Metric("box_acc_50", mean_of("hit")), Metric("box_iou", mean_of("iou")), _MALFORMED),
    "roc_auc": (
        Metric("roc_auc", overall_auc_rows, overall_auc_value, is_mean=False, choice=True),
        Metric("label_accuracy", mean_of("right")),
    ),
    "qa": (Metric("f1", mean_of("f1")), Metric("exact_match", mean_of("exact_match"))),
}

__all__ = [
    "METRICS",
    "CorpusScore",
    "Metric",
    "Rows",
    "chance_level",
    "kept_signature",
    "majority_share",
    "reference_count",
    "span_f1_value",
]
