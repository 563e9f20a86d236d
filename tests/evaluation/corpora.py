"""Predictions with any number of references, and samples of them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics import Metric

WORDS = ("the", "The", "boat", "boats", "is", "old", "new", "3.5", "well-known", "sea", ",", ".", "É")
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)
FILLED = st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join)
ROWS = st.lists(st.tuples(SENTENCES, st.lists(FILLED, min_size=1, max_size=4)), min_size=1, max_size=6)
Row = tuple[str, list[str]]


def turned(rows: Sequence[Row]) -> tuple[list[str], list[list[str | None]]]:
    """Predictions, and references as sacrebleu wants them: one list per reference, padded with None."""
    longest = max(len(references) for _, references in rows)
    lists = [[r[at] if at < len(r) else None for _, r in rows] for at in range(longest)]
    return [prediction for prediction, _ in rows], lists


def samples_of(rows: Sequence[Row], scorer: str = "bleu", language: str = "en") -> list[Sample]:
    """Samples of an evaluation, two rows to an item group."""
    return [
        Sample(
            model="m",
            task="t",
            dataset="d",
            config="c",
            cluster="structure_to_text",
            language=language,
            prompt_language="en",
            metric=scorer,
            template="x",
            template_id="x",
            id=str(at),
            item_group=f"g{at // 2}",
            inputs="",
            choices=(),
            loglikelihoods=(),
            prediction=prediction,
            target=references[0],
            targets=tuple(references),
        )
        for at, (prediction, references) in enumerate(rows)
    ]


def value(metric: Metric, samples: Sequence[Sample]) -> float:
    """The metric of samples, as a cell computes it."""
    return float(metric.value(metric.rows(samples).statistics.sum(axis=0)))


def shuffled(rows: Sequence[Row], draw: random.Random) -> list[Row]:
    """The rows in another order, each with its references in another order."""
    mixed = [(prediction, draw.sample(references, len(references))) for prediction, references in rows]
    draw.shuffle(mixed)
    return mixed
