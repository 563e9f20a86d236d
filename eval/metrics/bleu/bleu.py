"""Corpus BLEU, as a module of Hugging Face evaluate."""

from typing import Any

import datasets
import evaluate

from mtft.evaluation.metrics.bleu import BleuSetting, corpus_bleu

_DESCRIPTION = "BLEU of a corpus, 0 to 100, as in sacrebleu, with any number of references per prediction."
_CITATION = "Papineni et al. 2002, BLEU; Post 2018, sacreBLEU"


class Bleu(evaluate.Metric):
    """`evaluate.load("eval/metrics/bleu").compute(predictions=[...], references=[[...]])`."""

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
        self,
        predictions: list[str],
        references: list[list[str]],
        tokenize: str = "13a",
        lowercase: bool = False,
        orders: int = 4,
    ) -> dict[str, Any]:
        score = corpus_bleu(predictions, references, BleuSetting(tokenize, lowercase, orders))
        return {"bleu": score.value, "signature": score.signature}
