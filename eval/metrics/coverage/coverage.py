"""Triple coverage, as a module of Hugging Face evaluate."""

from typing import Any

import datasets
import evaluate

from mtft.evaluation.metrics.of_tables import corpus_coverage

_DESCRIPTION = "The share of triples whose subject and object a text says, 0 to 1."
_CITATION = "mtft, docs/metrics.md"


class Coverage(evaluate.Metric):
    """`evaluate.load("eval/metrics/coverage").compute(predictions=[...], tables=[...])`."""

    def _info(self) -> evaluate.MetricInfo:
        texts = {"predictions": datasets.Value("string"), "tables": datasets.Value("string")}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description="",
            features=datasets.Features(texts),
        )

    def _compute(self, predictions: list[str], tables: list[str]) -> dict[str, Any]:
        score = corpus_coverage(predictions, tables)
        return {"coverage": score.value, "signature": score.signature}
