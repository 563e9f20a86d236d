"""nDCG, mean reciprocal rank and AUC with ties at their expected value, as a module of Hugging Face evaluate."""

import datasets
import evaluate
import numpy as np

from mtft.evaluation.ranking import auc, ndcg, reciprocal_rank

_DESCRIPTION = (
    "nDCG (linear gain, all ranks) and reciprocal rank, averaged over queries that have a relevant candidate; AUC "
    "over those that have an irrelevant one too, and over all candidates."
)
_CITATION = "Järvelin and Kekäläinen 2002; ties: McSherry and Najork 2008; AUC: Hanley and McNeil 1982"


class Ndcg(evaluate.Metric):
    """`evaluate.load("eval/metrics/ndcg").compute(predictions=[[scores]], references=[[gains]])`, a list per
    query.
    """

    def _info(self) -> evaluate.MetricInfo:
        numbers = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description="",
            features=datasets.Features({"predictions": numbers, "references": numbers}),
        )

    def _compute(self, predictions: list[list[float]], references: list[list[float]]) -> dict[str, float]:
        queries = [
            (gains, scores) for scores, gains in zip(predictions, references, strict=True) if max(gains) > 0
        ]
        return {
            "ndcg": float(np.mean([ndcg(*query) for query in queries])),
            "mrr": float(np.mean([reciprocal_rank(*query) for query in queries])),
            "auc": _mean([auc(*query) for query in queries]),
            "auc_overall": auc(
                [g for gains in references for g in gains], [s for p in predictions for s in p]
            ),
            "n_queries": float(len(queries)),
        }


def _mean(values: list[float]) -> float:
    """The mean of those that are numbers; nan without any."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
