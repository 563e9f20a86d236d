"""`results.json` as typed records in one canonical order, so that no report depends on the order of rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mtft.errors import RunError
from mtft.plain import finite
from mtft.reporting.records import (
    Average,
    Cell,
    CellKey,
    Comparison,
    Contamination,
    CurvePoint,
    Length,
    Model,
    Published,
    ScoreFunction,
    SliceScore,
    Summary,
    Transfer,
    records,
)

SCHEMA = 1
EXTRAS = ("vocabulary_overlap", "mixture", "training", "unscored", "shots", "runs")
_STATUSES = ("trained", "seen", "pretrained_only", "unseen", "held_out")


def _mapping(results: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = results.get(name) or {}
    return value if isinstance(value, Mapping) else {name: value}


@dataclass(frozen=True)
class Results:
    """Everything a report shows, as plain records.

    Attributes:
        models: Base first, then finetuned, then the others by name; of several runs, in the runs' order.
        rivals: The models that a page about several runs compares, in order; empty for one run.
        extras: The optional keys of `EXTRAS` as given.
    """

    title: str
    created: str
    suite: Mapping[str, Any]
    models: tuple[Model, ...]
    languages: Mapping[str, Mapping[str, Any]]
    tasks: Mapping[str, Mapping[str, Any]]
    cells: tuple[Cell, ...]
    summary: tuple[Summary, ...]
    averages: tuple[Average, ...]
    comparisons: tuple[Comparison, ...]
    controls: tuple[Mapping[str, Any], ...]
    problems: Mapping[str, Any]
    reproduce: Mapping[str, Any]
    slices: tuple[SliceScore, ...] = ()
    transfer: tuple[Transfer, ...] = ()
    published: tuple[Published, ...] = ()
    contamination: tuple[Contamination, ...] = ()
    lengths: tuple[Length, ...] = ()
    score_functions: tuple[ScoreFunction, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    rivals: tuple[str, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, results: Mapping[str, Any]) -> Results:
        """Records from the content of a `results.json`.

        Raises:
            RunError: Another schema, or rows of another shape.
        """
        if results.get("schema") != SCHEMA:
            raise RunError(
                f"A report is made from results of schema {SCHEMA}.",
                found=f"schema {results.get('schema')!r}",
                remedy="Give the results.json that an evaluation wrote.",
            )
        summary = records(Summary, results, "summary")
        rivals = tuple(str(name) for name in results.get("rivals") or ())
        cells = records(Cell, results, "cells")
        return cls(
            title=str(results.get("title") or "Zero-shot report"),
            created=str(results.get("created") or ""),
            suite=_mapping(results, "suite"),
            models=_models(results, summary, rivals),
            languages=_mapping(results, "languages"),
            tasks=_mapping(results, "tasks"),
            cells=cells,
            summary=summary,
            averages=records(Average, results, "averages"),
            comparisons=records(Comparison, results, "comparisons"),
            controls=_controls(results),
            problems=_mapping(results, "problems"),
            reproduce=_mapping(results, "reproduce"),
            slices=records(SliceScore, results, "slices"),
            transfer=records(Transfer, results, "transfer"),
            published=records(Published, results, "published"),
            contamination=records(Contamination, results, "contamination"),
            lengths=records(Length, results, "lengths"),
            score_functions=records(ScoreFunction, results, "score_functions"),
            curve=records(CurvePoint, results, "curve"),
            rivals=rivals,
            extras={k: results[k] for k in EXTRAS if results.get(k)},
        )

    @property
    def base(self) -> str | None:
        """The model before finetuning, if it was scored beside another; of several runs, the first one's."""
        return self.rivals[0] if self.rivals else self.base_of(None)

    @property
    def focus(self) -> str | None:
        """The model the report is about: `finetuned`, else the first that is not the base; the last run's."""
        if self.rivals:
            return self.rivals[-1]
        names = [m.name for m in self.models if m.name != self.base]
        return names[0] if names else None

    @cached_property
    def _by_key(self) -> dict[tuple[str, CellKey], Summary]:
        return {(s.model, s.key): s for s in self.summary}

    @cached_property
    def knows_training(self) -> bool:
        """Whether the results say of any cell that it was finetuned on, or not."""
        return any(s.seen != "unknown" for s in self.summary)

    def language_status(self, code: str) -> str:
        """`trained`, `pretrained_only`, `unseen`; empty where that is not known."""
        return str(self.languages.get(code, {}).get("status") or "") if self.knows_training else ""

    def cluster_status(self, task: str) -> str:
        """`trained` or `held_out`; empty where that is not known."""
        return str(self.tasks.get(task, {}).get("cluster_status") or "") if self.knows_training else ""

    def at(self, model: str | None, key: CellKey) -> Summary | None:
        """One model's summary of one cell."""
        return self._by_key.get((model, key)) if model is not None else None

    @cached_property
    def keys(self) -> tuple[CellKey, ...]:
        """Every cell of a primary metric, by task, then language as in `language_order`."""
        found = {s.key for s in self.summary if s.primary}
        return tuple(
            sorted(found, key=lambda k: (self.task_order(k.task), self.language_order(k.language), k))
        )

    @cached_property
    def _keys_of(self) -> dict[tuple[str, str], list[CellKey]]:
        found: dict[tuple[str, str], list[CellKey]] = {}
        for key in self.keys:
            found.setdefault((key.task, key.language), []).append(key)
        return found

    def keys_of(self, task: str, language: str) -> list[CellKey]:
        """The cells of a primary metric of one task in one language."""
        return self._keys_of.get((task, language), [])

    def task_order(self, task: str) -> tuple[int, str, str]:
        """Trained clusters first, then by cluster and name."""
        known = self.tasks.get(task, {})
        return (status_rank(self.cluster_status(task)), str(known.get("cluster") or ""), task)

    def language_order(self, code: str) -> tuple[int, str, str]:
        """Languages of the mixture first, then those of pretraining only, then unseen ones, by name."""
        return (status_rank(self.language_status(code)), self.language_name(code), code)

    def language_name(self, code: str) -> str:
        """The English name, or the code itself."""
        return str(self.languages.get(code, {}).get("name") or code)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(model.name for model in self.models)

    def base_of(self, model: str | None) -> str | None:
        """The model before finetuning, if it was scored beside another; of several runs, that of `model`'s run."""
        candidates = ("base", f"{model}: base")
        found = next((name for name in candidates if name in self._names), None)
        return found if len(self.models) > 1 else None

    @cached_property
    def _paired(self) -> dict[tuple[str, str, str, str, str], list[Comparison]]:
        """Comparisons by both models, task, language and metric, either way round."""
        found: dict[tuple[str, str, str, str, str], list[Comparison]] = {}
        for row in self.comparisons:
            for turned in (row, reversed_comparison(row)):
                place = (turned.a, turned.b, row.task, row.language, row.metric)
                found.setdefault(place, []).append(turned)
        return found

    def comparison(self, key: CellKey, a: str | None = None, b: str | None = None) -> Comparison | None:
        """The paired difference a - b in one cell, focus - base unless other models are named."""
        a, b = a or self.focus or "", b or self.base or ""
        for found in self._paired.get((a, b, key.task, key.language, key.metric), ()):
            if found.config in ("", key.config) and found.prompt_language in ("", key.prompt_language):
                return found
        return None

    @cached_property
    def _controlled(self) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in self.controls:
            found.setdefault((row.get("task") or "", row.get("language") or ""), []).append(row)
        return found

    def controls_near(self, key: CellKey) -> list[Mapping[str, Any]]:
        """The controls of the cell's task and language, and those that name no task or language."""
        places = {(task, language) for task in (key.task, "") for language in (key.language, "")}
        return [row for place in sorted(places) for row in self._controlled.get(place, ())]

    @cached_property
    def _contaminated(self) -> dict[tuple[str, str], list[Contamination]]:
        found: dict[tuple[str, str], list[Contamination]] = {}
        for row in self.contamination:
            found.setdefault((row.task, row.language), []).append(row)
        return found

    def contaminated(self, key: CellKey) -> Contamination | None:
        """The cell's overlap with the training text, if any item overlaps."""
        for row in self._contaminated.get((key.task, key.language), ()):
            if row.config in ("", key.config) and row.n_any:
                return row
        return None


def status_rank(status: object) -> int:
    """Where a language's or cluster's status stands in the order of the report."""
    return _STATUSES.index(str(status)) if status in _STATUSES else len(_STATUSES)


def reversed_comparison(found: Comparison) -> Comparison:
    """The same as b - a."""

    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    turned = {"difference": minus(found.difference), "low": minus(found.high), "high": minus(found.low)}
    swapped = {"a": found.b, "b": found.a, "a_only": found.b_only, "b_only": found.a_only}
    return Comparison(**{**vars(found), **turned, **swapped})


def _models(
    results: Mapping[str, Any], summary: Iterable[Summary], rivals: Sequence[str]
) -> tuple[Model, ...]:
    """The listed models, and any that only the scores name."""

    def order(model: Model) -> tuple[int, str]:
        known = {"base": 0, **({name: at + 1 for at, name in enumerate(rivals)} or {"finetuned": 1})}
        return (known.get(model.name, len(known)), model.name)

    listed = {m.name: m for m in records(Model, results, "models")}
    unlisted = {s.model: Model(s.model) for s in summary if s.model not in listed}
    return tuple(sorted({**listed, **unlisted}.values(), key=order))


def _controls(results: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    rows = results.get("controls") or []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise RunError("Controls are a list of mappings.", found=type(rows).__name__, where="controls")
    return tuple(finite(row) for row in sorted(rows, key=_plain))


def _plain(row: object) -> str:
    return json.dumps(row, sort_keys=True, default=str, ensure_ascii=False)


def find_results(path: Path) -> Path:
    """The `results.json` that a path means: the file itself, one in the folder, or one in a run's `eval/`.

    Raises:
        RunError: There is none.
    """
    candidates = [path] if path.is_file() else [path / "results.json", path / "eval" / "results.json"]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        raise RunError(
            "A report needs the results.json of an evaluation.",
            found="none",
            where=path,
            remedy="Give the file, the folder it is in, or the folder of a run that has eval/results.json.",
        )
    return found


def read_results(path: Path) -> dict[str, Any]:
    """The content of a `results.json`, given the file, its folder, or a run's folder.

    Raises:
        RunError: There is none, or it is no JSON object.
    """
    found = find_results(path)
    try:
        content = json.loads(found.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError("Results must be JSON.", found=str(error), where=found) from error
    if not isinstance(content, dict):
        raise RunError("Results must be a JSON object.", found=type(content).__name__, where=found)
    return content
