"""What a model was finetuned on, as far as it decides what is seen and what is held out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtft.errors import RunError
from mtft.mixing.cells import languages_of

if TYPE_CHECKING:
    from mtft.mixing import MixtureCells
    from mtft.tasks import CardIndex


@dataclass(frozen=True)
class TrainedOn:
    """The cells of a mixture, by name.

    Attributes:
        name: The mixture's.
        keys: `Task.key` of each trained cell.
        clusters: Their clusters.
        languages: Their languages, for translations of both sides.
        selecting: `Task.key` of each cell that checkpoints were chosen on.
    """

    name: str
    keys: frozenset[str]
    clusters: frozenset[str]
    languages: frozenset[str]
    selecting: frozenset[str]

    @property
    def tasks(self) -> frozenset[str]:
        """Names of the tasks that are trained on."""
        return frozenset(key.rpartition(":")[0] for key in self.keys)

    @property
    def selecting_tasks(self) -> frozenset[str]:
        """Names of the tasks that checkpoints were chosen on."""
        return frozenset(key.rpartition(":")[0] for key in self.selecting)

    @classmethod
    def of_cells(cls, name: str, cells: MixtureCells) -> TrainedOn:
        """Of a resolved mixture."""
        tasks = [cell.task for cell in cells.train]
        return cls(
            name,
            frozenset(task.key for task in tasks),
            frozenset(task.cluster for task in tasks),
            frozenset(code for task in tasks for code in languages_of(task)),
            frozenset(task.key for task in cells.validation),
        )

    @classmethod
    def of_manifest(cls, path: Path, index: CardIndex) -> TrainedOn:
        """Of the manifest that a run leaves in its folder.

        Args:
            path: `<run>/mixture/manifest.json`.
            index: Cards, which know the other side of a translation.

        Raises:
            RunError: The file is no such manifest.
        """
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            units = [_Unit.of(unit) for unit in manifest["units"]]
            chosen = [_Unit.of(unit) for unit in manifest.get("held_out", {}).get("validation", [])]
            return cls(
                str(manifest["name"]),
                frozenset(unit.key for unit in units),
                frozenset(unit.cluster for unit in units),
                frozenset(code for unit in units for code in unit.languages(index)),
                frozenset(unit.key for unit in chosen),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                "A run's mixture must be told by its manifest.", found=repr(error), where=path
            ) from error


@dataclass(frozen=True)
class _Unit:
    """A cell as a manifest writes it."""

    task: str
    config: str
    language: str
    cluster: str

    @classmethod
    def of(cls, unit: Mapping[str, Any]) -> _Unit:
        return cls(*(str(unit[name]) for name in ("task", "config", "language", "cluster")))

    @property
    def key(self) -> str:
        """As `Task.key` is."""
        return f"{self.task}:{self.config}"

    def languages(self, index: CardIndex) -> tuple[str, ...]:
        card = index.get(self.task) if self.task in index else None
        source = card.variants[self.config].source if card and self.config in card.variants else None
        return (self.language,) if source is None else (self.language, source)
