"""Several runs' results as one, on the cells that all of them have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtft.errors import RunError
from mtft.reporting.records import CellKey
from mtft.reporting.results import SCHEMA, Results

BASE = "base"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class RunResults:
    """One run's results and the name it goes by.

    Attributes:
        name: In the report.
        path: Of its `results.json`.
        content: What that holds.
    """

    name: str
    path: Path
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Joined:
    """Several runs' results as the content of one `results.json`.

    Attributes:
        content: With `rivals`: the compared models, one per run, by the runs' names.
        names: Per run, model in its files → name in `content`; a base model that runs share is `base`.
        repeated: Per run, models that an earlier run gave already.
        cells: What all runs have.
    """

    content: dict[str, Any]
    names: tuple[dict[str, str], ...]
    repeated: tuple[frozenset[str], ...]
    cells: frozenset[CellKey]


def run_names(paths: Sequence[Path]) -> list[str]:
    """A short name per run: its folder's, with as many parents as tell the runs apart.

    Example: `runs/a/eval/results.json` and `runs/b` are `a` and `b`; `x/run` and `y/run` are `x/run` and `y/run`.
    """
    folders = [path.resolve() for path in paths]
    folders = [path.parent if path.suffix == ".json" else path for path in folders]
    folders = [path.parent if path.name == "eval" else path for path in folders]
    for parts in range(1, max(len(path.parts) for path in folders) + 1):
        names = ["/".join(path.parts[-parts:]) for path in folders]
        if len(set(names)) == len(names):
            return names
    return [f"{path.name} ({number})" for number, path in enumerate(folders, 1)]


def join_runs(runs: Sequence[RunResults]) -> Joined:
    """The runs' results on the cells that all of them have, models named by run.

    Averages are kept only where all runs have the same cells, since others cannot be compared.

    Raises:
        RunError: The runs share no cells, or one has no model.
    """
    parsed = [Results.parse(run.content) for run in runs]
    cells = _shared(runs, parsed)
    same = all(_cells(results) == cells for results in parsed)
    names, repeated = _names(runs, parsed, cells)
    content = _facts(runs, parsed, cells)
    content["unscored"] = [
        row for at, run in enumerate(runs) for row in _rows(run, "unscored", names[at], repeated[at])
    ]
    for kind in ("summary", "cells", "comparisons", "transfer", "lengths", "score_functions"):
        rows = [row for at, run in enumerate(runs) for row in _rows(run, kind, names[at], repeated[at])]
        content[kind] = [row for row in rows if _inside(row, cells)]
    for kind in ("averages", "curve"):
        if same or kind == "curve":
            content[kind] = [
                r for at, run in enumerate(runs) for r in _rows(run, kind, names[at], repeated[at])
            ]
    content["contamination"] = _overlaps(runs, names, cells)
    content["models"] = [r for at, run in enumerate(runs) for r in _models(run, names[at], repeated[at])]
    content["rivals"] = [run.name for run in runs]
    content["published"] = list(runs[-1].content.get("published") or [])
    return Joined(content, names, repeated, frozenset(cells))


def _cells(results: Results) -> set[CellKey]:
    return {s.key for s in results.summary if s.model == results.focus}


def _shared(runs: Sequence[RunResults], parsed: Sequence[Results]) -> set[CellKey]:
    found = [_cells(results) for results in parsed]
    shared = set.intersection(*found)
    if not shared:
        tasks = "; ".join(
            f"{run.name}: {', '.join(sorted({key.task for key in cells})) or 'no scores'}"
            for run, cells in zip(runs, found, strict=True)
        )
        raise RunError(
            "Runs are compared on the cells they share: same task, language, prompt language and metric.",
            found=f"none in common ({tasks})",
            remedy="Evaluate them on the same suite.",
        )
    return shared


def _names(
    runs: Sequence[RunResults], parsed: Sequence[Results], cells: Iterable[CellKey]
) -> tuple[tuple[dict[str, str], ...], tuple[frozenset[str], ...]]:
    """Names of every run's models: the run's for its finetuned one, `base` for a base model that all share."""
    bases = [[results.at(results.base, key) for key in sorted(cells)] for results in parsed]
    scores = [[row.median if row else None for row in rows] for rows in bases]
    shared = all(results.base for results in parsed) and all(one == scores[0] for one in scores)
    names, repeated = [], []
    for at, (run, results) in enumerate(zip(runs, parsed, strict=True)):
        own = {model.name: f"{run.name}: {model.name}" for model in results.models}
        own[results.focus or ""] = run.name
        if shared and results.base:
            own[results.base] = BASE
        names.append(own)
        repeated.append(frozenset({results.base}) if shared and at and results.base else frozenset())
    return tuple(names), tuple(repeated)


def _rows(run: RunResults, kind: str, names: Mapping[str, str], repeated: frozenset[str]) -> Iterable[Row]:
    for row in run.content.get(kind) or []:
        if row.get("model") not in repeated:
            yield {**row, **{k: names.get(row[k], row[k]) for k in ("model", "a", "b") if row.get(k)}}


def _overlaps(
    runs: Sequence[RunResults], names: Sequence[Mapping[str, str]], cells: Iterable[CellKey]
) -> list[Row]:
    """Overlap with the training text of every shared cell, where all runs' items were looked up with the same finds.

    Runs that were trained on different texts have different counts, which one mark per cell cannot tell.
    """
    found: dict[tuple[Any, ...], list[Row]] = {}
    for at, run in enumerate(runs):
        for row in run.content.get("contamination") or []:
            models = [
                {**m, "model": names[at].get(m.get("model"), m.get("model"))} for m in row.get("models") or []
            ]
            key = tuple(row.get(name) for name in ("task", "config", "language"))
            if _inside({**row, "metric": None}, cells):
                found.setdefault(key, []).append({**row, "models": models})
    joined: list[Row] = []
    for rows in found.values():
        counts = [{k: v for k, v in row.items() if k.startswith("n_")} for row in rows]
        if len(rows) == len(runs) and all(count == counts[0] for count in counts):
            joined.append({**rows[0], "models": [m for row in rows for m in row["models"]]})
    return joined


def _models(run: RunResults, names: Mapping[str, str], repeated: frozenset[str]) -> Iterable[Row]:
    for row in run.content.get("models") or []:
        if row.get("name") not in repeated:
            yield {**row, "name": names.get(row["name"], row["name"])}


def _inside(row: Row, cells: Iterable[CellKey]) -> bool:
    """Whether a row is about a shared cell; parts of the key that it leaves open match any."""
    if all(row.get(name) is not None for name in CellKey._fields):
        return CellKey(*(row[name] for name in CellKey._fields)) in cells
    given = {name: row[name] for name in CellKey._fields if row.get(name)}
    return any(all(getattr(key, name) == value for name, value in given.items()) for key in cells)


def _agreed(suites: Sequence[Row]) -> dict[str, Any]:
    """What all suites say alike."""
    first = suites[0]
    return {k: v for k, v in first.items() if all(k in suite and suite[k] == v for suite in suites)}


def _facts(runs: Sequence[RunResults], parsed: Sequence[Results], cells: Iterable[CellKey]) -> dict[str, Any]:
    """Title, suite, languages, tasks, and where everything comes from; the last run's status of languages counts."""
    suites = [dict(results.suite) for results in parsed]
    same = all(suite == suites[0] for suite in suites)
    name = " / ".join(dict.fromkeys(str(suite.get("name") or "?") for suite in suites))
    return {
        "schema": SCHEMA,
        "title": " against ".join(run.name for run in reversed(runs)),
        "created": max(results.created for results in parsed),
        "suite": suites[0] if same else {**_agreed(suites), "name": name},
        "languages": {code: facts for results in parsed for code, facts in results.languages.items()},
        "tasks": {task: facts for results in parsed for task, facts in results.tasks.items()},
        "problems": {run.name: r.problems for run, r in zip(runs, parsed, strict=True) if r.problems},
        "runs": [
            {
                "run": run.name,
                "results": str(run.path),
                "model": results.focus,
                "suite": results.suite.get("name"),
                "protocol": results.suite.get("protocol"),
                "ranked by": results.suite.get("score_function") or "sum",
                "cells": len(_cells(results)),
                "shared": len(set(cells)),
                "made": results.created,
            }
            for run, results in zip(runs, parsed, strict=True)
        ],
    }
