"""The guard against leakage between datasets: rows that one of a mixture's datasets took from another.

A card says in `copies` which datasets its rows may come from and which column labels them. A row is a copy if
its label names another dataset of the mixture, or if one of its references stands there too, letters and digits
compared. A model that trains on the one has read the other's references; scored on both, an item counts twice.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtft import __version__
from mtft.mixing.cells import MixtureCells
from mtft.mixing.files import replacing
from mtft.tasks import SIDES, Problems
from mtft.tasks.copies import CopyGuard

if TYPE_CHECKING:
    from mtft.tasks import CardFile, Side, Sources, Task

MODES = ("report", "exclude")


@dataclass(frozen=True)
class Leakage:
    """What one side of one cell has from other datasets of the mixture.

    Attributes:
        task: The cell's task.
        config: Its configuration.
        side: The side.
        rows: Its rows.
        copies: Those of them that come from elsewhere.
        references: Its references.
        copied: Those of them in rows that come from elsewhere.
        labelled: Those in rows whose own label says so.
        matched: Those that stand in the other dataset's files at hand.
        of: Task → references that come from there, by label or by match.
    """

    task: str
    config: str
    side: str
    rows: int
    copies: int
    references: int
    copied: int
    labelled: int
    matched: int
    of: dict[str, int] = field(default_factory=dict)

    def sentence(self) -> str:
        """The counts in words."""
        place = f"{self.task}:{self.config} {self.side}"
        share = self.copied / self.references if self.references else 0.0
        return (
            f"{place}: {self.copies:,} of {self.rows:,} rows, {self.copied:,} of {self.references:,} references "
            f"({share:.1%}) come from {', '.join(self.of)} ({self.labelled:,} by label, {self.matched:,} by match)"
        )


def guarded(cells: MixtureCells) -> MixtureCells:
    """The cells, each leaving out the rows that it has from another of them."""
    guards = _guards(cells)

    def guard(task: Task) -> Task:
        return replace(task, guard=guards[task.name]) if task.name in guards else task

    return MixtureCells(
        tuple(replace(cell, task=guard(cell.task)) for cell in cells.train),
        tuple(map(guard, cells.validation)),
        tuple(map(guard, cells.report)),
    )


def leakage(cells: MixtureCells, sources: Sources) -> list[Leakage]:
    """What every cell has from other datasets of the mixture, whether or not it is left out.

    Raises:
        TaskError: A source cannot be reached at all.
    """
    guards = _guards(cells)
    tasks = {task.key: replace(task, guard=None) for task in cells.evaluated if task.name in guards}
    counted = (_count(task, side, guards[task.name], sources) for task in tasks.values() for side in SIDES)
    return [found for found in counted if found.rows]


def cached_leakage(cells: MixtureCells, sources: Sources, folder: Path) -> tuple[Leakage, ...]:
    """`leakage`, kept in the cache by the data of all datasets that it looks at."""
    guards = _guards(cells)
    looked_at = {name for guard in guards.values() for name in (guard.card.name, *guard.others)}
    tasks = [task for task in cells.evaluated if task.name in looked_at]
    if not tasks:
        return ()
    state = sorted((task.key, task.source_fingerprint(sources)) for task in tasks)
    key = hashlib.sha256(json.dumps([__version__, state]).encode()).hexdigest()[:20]
    path = folder / f"{key}-leakage.json"
    if not path.is_file():
        with replacing(path) as temporary:
            temporary.write_text(json.dumps([asdict(each) for each in leakage(cells, sources)]))
    return tuple(Leakage(**each) for each in json.loads(path.read_text(encoding="utf-8")))


def leakage_record(mode: str | None, found: Sequence[Leakage]) -> dict[str, Any]:
    """What the manifest says of it."""
    return {"mode": mode or "report", "cells": [asdict(each) for each in found]}


def _guards(cells: MixtureCells) -> dict[str, CopyGuard]:
    """Task → its guard, of the tasks whose cards name another of the mixture's."""
    return dict(_found({task.name: task.card for task in cells.evaluated}))


def _found(cards: Mapping[str, CardFile]) -> Iterator[tuple[str, CopyGuard]]:
    for name, card in sorted(cards.items()):
        named = set(card.copies.of.values()) if card.copies else set()
        if others := sorted(named & cards.keys() - {name}):
            yield name, CopyGuard(card, {other: cards[other] for other in others})


def _count(task: Task, side: Side, guard: CopyGuard, sources: Sources) -> Leakage:
    counts, of = Counter[str](), Counter[str]()
    for row in task.rows(side, sources, Problems()):
        found, references = guard.copied(row.fields, sources), len(row.fields["references"])
        counts.update(rows=1, references=references)
        if found.tasks:
            counts.update(copies=1, copied=references, matched=max(found.matched.values(), default=0))
            counts["labelled"] += references if found.labelled else 0
            of.update({found.tasks[0]: references})
    names = ("rows", "copies", "references", "copied", "labelled", "matched")
    return Leakage(
        task.name, task.config, side, **{name: counts[name] for name in names}, of=dict(sorted(of.items()))
    )
