"""ROUGE-L, as a module of Hugging Face evaluate."""

from typing import Any

import datasets
import evaluate

from mtft.evaluation.metrics.rouge import corpus_rouge_l

_DESCRIPTION = "Mean F of ROUGE-L against the best of any number of references, 0 to 1, in any script."
_CITATION = "Lin 2004, ROUGE"


class Rouge(evaluate.Metric):
    """`evaluate.load("eval/metrics/rouge").compute(predictions=[...], references=[[...]])`."""

    def _info(self) -> evaluate.MetricInfo:
        texts = {
            "predictions": datasets.Value("string"),
            "references": datasets.Sequence(datasets.Value("string")),
        }
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description="",
            features=datasets.Features(texts),
        )

    def _compute(
        self, predictions: list[str], references: list[list[str]], language: str = "en"
    ) -> dict[str, Any]:
        score = corpus_rouge_l(predictions, references, language)
        return {"rouge_l": score.value, "signature": score.signature}
