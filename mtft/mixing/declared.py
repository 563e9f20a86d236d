"""A mixture as its cards declare it, before any row is read: sizes and caps with their sources, no estimate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mtft.mixing.cells import MixtureTask, languages_of
from mtft.mixing.phases import mean_shares, phases_of
from mtft.mixing.rates import Unit, size_of
from mtft.tasks.declared import UNVERIFIED
from mtft.tasks.division import SIDES

if TYPE_CHECKING:
    from mtft.mixing.cells import MixtureCells
    from mtft.mixing.rates import Rates
    from mtft.mixing.spec import MixtureSpec
    from mtft.tasks import Task

UNKNOWN = "unknown until downloaded"
TRAIN, VALIDATION, REPORT = "train", "validation", "report"


@dataclass(frozen=True)
class DeclaredTask:
    """One task on one of the mixture's sides, over all its cells there.

    Attributes:
        task: Its name.
        cluster: Its cluster.
        held: What the mixture does with it: `train`, `validation` or `report`.
        cells: Languages or directions of translation.
        languages: Codes of the languages of its rows, of both sides of a translation.
        directions: Whether the cells are directions of translation.
        templates: Language of the prompt → number of templates, those of any cell.
        prompted_in: Language of the prompt → number of cells that it prompts.
        rows: Side → declared rows of all cells; None where a cell's are not known.
        sides: The sides that may hold rows.
        published: Declared rows of all splits of all cells; None where a cell's are not known.
        by_hash: Side → share, where rows are dealt to the sides by hash of the item, so that numbers are
            exact only once the rows are read; empty otherwise.
        size: What counts for the rates, in their unit and under their caps, every template taken to prompt
            every row; None where rows are not known.
        share: Of the mixture's positions; None unless every trained size is known.
        source: Where its rows come from.
        licence: Of the data.
        known_from: What is declared (`id`, `columns`, `sizes`) → its source, or `unverified`.
    """

    task: str
    cluster: str
    held: str
    cells: int
    languages: tuple[str, ...]
    directions: bool
    templates: dict[str, int]
    prompted_in: dict[str, int]
    rows: dict[str, int | None]
    sides: tuple[str, ...]
    published: int | None
    by_hash: dict[str, float]
    size: int | None
    share: float | None
    source: str
    licence: str
    known_from: dict[str, str]


@dataclass(frozen=True)
class Declaration:
    """A mixture's declaration.

    Attributes:
        spec: The mixture's file.
        tasks: Its tasks: trained, then those held out for validation and for the report.
        total: Size of all trained tasks in the rates' unit; None unless every one is known.
        sources: The sources that figures are from; a footnote's number is its place here, from 1.
    """

    spec: MixtureSpec
    tasks: tuple[DeclaredTask, ...]
    total: int | None
    sources: tuple[str, ...] = field(default=())

    def note(self, source: str | None) -> str:
        """The footnote of a source: `[3]`, `[unverified]`, or nothing where nothing is said."""
        if not source:
            return ""
        return f"[{UNVERIFIED}]" if source == UNVERIFIED else f"[{self.sources.index(source) + 1}]"

    def held(self, side: str) -> list[DeclaredTask]:
        """The tasks of one side of the mixture."""
        return [task for task in self.tasks if task.held == side]

    def as_dict(self) -> dict[str, Any]:
        """Plain data; what is not known is null."""
        rates = self.spec.rates.as_dict()
        return {
            "name": self.spec.name,
            "title": self.spec.title,
            "declared": True,
            "rates": rates,
            "settings_known_from": self.spec.sources,
            "total": self.total,
            "tasks": [asdict(task) for task in self.tasks],
            "sources": list(self.sources),
        }


def declare(spec: MixtureSpec, cells: MixtureCells) -> Declaration:
    """What the cards of a mixture's cells declare; reads no data and uses no network."""
    trained = _by_task(cells.train)
    sizes = {cell.task.key: _size(cell, spec.rates) for cell in cells.train}
    parts = _shares(cells.train, spec.rates) if None not in sizes.values() else {}
    tasks = [
        _declared(
            TRAIN,
            [cell.task for cell in members],
            _sum(sizes[cell.task.key] for cell in members),
            sum(parts[cell.task.key] for cell in members) if parts else None,
        )
        for members in trained
    ]
    for side, held in ((VALIDATION, cells.validation), (REPORT, cells.report)):
        tasks += [
            _declared(side, [cell.task for cell in members], None, None)
            for members in _by_task(MixtureTask(task) for task in held)
        ]
    tasks.sort(key=lambda task: (SIDE_ORDER[task.held], task.cluster))
    found = [*spec.sources.values(), *(source for task in tasks for source in task.known_from.values())]
    sources = tuple(dict.fromkeys(source for source in found if source != UNVERIFIED))
    return Declaration(spec, tuple(tasks), _sum(sizes.values()), sources)


SIDE_ORDER = {TRAIN: 0, VALIDATION: 1, REPORT: 2}


def _by_task(cells: Iterable[MixtureTask]) -> list[list[MixtureTask]]:
    found: dict[str, list[MixtureTask]] = {}
    for cell in cells:
        found.setdefault(cell.task.name, []).append(cell)
    return list(found.values())


def _declared(held: str, tasks: Sequence[Task], size: int | None, share: float | None) -> DeclaredTask:
    card = tasks[0].card
    languages = dict.fromkeys(code for task in tasks for code in languages_of(task))
    prompts = {template.id: template.language for task in tasks for template in task.templates}
    stated = {"id": card.declared.id, "columns": card.declared.columns, "sizes": card.declared.sizes}
    local = card.source.id is None  # files at hand speak for themselves
    division = card.division
    return DeclaredTask(
        task=card.name,
        cluster=card.cluster,
        held=held,
        cells=len(tasks),
        languages=tuple(languages),
        directions=any(card.variants[task.config].source for task in tasks),
        templates=_counted(prompts.values()),
        prompted_in=_counted(code for task in tasks for code in {t.language for t in task.templates}),
        rows={side: _sum(rows_of(task, side) for task in tasks) for side in SIDES},
        sides=tuple(side for side in SIDES if division.splits_of(side, card.splits)),
        published=_sum(rows for task in tasks for rows in _published(task)),
        by_hash=dict(division.shares) if division.kind == "hash" else {},
        size=size,
        share=share,
        source=_place(tasks[0]),
        licence=card.licence,
        known_from={name: s.source for name, s in stated.items() if s.verified or not local},
    )


def rows_of(task: Task, side: str) -> int | None:
    """Declared rows of one side of a cell; None where they are not known, or are dealt by hash."""
    if task.card.division.kind == "hash":
        return None
    return _sum(_split_sizes(task, side))


def _published(task: Task) -> list[int | None]:
    """Declared rows of every split that is read."""
    sides = dict.fromkeys(split for side in SIDES for split in _splits(task, side))
    return [task.card.declared.sizes.of(task.config, split) for split in sides]


def _split_sizes(task: Task, side: str) -> list[int | None]:
    return [task.card.declared.sizes.of(task.config, split) for split in _splits(task, side)]


def _splits(task: Task, side: str) -> list[str]:
    left_out = task.card.variants[task.config].leave_out
    splits = task.card.division.splits_of(side, task.card.splits)
    return [split for split in splits if split not in left_out]


def _size(cell: MixtureTask, rates: Rates) -> int | None:
    """What a cell counts under the rates; None where its rows are not known."""
    unit = _unit(cell)
    if unit is None:
        return None
    size = size_of(unit, rates)
    return size if rates.cap is None else min(size, rates.cap)


def _unit(cell: MixtureTask) -> Unit | None:
    task = cell.task
    if rows_of(task, "train") is None:
        return None
    splits = [rows for rows in _split_sizes(task, "train") if rows is not None]
    if cell.sample is not None and sum(splits) > (drawn := cell.sample.size(sum(splits))):
        splits = [drawn]  # which splits the drawn rows stand in is known once they are drawn
    templates = max(len(task.templates), 1)
    return Unit(
        rows=sum(splits),
        task=task.name,
        cluster=task.cluster,
        language=task.language,
        weight=cell.weight,
        max_repetition=cell.max_repetition,
        prompted=tuple(rows for rows in splits for _ in range(templates)),
        templates=templates,
    )


def _shares(cells: Sequence[MixtureTask], rates: Rates) -> Mapping[str, float]:
    units = [unit for cell in cells if (unit := _unit(cell)) is not None]
    keys = [cell.task.key for cell in cells]
    found = mean_shares(phases_of(units, rates), sum(unit.rows for unit in units))
    return dict(zip(keys, found.tolist(), strict=True))


def _place(task: Task) -> str:
    source = task.card.source
    if source.id is not None:
        return f"{source.id}@{source.revision}"
    return f"{source.kind}:{source.path or source.task or ''}"


def _counted(codes: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for code in codes:
        found[code] = found.get(code, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum; None if one is not known, or if there is none."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return sum(known) if known and len(known) == len(listed) else None
