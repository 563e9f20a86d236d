"""The development metric: each task's own, on validation items, while the model trains."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mtft.errors import SuiteError
from mtft.evaluation import (
    METRICS,
    SCORERS,
    EngineSettings,
    EvalExample,
    Metric,
    Sample,
    Suite,
    cells_of,
    evaluate,
)
from mtft.evaluation.selection import CellScore, select
from mtft.mixing import MixtureSpec
from mtft.runs.validation_data import load_validation_side
from mtft.tasks import Problems
from mtft.training import MultitaskArguments
from mtft.training.diagnostic_settings import QUANTITIES

if TYPE_CHECKING:
    from mtft.runs.data import Library

logger = logging.getLogger(__name__)

_METRICS: dict[str, Metric] = {metric.name: metric for each in METRICS.values() for metric in each}


class DevScore(NamedTuple):
    """One task's metric in one language, or over all its languages.

    Attributes:
        task: The card's name.
        language: Code; empty for the mean over languages.
        metric: The task's primary one.
        value: From 0 to 1, larger is better: the metric over its best value, errors subtracted from 1.
        n: Scored examples.
    """

    task: str
    language: str
    metric: str
    value: float
    n: int


@dataclass(frozen=True)
class Development:
    """What the development metric is made on.

    Attributes:
        suite: On the validation side.
        examples: Its examples.
        batch_tokens: Tokens per batch.
    """

    suite: Suite
    examples: list[EvalExample]
    batch_tokens: int = 8192

    @property
    def choices(self) -> int:
        """Sequences that are scored: answer choices, and one of each example without."""
        return sum(len(each.example.answer_choices or ("",)) for each in self.examples)

    def measure(
        self, model: Any, tokenizer: Any, family: str, step: int, protocol: str | None = None
    ) -> list[DevScore]:
        """The metric of every task and language, equal in every process.

        Args:
            model: As it trains; its mode is put back.
            tokenizer: The model's.
            family: As `load_model` says it.
            step: Steps that were made.
            protocol: Scoring protocol instead of the suite's.
        """
        settings = EngineSettings(self.batch_tokens, self.suite.max_input_tokens)
        named = protocol or self.suite.protocol
        samples = evaluate(model, tokenizer, family, self.examples, named, settings, step=step)
        return dev_scores(samples, self.examples)


def development(
    settings: MultitaskArguments,
    spec: MixtureSpec,
    library: Library,
    *,
    batch_tokens: int = 8192,
    strict: bool = False,
) -> Development | None:
    """What a run's diagnostics score, or None where they do not ask for the metric or, by default, cannot have it.

    Args:
        settings: Suite and items.
        spec: The mixture, whose trained cells are scored on their validation items where no suite is named.
        library: Cards, templates and rows.
        batch_tokens: Tokens per batch.
        strict: Stop at the first malformed row.

    Raises:
        SuiteError: The suite is not on the validation side, or no task of it has answer choices and the metric or the
            suite was asked for by name.
        MtftError: See `Suite.examples`.
    """
    if not settings.diagnostics or "dev_metric" not in settings.diagnostics_quantities:
        return None
    suite = _suite(settings, spec)
    problems = Problems(strict=strict)
    found = suite.examples(library.cards, library.templates, library.sources, problems, mixture=spec)
    kept = [each for each in found if settings.diagnostics_generation or _ranked(each)]
    if not kept:
        _without_metric(settings, suite, scorable=bool(found))
        return None
    return Development(suite, [_primary_only(each) for each in kept], batch_tokens)


def _without_metric(settings: MultitaskArguments, suite: Suite, *, scorable: bool) -> None:
    """Say that there is no metric; refuse where it was asked for by name.

    Args:
        settings: With all quantities, as by default, the metric is not asked for by name.
        suite: Whose tasks have no answer choices.
        scorable: Whether it has examples, for which text could be generated.
    """
    remedy = "Give --diagnostics_generation true, " if scorable else "Give "
    if settings.diagnostics_suite is None and set(settings.diagnostics_quantities) == set(QUANTITIES):
        logger.warning(
            "`dev_metric` is left out: no trained task has validation items with answer choices.%s",
            " --diagnostics_generation true scores generated text." if scorable else "",
        )
        return
    raise SuiteError(
        "The development metric needs a task with answer choices.",
        found="none",
        where=suite.path,
        remedy=f"{remedy}another --diagnostics_suite, or leave `dev_metric` out of --diagnostics_quantities.",
    )


def _suite(settings: MultitaskArguments, spec: MixtureSpec) -> Suite:
    items = settings.diagnostics_items
    if settings.diagnostics_suite is None:
        return Suite(
            name=f"{spec.name}_development",
            side="validation",
            cells=("trained",),
            mixture=spec.name,
            seed=spec.seed,
            max_items_per_cell=items,
            max_input_tokens=spec.limits.max_input_tokens,
            path=spec.path,
        )
    rule = "The development metric is measured on the validation side."
    return load_validation_side(settings.diagnostics_suite, rule).with_items(items)


def _ranked(example: EvalExample) -> bool:
    return SCORERS[example.cell.metrics[0]].needs == "choices"


def _primary_only(example: EvalExample) -> EvalExample:
    """Scored by the first of its cell's metrics alone."""
    return replace(example, cell=replace(example.cell, metrics=example.cell.metrics[:1]))


def dev_scores(samples: Iterable[Sample], examples: list[EvalExample]) -> list[DevScore]:
    """Each language's median over templates by the task's primary metric, and each task's mean over languages.

    Unscored examples are left out, and are not zeros.
    """
    scored = list(samples)
    counts = Counter((each.task, each.language) for each in scored if each.scores)
    by_place: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for cell in select(scored, cells_of(examples)).cells:
        if math.isfinite(cell.value):
            by_place[cell.task, cell.language, cell.metric].append(_share(cell))
    found = [
        DevScore(*place, float(np.mean(values)), counts[place[:2]]) for place, values in by_place.items()
    ]
    by_task: dict[tuple[str, str], list[DevScore]] = defaultdict(list)
    for each in found:
        by_task[each.task, each.metric].append(each)
    means = [
        DevScore(task, "", metric, float(np.mean([e.value for e in parts])), sum(e.n for e in parts))
        for (task, metric), parts in by_task.items()
    ]
    return sorted([*found, *means])


def _share(cell: CellScore) -> float:
    """From 0 to 1, larger is better."""
    metric = _METRICS[cell.metric]
    share = cell.value / metric.top
    return 1.0 - share if metric.less_is_better else share
