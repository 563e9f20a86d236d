"""Slot error rate, as a module of Hugging Face evaluate."""

from typing import Any

import datasets
import evaluate

from mtft.evaluation.metrics.of_tables import corpus_slot_error
from mtft.structured.slot_error_rules import rules_of

_DESCRIPTION = "Missing, added and repeated slots of meaning representations over all slots; less is better."
_CITATION = "Wen et al. 2015, SC-LSTM"


class SlotError(evaluate.Metric):
    """`evaluate.load("eval/metrics/slot_error").compute(predictions=[...], tables=[...])`."""

    def _info(self) -> evaluate.MetricInfo:
        texts = {"predictions": datasets.Value("string"), "tables": datasets.Value("string")}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description="",
            features=datasets.Features(texts),
        )

    def _compute(self, predictions: list[str], tables: list[str], rules: str = "generic") -> dict[str, Any]:
        shares, signature = corpus_slot_error(predictions, tables, rules_of(rules), rules)
        return {**shares, "signature": signature}
