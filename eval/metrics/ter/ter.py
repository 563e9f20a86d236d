"""Translation edit rate, as a module of Hugging Face evaluate."""

from typing import Any

import datasets
import evaluate

from mtft.evaluation.metrics.ter import corpus_ter

_DESCRIPTION = "Translation edit rate of a corpus in per cent, as in sacrebleu; less is better."
_CITATION = "Snover et al. 2006, TER"


class Ter(evaluate.Metric):
    """`evaluate.load("eval/metrics/ter").compute(predictions=[...], references=[[...]])`."""

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

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, Any]:
        score = corpus_ter(predictions, references)
        return {"ter": score.value, "signature": score.signature}
