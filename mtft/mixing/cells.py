"""The cells of a mixture, one language of one task each: trained, validated or reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtft.errors import MixtureError, nearest
from mtft.mixing.sampling import Sampling

if TYPE_CHECKING:
    from mtft.prompting import TemplateCollection
    from mtft.tasks import CardIndex, Task


@dataclass(frozen=True)
class Entry:
    """One listed task.

    Attributes:
        task: The card's name, `dataset` or `dataset/subset`.
        languages: Codes to take; empty for all.
        exclude_languages: Codes, or configurations, to leave out.
        templates: Names of templates to take; empty for all.
        prompt_languages: Languages of templates to take; empty for all.
        weight: Multiplies the size, or is the rate itself (`mtft.mixing.rates`).
        sample: Which items of each language train; None for all.
        max_repetition: Bound on repetition, over the mixture's own.
    """

    task: str
    languages: tuple[str, ...] = ()
    exclude_languages: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    prompt_languages: tuple[str, ...] = ()
    weight: float = 1.0
    sample: Sampling | None = None
    max_repetition: float | None = None


@dataclass(frozen=True)
class HeldOut:
    """What one held-out side takes away from training; a cell belongs to it that fits any of the four.

    Attributes:
        languages: Codes; a translation belongs if either of its languages does.
        clusters: Task clusters.
        tasks: Task names.
        pairs: `task:language`, or `task:configuration`.
    """

    languages: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()

    def holds(self, task: Task) -> bool:
        """Whether a cell belongs here."""
        return (
            not set(self.languages).isdisjoint(languages_of(task))
            or task.cluster in self.clusters
            or task.name in self.tasks
            or any(f"{task.name}:{name}" in self.pairs for name in names_of(task))
        )


@dataclass(frozen=True)
class MixtureTask:
    """One cell that is trained on.

    Attributes:
        task: The cell.
        weight: See `Entry.weight`.
        sample: See `Entry.sample`.
        max_repetition: See `Entry.max_repetition`.
    """

    task: Task
    weight: float = 1.0
    sample: Sampling | None = None
    max_repetition: float | None = None


@dataclass(frozen=True)
class MixtureCells(Sequence[MixtureTask]):
    """All cells of a mixture; as a sequence, the trained ones.

    Attributes:
        train: Trained on.
        validation: Held out for validation, which looks at their validation side.
        report: Held out for the report, which looks at their test side.
    """

    train: tuple[MixtureTask, ...]
    validation: tuple[Task, ...] = ()
    report: tuple[Task, ...] = ()

    def __len__(self) -> int:
        return len(self.train)

    def __iter__(self) -> Iterator[MixtureTask]:
        return iter(self.train)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # int or slice, as a tuple's
        return self.train[index]

    @property
    def evaluated(self) -> tuple[Task, ...]:
        """Every cell whose validation or test side may be looked at, the trained ones too."""
        return (*self.validation, *self.report, *(cell.task for cell in self.train))


def languages_of(task: Task) -> tuple[str, ...]:
    """The languages of a cell's rows: one, or for a translation its source and its target."""
    variant = task.card.variants[task.config]
    return (task.language,) if variant.source is None else (task.language, variant.source)


def names_of(task: Task) -> tuple[str, ...]:
    """What a cell of its task may be called: its languages, and its configuration."""
    return tuple(dict.fromkeys((*languages_of(task), task.config)))


def divide(
    entries: Sequence[Entry],
    validation: HeldOut,
    report: HeldOut,
    index: CardIndex,
    collection: TemplateCollection,
    where: str,
) -> MixtureCells:
    """The cells of the entries, each on one side: the report's claim goes first, then validation's, then
    training's.

    A cell that both held-out sides claim (a language of one, a cluster of the other) is reported, so
    selection never looks at it.

    Raises:
        MtftError: A name does not exist, or nothing is left to train on.
    """
    found = [(entry, task) for entry in entries for task in _tasks(entry, index, collection, where)]
    for side, held in (("validation", validation), ("report", report)):
        _check_names(held, [task for _, task in found], f"{where}: held_out.{side}")
    train: list[MixtureTask] = []
    validated: list[Task] = []
    reported: list[Task] = []
    for entry, task in found:
        if report.holds(task):
            reported.append(task)
        elif validation.holds(task):
            validated.append(task)
        else:
            train.append(MixtureTask(task, entry.weight, entry.sample, entry.max_repetition))
    if not train:
        raise MixtureError(
            "A mixture must keep at least one cell to train on.", found="all held out", where=where
        )
    return MixtureCells(tuple(train), tuple(validated), tuple(reported))


def _tasks(entry: Entry, index: CardIndex, collection: TemplateCollection, where: str) -> list[Task]:
    tasks = index.get(entry.task).tasks(
        collection=collection,
        languages=entry.languages or None,
        templates=entry.templates or None,
        prompt_languages=entry.prompt_languages or None,
    )
    known = {name for task in tasks for name in names_of(task)}
    _check_known(entry.exclude_languages, known, f"{where}: {entry.task}: exclude_languages")
    return [task for task in tasks if set(entry.exclude_languages).isdisjoint(names_of(task))]


def _check_names(held: HeldOut, tasks: Sequence[Task], where: str) -> None:
    """A held-out name that fits no listed cell is a slip of the pen, and would hold nothing out."""
    spoken = {task: languages_of(task) for task in tasks}
    _check_known(held.languages, {code for codes in spoken.values() for code in codes}, f"{where}.languages")
    _check_known(held.clusters, {task.cluster for task in tasks}, f"{where}.clusters")
    _check_known(held.tasks, {task.name for task in tasks}, f"{where}.tasks")
    pairs = {f"{task.name}:{name}" for task in tasks for name in names_of(task)}
    _check_known(held.pairs, pairs, f"{where}.pairs")


def _check_known(names: Sequence[str], known: set[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise MixtureError(
                "A name here must be that of a listed task's.",
                found=f"`{name}`",
                where=where,
                remedy=nearest(name, known),
            )
