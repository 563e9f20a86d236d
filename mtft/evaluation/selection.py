"""One number per checkpoint: the median over tasks of the normalised score."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mtft.evaluation.aggregate import Place, TemplateCell, template_cells
from mtft.evaluation.averages import primary_metric
from mtft.evaluation.examples import EvalCell, Sample
from mtft.evaluation.metrics import Metric
from mtft.plain import finite
from mtft.statistics import above_chance

RULE = (
    "median over tasks of the mean over languages of the normalised median over templates; normalised: "
    "(value - chance) / (1 - chance) for choices, else value / best value, errors subtracted from 1"
)


@dataclass(frozen=True)
class CellScore:
    """One language of one task, by its primary metric.

    Attributes:
        task: The card's name.
        language: Code.
        config: Folder or direction of the language.
        metric: The primary one.
        value: Median over templates; nan where nothing could be scored.
        chance: What scores without understanding; None for generated text.
        score: `value` with 0 for no skill and 1 for the best; nan where it is, or chance is 1.
        n_unscored: Examples without a score.
    """

    task: str
    language: str
    config: str
    metric: str
    value: float
    chance: float | None
    score: float
    n_unscored: int


@dataclass(frozen=True)
class Selection:
    """What checkpoints are compared by.

    Attributes:
        score: The median over tasks; nan if no task has a score.
        tasks: Each task's mean over its languages, those without a score left out.
        cells: What it was made of.
    """

    score: float
    tasks: dict[str, float]
    cells: tuple[CellScore, ...]

    @property
    def n_unscored(self) -> int:
        """Examples without a score in all cells."""
        return sum(cell.n_unscored for cell in self.cells)

    def as_dict(self) -> dict[str, Any]:
        """Plain data; numbers that JSON lacks become null."""
        cells = [asdict(cell) for cell in self.cells]
        return finite({"score": self.score, "tasks": self.tasks, "cells": cells})


def select(samples: Iterable[Sample], cells: Iterable[EvalCell]) -> Selection:
    """The selection score of one model's samples.

    A median, so that no task that is easily moved decides alone; tasks count alike whatever their number of
    languages. Unscored examples are counted, and are not zeros.

    Args:
        samples: One model's, of all scorers; only each cell's primary metric counts.
        cells: The suite's.

    Source: Muennighoff et al. 2023, arXiv 2211.01786, choose checkpoints on datasets other than those they report,
        and take medians over prompts.
    """
    primary = {(cell.task, cell.config): primary_metric(cell) for cell in cells}
    found: dict[Place, list[TemplateCell]] = defaultdict(list)
    for cell in template_cells(samples):
        if primary.get((cell.place.task, cell.place.config)) == cell.metric.name:
            found[cell.place].append(cell)
    scored = [_cell_score(place, templates) for place, templates in sorted(found.items())]
    by_task: dict[str, list[float]] = defaultdict(list)
    for each in scored:
        if math.isfinite(each.score):
            by_task[each.task].append(each.score)
    tasks = {task: float(np.mean(values)) for task, values in sorted(by_task.items())}
    return Selection(float(np.median(list(tasks.values()))) if tasks else math.nan, tasks, tuple(scored))


def _cell_score(place: Place, templates: Sequence[TemplateCell]) -> CellScore:
    values = [cell.value for cell in templates if math.isfinite(cell.value)]
    value = float(np.median(values)) if values else math.nan
    chance = max((cell.chance for cell in templates if cell.chance is not None), default=None)
    return CellScore(
        task=place.task,
        language=place.language,
        config=place.config,
        metric=place.metric,
        value=value,
        chance=chance,
        score=_normalised(value, chance, templates[0].metric),
        n_unscored=sum(cell.n_unscored for cell in templates),
    )


def _normalised(value: float, chance: float | None, metric: Metric) -> float:
    if chance is not None:
        return float(above_chance(value, chance))
    share = value / metric.top
    return 1.0 - share if metric.less_is_better else share
