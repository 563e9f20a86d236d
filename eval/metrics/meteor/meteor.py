"""METEOR of nltk, as a module of Hugging Face evaluate."""

from typing import Any

import datasets
import evaluate

from mtft.evaluation.metrics.meteor import corpus_meteor

_DESCRIPTION = "METEOR of English texts as in nltk, 0 to 1; needs a local WordNet. Not METEOR 1.5."
_CITATION = "Banerjee and Lavie 2005, METEOR"


class Meteor(evaluate.Metric):
    """`evaluate.load("eval/metrics/meteor").compute(predictions=[...], references=[[...]])`."""

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
        score = corpus_meteor(predictions, references)
        return {"meteor": score.value, "signature": score.signature}
