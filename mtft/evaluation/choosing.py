"""Which of a suite's cells are evaluated: those of some tasks or languages, and none that was trained on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from mtft import languages as language_table
from mtft.errors import SuiteError, TaskError, nearest
from mtft.evaluation.cells import Asked
from mtft.mixing.cells import languages_of

if TYPE_CHECKING:
    from mtft.evaluation.trained_on import TrainedOn


def chosen(
    asked: Sequence[Asked], tasks: Collection[str], languages: Collection[str], *, where: str
) -> list[Asked]:
    """The cells of these tasks and languages, in the suite's order; nothing named: all.

    Args:
        asked: The suite's cells.
        tasks: Names of tasks.
        languages: Codes, aliases of codes, or configurations; of a translation either side's.
        where: The suite, for the message.

    Raises:
        SuiteError: A name is none of the suite's, and the nearest are given; or no cell has both.
    """
    _check(tasks, lambda a: {a.task.name}, asked, "task", where)
    named = {code for name in languages for code in (name, _canonical(name))}
    _check(languages, _languages, asked, "language", where)
    kept = [
        a for a in asked if (not tasks or a.task.name in tasks) and (not languages or _languages(a) & named)
    ]
    if not kept:
        raise SuiteError(
            "Some task of those asked for must have one of the languages.",
            found=f"tasks {', '.join(tasks)} in {', '.join(languages)}",
            where=where,
        )
    return kept


def _languages(asked: Asked) -> set[str]:
    return {asked.task.config, *languages_of(asked.task)}


def _canonical(name: str) -> str:
    """The code that an alias stands for; a name of none, such as a configuration's, as it is."""
    try:
        return language_table.canonical(name)
    except TaskError:
        return name


def _check(
    names: Iterable[str],
    names_of: Callable[[Asked], set[str]],
    asked: Sequence[Asked],
    what: str,
    where: str,
) -> None:
    known = {name for a in asked for name in names_of(a)}
    for name in names:
        if name not in known and _canonical(name) not in known:
            raise SuiteError(
                f"A {what} to evaluate must be one of the suite's.",
                found=f"`{name}`",
                where=where,
                remedy=nearest(name, known),
            )


def refuse_overlap(asked: Iterable[Asked], trained: TrainedOn | None, side: str, *, where: object) -> None:
    """What selects checkpoints is never reported, and what trains or selects is in no split taken whole.

    Raises:
        SuiteError: It is; the cells are named.
    """
    if trained is None:
        return
    cells = list(asked)
    both = sorted({a.task.key for a in cells} & trained.selecting)
    if both and side == "test":
        raise SuiteError(
            "A cell that selects checkpoints must not be reported.",
            found=", ".join(both),
            where=where,
            remedy="Leave it out of the suite, or out of the mixture's `held_out.validation`.",
        )
    seen = sorted({a.task.key for a in cells if _shares_rows(a, trained, side)})
    if seen:
        raise SuiteError(
            "A split that is taken whole must hold no rows that train or select checkpoints.",
            found=", ".join(seen),
            where=where,
            remedy="Leave out `splits`, so that the card's own division is kept, or hold the task out of the mixture.",
        )


def _shares_rows(asked: Asked, trained: TrainedOn, side: str) -> bool:
    """Whether rows of the splits, or their translations, train, or select what is reported."""
    task = asked.task
    uses = ["train"] * (task.name in trained.tasks)
    uses += ["validation"] * (side == "test" and task.name in trained.selecting_tasks)
    return any(set(asked.splits) & set(task.card.division.splits_of(use, task.card.splits)) for use in uses)
