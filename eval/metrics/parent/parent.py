"""PARENT, as a module of Hugging Face evaluate."""

from typing import Any

import datasets
import evaluate

from mtft.evaluation.metrics.of_tables import corpus_parent

_DESCRIPTION = "PARENT precision, recall and F, 0 to 1; `tables` holds the JSON of `Table.as_dict`."
_CITATION = "Dhingra et al. 2019, PARENT; Parikh et al. 2020, ToTTo"


class Parent(evaluate.Metric):
    """`evaluate.load("eval/metrics/parent").compute(predictions=[...], references=[[...]], tables=[...])`."""

    def _info(self) -> evaluate.MetricInfo:
        texts = {
            "predictions": datasets.Value("string"),
            "references": datasets.Sequence(datasets.Value("string")),
            "tables": datasets.Value("string"),
        }
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description="",
            features=datasets.Features(texts),
        )

    def _compute(
        self, predictions: list[str], references: list[list[str]], tables: list[str], preset: str = "totto"
    ) -> dict[str, Any]:
        score, signature = corpus_parent(predictions, references, tables, preset)
        return {
            "parent_precision": score.precision,
            "parent_recall": score.recall,
            "parent": score.f,
            "signature": signature,
        }
