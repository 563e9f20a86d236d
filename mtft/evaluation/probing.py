"""How much a simple classifier finds in frozen representations, language by language, model beside model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtft.errors import ConfigError
from mtft.evaluation.probe_rows import Division, ProbeRow
from mtft.evaluation.representations import Representations
from mtft.statistics import FloatArray, clustered_interval, holm, paired_difference
from mtft.statistics.probes import linear_probe, majority, nearest_neighbours

PROBES = ("linear", "nearest", "majority")
ALL = ""  # in place of a task and a language: the rows of all of them
_Cell = tuple[str, str, str]  # task, language, whether the mixture trains on it
# (probe, row's key) to whether the probe was right
Answers = dict[tuple[str, tuple[str, str, str, str]], bool]


@dataclass(frozen=True)
class ProbeSettings:
    """How probes are fitted.

    Attributes:
        penalty: Of the logistic regression; see `linear_probe`.
        neighbours: Votes of the nearest-neighbour classifier.

    Raises:
        ConfigError: A value is out of range.
    """

    penalty: float = 1.0
    neighbours: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.penalty < float("inf"):
            raise ConfigError("`penalty` must be a finite number above 0.", found=self.penalty)
        if self.neighbours < 1:
            raise ConfigError("`neighbours` must be at least 1.", found=self.neighbours)


def probe(
    representations: Representations, divisions: Sequence[Division], settings: ProbeSettings | None = None
) -> Answers:
    """Whether each probe is right on each row that the model could read; weights stay as they are.

    `majority` always answers the class that is most frequent where the others are fitted.

    Args:
        representations: Of one model.
        divisions: Rows to fit and to test on.
        settings: How.
    """
    settings = settings or ProbeSettings()
    rows = list({row.key: row for part in divisions for row in (*part.fit, *part.test)}.values())
    vectors, read = representations.of([row.inputs for row in rows])
    places = {row.key: place for place, row in enumerate(rows) if read[place]}
    found: Answers = {}
    for part in divisions:
        fit, test = ([row for row in side if row.key in places] for side in (part.fit, part.test))
        if not fit or not test:
            continue
        known, asked = (_vectors(vectors, side, places) for side in (fit, test))
        labels, true = (np.array([row.label for row in side]) for side in (fit, test))
        said = {
            "linear": linear_probe(known, labels, asked, penalty=settings.penalty),
            "nearest": nearest_neighbours(known, labels, asked, neighbours=settings.neighbours),
            "majority": majority(labels, len(asked)),
        }
        for name, classes in said.items():
            right = (classes == true).tolist()
            found |= {(name, row.key): each for row, each in zip(test, right, strict=True)}
    return found


def _vectors(vectors: Any, rows: Sequence[ProbeRow], places: Mapping[Any, int]) -> FloatArray:
    return np.asarray(vectors[[places[row.key] for row in rows]], dtype=np.float64)


def probe_table(answers: Mapping[str, Answers], divisions: Sequence[Division]) -> list[dict[str, Any]]:
    """One row per model, probe, task and language, then one over each kind of cell and one over all.

    `accuracy`, `low` and `high` are of the mean over rows, clustered by item group; `fitted_on` are the probe's
    languages, `seen` says whether the mixture trains on the cell.

    Args:
        answers: By model's name.
        divisions: What the probes were fitted to and tested on.
    """
    made = []
    for model, own in answers.items():
        for name in PROBES:
            for cell, rows in _cells(divisions).items():
                kept = [row for row in rows if (name, row.key) in own]
                if kept:
                    facts = _facts(model, name, cell, divisions)
                    made.append(facts | _scored([own[name, row.key] for row in kept], kept))
    return made


def compared(
    answers: Mapping[str, Answers], divisions: Sequence[Division], baseline: str
) -> list[dict[str, Any]]:
    """Every other model's paired difference to the baseline, on the rows that both could read.

    `p_adjusted` is Holm's over the cells of one model and probe; the row over all cells is not among them.

    Args:
        answers: By model's name.
        divisions: What the probes were tested on.
        baseline: The model that the others are compared with.
    """
    made: list[dict[str, Any]] = []
    for model in answers:
        for name in PROBES[:-1] if model != baseline else ():
            rows = [
                _facts(model, name, cell, divisions)
                | {"baseline": baseline}
                | _difference(answers[model], answers[baseline], name, own)
                for cell, own in _cells(divisions).items()
            ]
            cells = [row for row in rows if row["task"] != ALL]
            adjusted = holm([row["p_value"] for row in cells]).tolist()
            for row, value in zip(cells, adjusted, strict=True):
                row["p_adjusted"] = value
            made += [row for row in rows if row["n"]]
    return made


def _cells(divisions: Sequence[Division]) -> dict[_Cell, list[ProbeRow]]:
    """The tested rows by cell, over all templates; then those of seen and of held-out cells, and of all."""
    found: dict[_Cell, list[ProbeRow]] = {}
    kinds: dict[_Cell, list[ProbeRow]] = {}
    for part in divisions:
        for row in part.test:
            found.setdefault((row.task, row.language, row.seen), []).append(row)
            kinds.setdefault((ALL, ALL, row.seen), []).append(row)
    whole = [row for rows in kinds.values() for row in rows]
    return dict(sorted(found.items())) | (kinds if len(kinds) > 1 else {}) | {(ALL, ALL, ALL): whole}


def _facts(model: str, name: str, cell: _Cell, divisions: Sequence[Division]) -> dict[str, Any]:
    task, language, seen = cell
    fitted = {code for part in divisions if task in (ALL, part.test[0].task) for code in part.fitted_on}
    return {
        "model": model,
        "probe": name,
        "task": task,
        "language": language,
        "seen": seen,
        "fitted_on": "+".join(sorted(fitted)),
    }


def _scored(right: Sequence[bool], rows: Sequence[ProbeRow]) -> dict[str, Any]:
    groups = [row.item_group for row in rows]
    value, low, high = clustered_interval(np.array(right, dtype=np.float64), groups)
    return {"accuracy": value, "low": low, "high": high, "n": len(rows), "n_groups": len(set(groups))}


def _difference(ours: Answers, theirs: Answers, name: str, rows: Sequence[ProbeRow]) -> dict[str, Any]:
    shared = [row for row in rows if (name, row.key) in ours and (name, row.key) in theirs]
    right = [[float(each[name, row.key]) for row in shared] for each in (ours, theirs)]
    found = paired_difference(right[0], right[1], [row.item_group for row in shared])
    return found._asdict() | {"p_adjusted": None}
