"""Numbers and names as the report writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mtft.reporting.results import Results

METRICS = {
    "accuracy": "accuracy",
    "chrf": "chrF",
    "chrf_pp": "chrF++",
    "bleu": "BLEU",
    "bleu_lc": "BLEU, lower case",
    "ter": "TER (less is better)",
    "rouge_l": "ROUGE-L",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "meteor": "METEOR",
    "bertscore": "BERTScore",
    "parent": "PARENT",
    "parent_precision": "PARENT precision",
    "parent_recall": "PARENT recall",
    "slot_error": "slot error (less is better)",
    "coverage": "triple coverage",
    "accuracy_above_chance": "accuracy, 0 = chance",
    "mrr": "MRR",
    "auc": "AUC per query",
    "auc_overall": "AUC over all candidates",
    "span_f1": "span F1",
    "tag_accuracy": "tag accuracy",
    "tag_f1": "F1 of tagged spans",
    "box_acc_50": "boxes at IoU 0.5",
    "box_iou": "mean IoU",
    "roc_auc": "ROC AUC",
    "label_accuracy": "accuracy of labels",
    "copy_mismatch_rate": "words copied wrongly",
    "exact_match": "exact match",
    "f1": "F1",
    "ndcg": "nDCG",
    "malformed": "malformed",
    "malformed_rate": "malformed",
}
HELD_OUT = {
    "held_out_language": "language not finetuned on",
    "held_out_cluster": "task not finetuned on",
    "held_out_pair": "pair not finetuned on",
}
SEEN = {"seen": "finetuned on", "unknown": "not known whether finetuned on", **HELD_OUT}
MARKS = {"held_out_language": "◆", "held_out_cluster": "▲", "held_out_pair": "●"}
CONTAMINATED = "⚠"
STATUS = {
    "trained": "Languages in the finetuning mixture",
    "pretrained_only": "Languages only in pretraining",
    "unseen": "Languages never seen",
}
CLUSTER_STATUS = {"trained": "trained", "held_out": "held out"}
GROUPS = {
    "all": "all cells",
    "seen": "seen: finetuned on",
    "held_out": "unseen: all held-out cells",
    "unseen": "unseen: all held-out cells",
    "held_out_language": "unseen: languages not finetuned on",
    "held_out_cluster": "unseen: tasks not finetuned on",
    "held_out_pair": "unseen: pairs not finetuned on",
    "language_trained": "languages finetuned on",
    "language_pretrained_only": "languages only in pretraining",
    "language_unseen": "languages never seen",
    "cluster_trained": "tasks finetuned on",
    "cluster_held_out": "tasks held out",
    "language_trained_cluster_trained": "languages and tasks finetuned on",
    "language_trained_cluster_held_out": "languages finetuned on, tasks held out",
    "language_pretrained_only_cluster_trained": "languages only in pretraining, tasks finetuned on",
    "language_pretrained_only_cluster_held_out": "languages only in pretraining, tasks held out",
    "language_unseen_cluster_trained": "languages never seen, tasks finetuned on",
    "language_unseen_cluster_held_out": "languages never seen, tasks held out",
}
NOTHING = "–"
FRACTIONS = frozenset(
    {
        *(
            "accuracy",
            "accuracy_above_chance",
            "ndcg",
            "mrr",
            "auc",
            "auc_overall",
            "span_f1",
            "malformed_rate",
            "f1",
            "exact_match",
        ),
        *(
            "rouge_l",
            "rouge_1",
            "rouge_2",
            "meteor",
            "bertscore",
            "parent",
            "parent_precision",
            "parent_recall",
        ),
        *(
            "tag_accuracy",
            "tag_f1",
            "copy_mismatch_rate",
            "box_acc_50",
            "box_iou",
            "roc_auc",
            "label_accuracy",
        ),
        *("slot_error", "slots_missing", "slots_added", "slots_repeated", "coverage", "values_said"),
    }
)
"""Metrics of at most 1, shown in per cent."""
POINTS = frozenset({"chrf", "chrf_pp", "bleu", "bleu_lc", "spbleu", "ter"})
"""Metrics of 0 to 100, however small their values happen to be."""
LESS_IS_BETTER = frozenset(
    {
        "ter",
        "slot_error",
        "slots_missing",
        "slots_added",
        "slots_repeated",
        "malformed_rate",
        "copy_mismatch_rate",
    }
)
"""Rates of errors: a gain is a fall."""


def words(name: object) -> str:
    """An identifier as words: `held_out` is "held out"."""
    return str(name).replace("_", " ")


def metric_name(metric: str) -> str:
    """The metric's customary name."""
    return METRICS.get(metric, words(metric))


def plural(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def whole(value: float | None) -> str:
    """A count with thousands separated, or a dash."""
    return NOTHING if value is None else f"{value:,.0f}"


class Scales:
    """How each metric's values become points of 0 to 100.

    `FRACTIONS` are shown in per cent, `POINTS` as they are; a metric of neither is taken for a fraction if
    its values all lie in [-1, 1].
    """

    def __init__(self, results: Results) -> None:
        largest: dict[str, float] = {}
        for metric, value in _values(results):
            largest[metric] = max(largest.get(metric, 0.0), abs(value))
        self._largest: Mapping[str, float] = largest

    def _factor(self, metric: str) -> float:
        if metric in FRACTIONS:
            return 100.0
        return 1.0 if metric in POINTS or self._largest.get(metric, 0.0) > 1.0 else 100.0

    def points(self, metric: str, value: float) -> float:
        """The value in points of 0 to 100."""
        return value * self._factor(metric)

    def show(self, metric: str, value: float | None) -> str:
        """The value in points with one decimal, or a dash."""
        return NOTHING if value is None else f"{self.points(metric, value):.1f}".replace("-", "\u2212")

    def signed(self, metric: str, value: float | None) -> str:
        """The same with its sign, which a zero has not; minus as U+2212."""
        if value is None:
            return NOTHING
        text = f"{self.points(metric, value):+.1f}"
        return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\u2212")

    def interval(self, metric: str, low: float | None, high: float | None) -> str:
        """`40.1–52.3`, or `−5.0 to 3.1` below zero, or nothing."""
        if low is None or high is None:
            return ""
        between = "\u2013" if min(low, high) >= 0 else " to "
        return f"{self.show(metric, low)}{between}{self.show(metric, high)}"


def _values(results: Results) -> Iterable[tuple[str, float]]:
    for row in results.summary:
        yield from ((row.metric, v) for v in (row.median, row.max, row.high) if v is not None)
    for cell in results.cells:
        yield from ((cell.metric, v) for v in (cell.value, cell.high) if v is not None)
    for average in results.averages:
        yield from ((average.metric, v) for v in (average.value, average.low, average.high) if v is not None)
    for each in (*results.published, *results.curve, *results.score_functions):
        value: float | None = getattr(each, "value", None)
        if value is not None:
            yield each.metric, value


def items_per_cell(suite: Mapping[str, Any]) -> str:
    """`at most 100` or `all`; empty where runs with different caps stand in one report."""
    if "max_items_per_cell" not in suite and "fingerprint" not in suite and "protocol" not in suite:
        return ""
    limit = suite.get("max_items_per_cell")
    return f"at most {limit:,}" if isinstance(limit, int) else "all"
