"""Micro-averaged F1 of entities written as `PER: Amina ; LOC: Kano`, as a module of Hugging Face evaluate."""

import datasets
import evaluate
import numpy as np

from mtft.evaluation.metrics import span_f1_value
from mtft.evaluation.spans import parse_spans, span_counts

_DESCRIPTION = "F1 over whole entities (label and text) and the share of outputs that could not be read."
_CITATION = "Tjong Kim Sang and De Meulder 2003, CoNLL-2003 shared task"


class SpanF1(evaluate.Metric):
    """`evaluate.load("eval/metrics/span_f1").compute(predictions=[...], references=[...])`."""

    def _info(self) -> evaluate.MetricInfo:
        texts = {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description="",
            features=datasets.Features(texts),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        made = [parse_spans(text) for text in predictions]
        gold = [parse_spans(text) for text in references]
        counts = [span_counts(a.spans, b.spans) for a, b in zip(made, gold, strict=True)]
        return {
            "span_f1": float(span_f1_value(np.sum(counts, axis=0, dtype=float))),
            "malformed_rate": float(np.mean([a.malformed for a in made])),
        }
