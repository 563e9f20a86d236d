"""Additions that know their groups, and additions to validate on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tests.training.additions import Addition, Additions, MeasuredAdditions

TASKS, LANGUAGES = ("plus", "sum", "more"), ("en", "so", "")


def cells(by: str) -> dict[tuple[str, str], str]:
    """Every task in every language; plus and sum are one cluster."""
    cluster = {"plus": "whole", "sum": "whole", "more": "rest"}
    named = {"task": lambda t, _: t, "language": lambda _, c: c or "none", "cluster": lambda t, _: cluster[t]}
    return {(task, code): named[by](task, code) for task in TASKS for code in LANGUAGES}


def retold(positions: Sequence[int] | np.ndarray, found: list[Addition]) -> list[Addition]:
    """With another task: all three in the first eight rows, no `more` in the eight after them, and so on."""
    tasks = [TASKS[int(p) * 7 // 4 % 3] for p in positions]
    missing = [int(p) // 8 % 2 == 1 for p in positions]
    return [
        e._replace(task="sum" if gone and task == "more" else task)
        for e, task, gone in zip(found, tasks, missing, strict=True)
    ]


class Grouped(Additions):
    def examples(self, positions: Sequence[int] | np.ndarray) -> list[Addition]:
        return retold(positions, super().examples(positions))

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        return cells(by)


class GroupedMeasured(MeasuredAdditions):
    def examples(self, positions: Sequence[int] | np.ndarray) -> list[Addition]:
        return retold(positions, super().examples(positions))

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        return cells(by)


class Renamed(Grouped):
    """The same rows under other names of tasks, in another order."""

    names: ClassVar = {"plus": "z", "sum": "a", "more": "k"}

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        return {(self.names[t], c): self.names[g] for (t, c), g in cells("task").items()}

    def examples(self, positions: Sequence[int] | np.ndarray) -> list[Addition]:
        return [e._replace(task=self.names[e.task]) for e in super().examples(positions)]


class Held(Grouped):
    """Validation examples: nine further additions, all tasks among them."""

    def __len__(self) -> int:
        return 9

    def examples(self, positions: Sequence[int] | np.ndarray) -> list[Addition]:
        return super().examples([1600 + int(p) for p in positions])
