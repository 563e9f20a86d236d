"""Exact match and token F1 normalised by language, as a module of Hugging Face evaluate."""

import datasets
import evaluate
import numpy as np

from mtft.evaluation.answers import exact_match, token_f1

_DESCRIPTION = "Exact match and token F1 of short answers with MLQA's normalisation of the given language."
_CITATION = "Lewis et al. 2020, MLQA, arXiv 1910.07475"


class MultilingualQA(evaluate.Metric):
    """`evaluate.load("eval/metrics/multilingual_qa").compute(predictions=[...], references=[[...]],
    language="de")`.
    """

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
    ) -> dict[str, float]:
        pairs = list(zip(predictions, references, strict=True))
        return {
            "exact_match": float(np.mean([exact_match(p, r, language) for p, r in pairs])),
            "f1": float(np.mean([token_f1(p, r, language) for p, r in pairs])),
        }
