"""Corpus chrF and chrF++, as a module of Hugging Face evaluate."""

import datasets
import evaluate
import numpy as np

from mtft.evaluation.metrics.character_f import chrf_counts, chrf_score

_DESCRIPTION = (
    "chrF (character 6-grams, beta 2) and chrF++ (with word 2-grams) of a corpus, 0 to 100, as in sacrebleu."
)
_CITATION = "Popović 2015, chrF; Popović 2017, chrF++"


class Chrf(evaluate.Metric):
    """`evaluate.load("eval/metrics/chrf").compute(predictions=[...], references=[[...]])`."""

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

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, float]:
        pairs = [(p, tuple(r)) for p, r in zip(predictions, references, strict=True)]
        return {
            name: float(chrf_score(np.sum([chrf_counts(p, r, words=words) for p, r in pairs], axis=0)))
            for name, words in (("chrf", False), ("chrf_pp", True))
        }
