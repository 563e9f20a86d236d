"""`results.json` as typed records in one canonical order, so that no report depends on the order of rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mtft.errors import RunError

SCHEMA = 1
_STATUSES = ("trained", "seen", "pretrained_only", "unseen", "held_out")


class CellKey(NamedTuple):
    """What one number is about, whichever model it belongs to."""

    task: str
    language: str
    config: str
    prompt_language: str
    metric: str


@dataclass(frozen=True)
class Model:
    """A model that was scored."""

    name: str
    path: str = ""
    family: str = ""
    parameters: float | None = None
    step: float | None = None


@dataclass(frozen=True)
class _Keyed:
    task: str
    language: str = ""
    config: str = ""
    prompt_language: str = ""
    metric: str = ""

    @property
    def key(self) -> CellKey:
        """Task, language, config, prompt language and metric."""
        return CellKey(self.task, self.language, self.config, self.prompt_language, self.metric)


@dataclass(frozen=True)
class Cell(_Keyed):
    """One template's score of one model in one task and language."""

    model: str = ""
    template: str = ""
    template_id: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: float | None = None
    n_unscored: float | None = None


@dataclass(frozen=True)
class Summary(_Keyed):
    """The median template of one model in one task and language, with its 95 % interval."""

    model: str = ""
    cluster: str = ""
    primary: bool = True
    median: float | None = None
    min: float | None = None
    max: float | None = None
    n_templates: float | None = None
    low: float | None = None
    high: float | None = None
    n: float | None = None
    n_groups: float | None = None
    n_unscored: float | None = None
    chance: float | None = None
    majority: float | None = None
    seen: str = "seen"
    signature: str = ""
    above_chance: bool = False

    @property
    def held_out(self) -> bool:
        """Whether the language, the cluster or the pair was kept out of finetuning, as far as is known."""
        return self.seen.startswith("held_out")


@dataclass(frozen=True)
class SliceScore(_Keyed):
    """One model's score on the rows of a cell that have one value in a column.

    An empty `slice` stands for all values that training saw, or did not see.
    """

    model: str = ""
    column: str = ""
    slice: str = ""
    seen: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: float | None = None


@dataclass(frozen=True)
class Average:
    """A model's average over a group of cells, with the rule that made it."""

    model: str
    group: str = ""
    metric: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n_cells: float | None = None
    rule: str = ""


@dataclass(frozen=True)
class Comparison(_Keyed):
    """The paired difference a - b on the items both models answered."""

    a: str = ""
    b: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


Record = TypeVar("Record")


def _clean(value: object) -> Any:
    """A number that is not one becomes None; everything else stays."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _record(kind: type[Record], row: object, where: str) -> Record:
    """One record from a mapping; keys it does not know are left, null means the default."""
    if not isinstance(row, Mapping):
        raise RunError("Results hold mappings as rows.", found=type(row).__name__, where=where)
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    given = {name: _clean(row[name]) for name in names & row.keys() if row[name] is not None}
    try:
        return kind(**given)
    except TypeError as error:
        raise RunError("A row of results lacks a key it needs.", found=str(error), where=where) from error


def _canonical(record: object) -> str:
    return json.dumps(vars(record), sort_keys=True, default=str, ensure_ascii=False)


def _records(kind: type[Record], results: Mapping[str, Any], name: str) -> tuple[Record, ...]:
    rows = results.get(name) or []
    if not isinstance(rows, list):
        raise RunError("This key of the results holds a list.", found=type(rows).__name__, where=name)
    made = [_record(kind, row, f"{name}[{number}]") for number, row in enumerate(rows)]
    return tuple(sorted(made, key=_canonical))


def _mapping(results: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = results.get(name) or {}
    return value if isinstance(value, Mapping) else {name: value}


def _model_order(model: Model) -> tuple[int, str]:
    return ({"base": 0, "finetuned": 1}.get(model.name, 2), model.name)


@dataclass(frozen=True)
class Results:
    """Everything a report shows, as plain records.

    Attributes:
        models: Base first, then finetuned, then the others by name.
        extras: The optional keys (`controls`, `vocabulary_overlap`, `mixture`, `training`) as given.
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
        summary = _records(Summary, results, "summary")
        cells = _records(Cell, results, "cells")
        return cls(
            title=str(results.get("title") or "Zero-shot report"),
            created=str(results.get("created") or ""),
            suite=_mapping(results, "suite"),
            models=_models(results, summary),
            languages=_mapping(results, "languages"),
            tasks=_mapping(results, "tasks"),
            cells=cells,
            summary=summary,
            averages=_records(Average, results, "averages"),
            comparisons=_records(Comparison, results, "comparisons"),
            controls=_controls(results),
            problems=_mapping(results, "problems"),
            reproduce=_mapping(results, "reproduce"),
            slices=_records(SliceScore, results, "slices"),
            extras={
                k: results[k]
                for k in ("vocabulary_overlap", "mixture", "training", "unscored", "shots")
                if results.get(k)
            },
        )

    @property
    def base(self) -> str | None:
        """The model before finetuning, if it was scored beside another."""
        named = [m.name for m in self.models if m.name == "base"]
        return named[0] if named and len(self.models) > 1 else None

    @property
    def focus(self) -> str | None:
        """The model the report is about: `finetuned`, else the first that is not the base."""
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

    def comparison(self, key: CellKey) -> Comparison | None:
        """The paired difference focus - base in one cell, turned round where the file has base - focus."""
        for found in self.comparisons:
            same = (found.task, found.language, found.metric) == (key.task, key.language, key.metric)
            narrower = found.config in ("", key.config) and found.prompt_language in ("", key.prompt_language)
            if same and narrower and {found.a, found.b} == {self.base, self.focus}:
                return found if found.a == self.focus else _reversed(found)
        return None


def status_rank(status: object) -> int:
    """Where a language's or cluster's status stands in the order of the report."""
    return _STATUSES.index(str(status)) if status in _STATUSES else len(_STATUSES)


def _reversed(found: Comparison) -> Comparison:
    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    turned = {"difference": minus(found.difference), "low": minus(found.high), "high": minus(found.low)}
    return Comparison(**{**vars(found), **turned, "a": found.b, "b": found.a})


def _models(results: Mapping[str, Any], summary: Iterable[Summary]) -> tuple[Model, ...]:
    """The listed models, and any that only the scores name."""
    listed = {m.name: m for m in _records(Model, results, "models")}
    unlisted = {s.model: Model(s.model) for s in summary if s.model not in listed}
    return tuple(sorted({**listed, **unlisted}.values(), key=_model_order))


def _controls(results: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    rows = results.get("controls") or []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise RunError("Controls are a list of mappings.", found=type(rows).__name__, where="controls")
    return tuple({k: _clean(v) for k, v in row.items()} for row in sorted(rows, key=_plain))


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
