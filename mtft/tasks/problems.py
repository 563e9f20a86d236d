"""What went wrong with rows, counted by reason, task and file, and never silent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mtft.errors import TaskError

SAMPLES = 20
_LINE = re.compile(r"[:#][^:#/]*$")


class Kind(NamedTuple):
    """What is counted together."""

    reason: str
    task: str
    file: str


@dataclass
class Problems:
    """Counts of dropped rows and of what was put right, with the first messages of each.

    A *problem* lost a row, a file or a split, and is fatal under `strict`. A *note* is expected and lost
    nothing that the card did not say would be lost: a repaired value, a split known to be empty, a
    duplicate kept apart.

    Attributes:
        strict: Raise at the first problem.
        dropped: Problems by reason, task and file.
        noted: Notes likewise.
        samples: The first messages of problems, at most 20 for each reason.

    The same thing at the same place counts once, however often a file is read for its different sides.
    """

    strict: bool = False
    dropped: Counter[Kind] = field(default_factory=Counter)
    noted: Counter[Kind] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    _sampled: Counter[str] = field(default_factory=Counter)
    _met: set[int] = field(default_factory=set)

    def add(self, reason: str, task: str, where: str, message: str) -> None:
        """Counts a problem.

        Args:
            reason: A word or two in snake_case, `malformed_row`.
            task: The task's name.
            where: `file:line`, or `file#record`, or the file alone.
            message: What was found.

        Raises:
            TaskError: The problems are strict.
        """
        if self._is_new(reason, task, where, message):
            self.dropped[_kind(reason, task, where)] += 1
            self._sample(reason, f"{where}: {message} [{task}: {reason}]")
        if self.strict:
            raise TaskError(
                f"No row may be dropped under strict ({reason}).", found=message, where=f"{task}: {where}"
            )

    def note(self, reason: str, task: str, where: str, detail: str = "") -> None:
        """Counts something expected; never fatal. `detail` tells apart what happens twice at a place."""
        if self._is_new(reason, task, where, detail):
            self.noted[_kind(reason, task, where)] += 1

    def __len__(self) -> int:
        return self.dropped.total()

    def count(self, reason: str, *, noted: bool = False) -> int:
        """How often a reason was counted, over all tasks and files."""
        return sum(n for kind, n in (self.noted if noted else self.dropped).items() if kind.reason == reason)

    def merge(self, other: Problems) -> None:
        """Adds the counts and samples of another process or task."""
        self.dropped.update(other.dropped)
        self.noted.update(other.noted)
        for message in other.samples:
            self._sample(message.rpartition(": ")[2].rstrip("]"), message)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for manifests and results: `total`, `dropped`, `noted`, `samples`."""
        return {
            "total": len(self),
            "dropped": _listed(self.dropped),
            "noted": _listed(self.noted),
            "samples": list(self.samples),
        }

    def raise_if_strict(self) -> None:
        """Raises what was counted, for problems that came from elsewhere by `merge`.

        Raises:
            TaskError: The problems are strict and there is one.
        """
        if self.strict and self.dropped:
            raise TaskError(
                "No row may be dropped under strict.", found=f"{len(self)} problems, first {self.samples[0]}"
            )

    def _is_new(self, *what: str) -> bool:
        mark = hash(what)
        new = mark not in self._met
        self._met.add(mark)
        return new

    def _sample(self, reason: str, message: str) -> None:
        if self._sampled[reason] < SAMPLES:
            self._sampled[reason] += 1
            self.samples.append(message)


def _kind(reason: str, task: str, where: str) -> Kind:
    return Kind(reason, task, _LINE.sub("", where))


def _listed(counts: Mapping[Kind, int]) -> list[dict[str, Any]]:
    return [{**kind._asdict(), "count": counts[kind]} for kind in sorted(counts)]


@dataclass(frozen=True)
class Reporter:
    """Problems as one task reports them; readers hold this and know no task.

    Attributes:
        problems: Where to count.
        task: The task's name.
    """

    problems: Problems
    task: str

    def drop(self, reason: str, where: str, message: str) -> None:
        """Counts a problem; see `Problems.add`."""
        self.problems.add(reason, self.task, where, message)

    def note(self, reason: str, where: str) -> None:
        """Counts something expected."""
        self.problems.note(reason, self.task, where)
