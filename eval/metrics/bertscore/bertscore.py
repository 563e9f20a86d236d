"""BERTScore, as a module of Hugging Face evaluate."""

from typing import Any

import datasets
import evaluate

from mtft.evaluation.metrics.bertscore import corpus_bertscore

_DESCRIPTION = "Mean F of BERTScore with a local model; needs the extra `bertscore`."
_CITATION = "Zhang et al. 2020, BERTScore"


class BertScore(evaluate.Metric):
    """`evaluate.load("eval/metrics/bertscore").compute(predictions=[...], references=[[...]])`."""

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
        score = corpus_bertscore(predictions, references)
        return {"bertscore": score.value, "signature": score.signature}
