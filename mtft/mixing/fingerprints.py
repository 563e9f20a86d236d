"""What decides a unit's records, by name: the key of its shard, and what a changed mixture is told by."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from mtft import __version__

if TYPE_CHECKING:
    from mtft.mixing.cells import MixtureTask
    from mtft.tasks import Sources, Task

SHARD_FORMAT = 3  # raised when the same settings would make other shards

Parts = dict[str, Any]


def key_of(*state: object) -> str:
    """20 hexadecimal digits that stand for some plain data."""
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:20]


def parts_of(cell: MixtureTask, seed: int, sources: Sources) -> Parts:
    """Everything that decides a cell's shard, as plain data: name → fingerprint or value."""
    task = cell.task
    return {
        "format": SHARD_FORMAT,
        "mtft version": __version__,
        "unit": task.key,
        "card": task.card.fingerprint,
        "templates": _templates(task),
        "guard": task.guard.fingerprint if task.guard else None,
        "data": data_fingerprints(task, sources),
        "seed": seed,
        "sample": cell.sample and asdict(cell.sample),
    }


def data_fingerprints(task: Task, sources: Sources) -> list[str]:
    """Hashes of all data that a cell's rows follow from, other languages' too where its card looks there."""
    card = task.card
    looks_around = card.division.exclusive or any(getattr(s, "looks_around", False) for s in card.steps)
    # One revision of a Hub repository fixes all its configurations together.
    configs = card.variants if looks_around and card.source.id is None else [task.config]
    found = [replace(task, config=config).source_fingerprint(sources) for config in configs]
    return found + (task.guard.data_fingerprints(sources) if task.guard else [])


def _templates(task: Task) -> dict[str, str]:
    """Name → fingerprint, in the order that records follow; of two with one name, the second's id too."""
    found: dict[str, str] = {}
    for template in task.templates:
        name = template.name if template.name not in found else f"{template.name} {template.id}"
        found[name] = template.fingerprint
    return found
