"""The cells of a suite: from tasks and a mixture to what each cell is, seen in training or held out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mtft.errors import SuiteError, nearest
from mtft.evaluation.answering import PLAIN, Answering
from mtft.evaluation.examples import EvalCell, Seen
from mtft.evaluation.fewshot import NONE, Shots
from mtft.evaluation.scorers import find_scorer
from mtft.evaluation.trained_on import TrainedOn
from mtft.mixing.cells import languages_of

if TYPE_CHECKING:
    from mtft.mixing import MixtureCells
    from mtft.prompting import Template, TemplateCollection
    from mtft.tasks import CardIndex, Task

MAX_NEW_TOKENS = 64


class Wishes(Protocol):
    """What a suite says of one task."""

    @property
    def task(self) -> str: ...  # noqa: D102
    @property
    def languages(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def exclude_languages(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def templates(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def prompt_languages(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def metrics(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def protocol(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class Asked:
    """One language of one task, as asked for.

    Attributes:
        task: The cell.
        templates: Its templates; None stands for rows that are prompted already.
        metrics: Scorers; none named: the card's.
        max_items: Most items; None for all.
        shots: What stands before each prompt.
        answering: How answers are made and ranked.
        protocol: Scoring protocol; none named: the suite's.
        splits: Published splits taken whole; none named: the suite's side.
    """

    task: Task
    templates: tuple[Template | None, ...]
    metrics: tuple[str, ...] = ()
    max_items: int | None = None
    shots: Shots = NONE
    answering: Answering = PLAIN
    protocol: str = ""
    splits: tuple[str, ...] = ()


def asked_of_task(
    entry: Wishes, index: CardIndex, collection: TemplateCollection, max_items: int | None, *, where: str
) -> list[Asked]:
    """The languages of one listed task.

    Raises:
        SuiteError: A language to leave out is none of the task's, or nothing is left.
        MtftError: The task, a language or a template is unknown.
    """
    tasks = index.get(entry.task).tasks(
        languages=list(entry.languages) or None,
        templates=list(entry.templates) or None,
        prompt_languages=list(entry.prompt_languages) or None,
        collection=collection,
    )
    known = {code for task in tasks for code in languages_of(task)}
    for code in entry.exclude_languages:
        if code not in known:
            raise SuiteError(
                "A language to leave out must be one of the task's.",
                found=f"`{code}`",
                where=f"{where}: {entry.task}",
                remedy=nearest(code, known),
            )
    kept = [task for task in tasks if not set(languages_of(task)) & set(entry.exclude_languages)]
    if not kept:
        raise SuiteError("A listed task must keep a language.", found="none", where=f"{where}: {entry.task}")
    return [
        Asked(task, tuple(task.templates) or (None,), entry.metrics, max_items, protocol=entry.protocol or "")
        for task in kept
    ]


def asked_of_mixture(
    cells: MixtureCells,
    kinds: Collection[str],
    *,
    most_trained: int | None,
    templates: Sequence[str],
    max_items: int | None,
) -> list[Asked]:
    """The cells of a mixture: those held out for report or validation, and trained ones for contrast."""
    tasks: list[Task] = []
    if "report" in kinds:
        tasks += cells.report
    if "validation" in kinds:
        tasks += cells.validation
    if "trained" in kinds:
        tasks += _spread([cell.task for cell in cells.train], most_trained)
    return [Asked(task, _named(task, templates), (), max_items) for task in tasks]


def _named(task: Task, names: Sequence[str]) -> tuple[Template | None, ...]:
    """The task's templates of these names, or all where it has none of them."""
    return tuple(t for t in task.templates if t.name in names) or tuple(task.templates) or (None,)


def _spread(tasks: Sequence[Task], most: int | None) -> list[Task]:
    """At most so many cells of each task, evenly spread over its languages in order."""
    by_name: dict[str, list[Task]] = {}
    for task in sorted(tasks, key=lambda t: t.key):
        by_name.setdefault(task.name, []).append(task)
    chosen = []
    for found in by_name.values():
        count = len(found) if most is None else min(most, len(found))
        chosen += [found[place * len(found) // count] for place in range(count)]
    return chosen


def seen_in_training(task: Task, trained: TrainedOn | None) -> Seen:
    """Whether the mixture trains on a cell, else what is new in it: the cluster, a language, or only the
    pair.
    """
    if trained is None:
        return "unknown"
    if task.key in trained.keys:
        return "seen"
    if task.cluster not in trained.clusters:
        return "held_out_cluster"
    return "held_out_pair" if set(languages_of(task)) <= trained.languages else "held_out_language"


def eval_cell(asked: Asked, trained: TrainedOn | None, pretrained: Collection[str] | None) -> EvalCell:
    """What is known of a cell before any of its rows is read.

    Args:
        asked: The cell.
        trained: What the model was finetuned on; None where that is not known.
        pretrained: Codes of the languages it was pretrained on, or `all`; None where they are not known.

    Raises:
        SuiteError: A scorer is unknown, or answers must be longer than they may be.
    """
    task, card = asked.task, asked.task.card
    info = card.language_info(task.config)
    if trained is not None and task.language in trained.languages:
        status = "trained"
    elif pretrained is None:
        status = ""
    else:
        status = "pretrained_only" if {task.language, "all"} & set(pretrained) else "unseen"
    max_new_tokens = card.max_new_tokens or MAX_NEW_TOKENS
    asked.answering.check_length(max_new_tokens, task.key)
    return EvalCell(
        task=task.name,
        config=task.config,
        cluster=task.cluster,
        language=task.language,
        seen=seen_in_training(task, trained),
        metrics=_metrics(asked),
        max_new_tokens=max_new_tokens,
        title=card.title or task.name,
        licence=card.licence,
        cluster_trained=trained is not None and task.cluster in trained.clusters,
        language_status=status,
        language_name=info.name,
        script=info.script,
        shots=asked.shots.count,
        min_new_tokens=asked.answering.min_new_tokens,
        score_function=asked.answering.score_function,
        score_functions=asked.answering.score_functions,
        protocol=asked.protocol,
    )


def _metrics(asked: Asked) -> tuple[str, ...]:
    """The scorers asked for, else the card's, else by whether templates offer choices."""
    names = tuple(asked.metrics or asked.task.card.metrics)
    if not names:
        return (
            ("accuracy",) if any(t is not None and t.answer_choices for t in asked.templates) else ("chrf",)
        )
    for name in names:
        find_scorer(name, where=asked.task.name)
    return tuple(dict.fromkeys(names))
