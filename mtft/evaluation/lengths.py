"""How long generated answers are beside their references: multitask finetuning makes them short."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from mtft.evaluation.examples import Sample
from mtft.evaluation.scorers import SCORERS


class _Place(NamedTuple):
    model: str
    task: str
    config: str
    language: str
    prompt_language: str
    metric: str


def length_rows(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """What results say of lengths, per model, cell, prompt language and scorer, over all templates.

    Lengths are in Unicode characters, white space at the ends not counted: they need no tokenizer, and models with
    different ones can be compared. An item with several references counts their mean length. `ratio` is the mean
    prediction's over the mean target's; an empty prediction counts as 0 and in `n_empty`.

    Source: that finetuned models answer too briefly, and that a minimum length helps: Muennighoff et al. 2023, arXiv
    2211.01786, on generation tasks.
    """
    found: dict[_Place, list[tuple[int, float]]] = defaultdict(list)
    for s in samples:
        if SCORERS[s.metric].needs == "generation" and s.prediction is not None and s.targets:
            place = _Place(s.model, s.task, s.config, s.language, s.prompt_language, s.metric)
            target = sum(len(reference.strip()) for reference in s.targets) / len(s.targets)
            found[place].append((len(s.prediction.strip()), target))
    return [_row(place, pairs) for place, pairs in sorted(found.items())]


def _row(place: _Place, pairs: list[tuple[int, float]]) -> dict[str, Any]:
    n = len(pairs)
    prediction = sum(length for length, _ in pairs) / n
    target = sum(length for _, length in pairs) / n
    return {
        **place._asdict(),
        "mean_prediction": prediction,
        "mean_target": target,
        "ratio": prediction / target if target else None,
        "n_empty": sum(not length for length, _ in pairs),
        "n": n,
    }
