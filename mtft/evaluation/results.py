"""`results.json` and `samples.parquet`: everything an evaluation found, and all that a report reads."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mtft.errors import RunError
from mtft.evaluation.aggregate import Resampling, SummaryCell, TemplateCell, summarise, template_cells
from mtft.evaluation.averages import CellOf, averages, primary_metric
from mtft.evaluation.comparisons import comparisons
from mtft.evaluation.contamination import contamination_rows
from mtft.evaluation.examples import EvalCell, EvalExample, Sample
from mtft.evaluation.fewshot import shot_rows
from mtft.evaluation.sample_table import read_samples, write_samples
from mtft.evaluation.slices import slice_rows

SCHEMA = 1
RESULTS, SAMPLES = "results.json", "samples.parquet"


@dataclass(frozen=True)
class ModelInfo:
    """A model that was scored.

    Attributes:
        name: In the report: `base`, `finetuned`, …
        path: Folder or Hub id.
        family: See `mtft.modeling.load_model`.
        parameters: How many.
        step: Of training, where known.
        dtype: Of the weights.
    """

    name: str
    path: str = ""
    family: str = ""
    parameters: int | None = None
    step: int | None = None
    dtype: str = ""


@dataclass(frozen=True)
class EvaluationResults:
    """Samples of one or more models on one suite, and what is known of its cells.

    Attributes:
        samples: In any order; the report does not depend on it.
        models: The models.
        cells: The suite's cells.
        suite: Name, protocol, cap, fingerprint of the suite.
        title: Of the report.
        extras: Further keys of `results.json`: problems, mixture, training, controls, vocabulary_overlap,
        contamination_index (in which the items were looked up), reproduce.
    """

    samples: tuple[Sample, ...]
    models: tuple[ModelInfo, ...]
    cells: tuple[EvalCell, ...]
    suite: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)

    def merge(self, other: EvaluationResults) -> EvaluationResults:
        """Both models' results in one; a model that both have is taken from `other`.

        Raises:
            RunError: They come from different suites.
        """
        if self.suite.get("fingerprint") != other.suite.get("fingerprint"):
            raise RunError(
                "Only results of the same suite can be put together.",
                found=f"{dict(self.suite)} and {dict(other.suite)}",
            )
        newer = {model.name for model in other.models}
        return replace(
            other,
            samples=(*(s for s in self.samples if s.model not in newer), *other.samples),
            models=(*(m for m in self.models if m.name not in newer), *other.models),
            cells=tuple(dict.fromkeys((*other.cells, *self.cells))),
            extras={**self.extras, **other.extras},
        )

    def with_extras(self, **extras: Any) -> EvaluationResults:
        """The results with further keys of `results.json`."""
        return replace(self, extras={**self.extras, **extras})

    def as_dict(self) -> dict[str, Any]:
        """The content of `results.json`."""
        cell_of = {(c.task, c.config): c for c in self.cells}
        resampling = Resampling(s.item_group for s in self.samples)
        cells = template_cells(self.samples)
        summaries = summarise(cells, resampling)
        content = {
            "schema": SCHEMA,
            "title": self.title or _title(self.cells, str(self.suite.get("name", "a suite"))),
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "suite": dict(self.suite),
            "models": [asdict(model) for model in self.models],
            "languages": _languages(self.cells),
            "tasks": _tasks(self.cells),
            "cells": [_cell_row(cell, resampling) for cell in cells],
            "summary": [_summary_row(summary, cell_of) for summary in summaries],
            "averages": averages(summaries, cell_of),
            "comparisons": comparisons(summaries, resampling),
            "unscored": _unscored(self.samples),
            "eval_cells": [_without_default(asdict(cell)) for cell in self.cells],
            **self.extras,
            **_filled(
                contamination=contamination_rows(cells, cell_of)
                if "contamination_index" in self.extras
                else [],
                shots=shot_rows(self.samples, self.cells),
                slices=slice_rows(cells, resampling, self.extras.get("mixture")),
            ),
        }
        cleaned: dict[str, Any] = _without_nan(content)
        return cleaned

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes `results.json` and `samples.parquet`, each whole or not at all; returns the former's
        content.
        """
        folder.mkdir(parents=True, exist_ok=True)
        content = self.as_dict()
        write_samples(self.samples, folder / SAMPLES)
        temporary = folder / f".{RESULTS}.{os.getpid()}"
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        temporary.replace(folder / RESULTS)
        return content

    @classmethod
    def load(cls, folder: Path) -> EvaluationResults:
        """The results that `save` wrote.

        Raises:
            RunError: They are missing or of another schema.
        """
        path = folder / RESULTS
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise RunError("Results must be a readable JSON file.", found=error, where=path) from error
        if content.get("schema") != SCHEMA or "eval_cells" not in content:
            raise RunError(f"Results must be of schema {SCHEMA}.", found=content.get("schema"), where=path)
        own = {
            "schema", "title", "created", "suite", "models", "languages", "tasks", "cells", "summary",
            "averages", "comparisons", "unscored", "eval_cells", "shots", "slices",
            "contamination",
        }  # fmt: skip
        return cls(
            samples=tuple(read_samples(folder / SAMPLES)),
            models=tuple(ModelInfo(**model) for model in content["models"]),
            cells=tuple(_cell(row) for row in content["eval_cells"]),
            suite=content["suite"],
            title=content["title"],
            extras={k: v for k, v in content.items() if k not in own},
        )


def examples_fingerprint(examples: Iterable[EvalExample]) -> str:
    """Hash of every evaluated prompt with its references, whatever their order."""
    rows = (
        json.dumps(
            [e.cell.task, e.cell.config, e.example.template_id, e.example.inputs, e.example.targets]
            + ([e.shots] if e.shots else [])
        )
        for e in examples
    )
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()[:16]


def cells_of(examples: Iterable[EvalExample]) -> tuple[EvalCell, ...]:
    """The distinct cells of examples, in order."""
    return tuple(dict.fromkeys(e.cell for e in examples))


def _title(cells: Sequence[EvalCell], suite: str) -> str:
    return f"{'Few' if any(cell.shots for cell in cells) else 'Zero'}-shot evaluation on {suite}"


def _filled(**lists: list[dict[str, Any]]) -> dict[str, Any]:
    """The lists that are not empty: results without shots or slices say nothing of them."""
    return {name: rows for name, rows in lists.items() if rows}


def _without_default(cell: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cell.items() if name != "shots" or value}


def _cell(row: dict[str, Any]) -> EvalCell:
    return EvalCell(**{**row, "metrics": tuple(row["metrics"])})


def _languages(cells: Sequence[EvalCell]) -> dict[str, Any]:
    return {
        c.language: {"name": c.language_name, "script": c.script, "status": c.language_status}
        for c in sorted(cells, key=lambda c: c.language)
    }


def _tasks(cells: Sequence[EvalCell]) -> dict[str, Any]:
    return {
        c.task: {
            "cluster": c.cluster,
            "title": c.title,
            "cluster_status": "trained" if c.cluster_trained else "held_out",
            "licence": c.licence,
        }
        for c in sorted(cells, key=lambda c: c.task)
    }


def _cell_row(cell: TemplateCell, resampling: Resampling) -> dict[str, Any]:
    value, low, high = cell.interval(resampling)
    return {
        "model": cell.model,
        **cell.place._asdict(),
        "template_id": cell.template_id,
        "template": cell.template,
        "value": value,
        "low": low,
        "high": high,
        "n": len(cell.rows.ids),
        "n_groups": len(cell.groups),
        "n_unscored": cell.n_unscored,
        "chance": cell.chance,
        "signature": cell.signature,
    }


def _summary_row(summary: SummaryCell, cell_of: CellOf) -> dict[str, Any]:
    """The median template's row; n, groups and unscored are those of all templates together, n per
    template.
    """
    cell = cell_of[summary.place.task, summary.place.config]
    values = [c.value for c in summary.cells if math.isfinite(c.value)]
    value, low, high = summary.interval
    chance = summary.chance
    return {
        "model": summary.model,
        **summary.place._asdict(),
        "primary": primary_metric(cell) == summary.place.metric,
        "median": value,
        "min": min(values, default=None),
        "max": max(values, default=None),
        "n_templates": len(values),
        "low": low,
        "high": high,
        "n": int(np.median([len(c.rows.ids) for c in summary.cells])),
        "n_groups": len({group for c in summary.cells for group in c.groups}),
        "n_unscored": sum(c.n_unscored for c in summary.cells),
        "chance": chance,
        "majority": summary.majority,
        "seen": cell.seen,
        "signature": " / ".join(sorted({c.signature for c in summary.cells if c.signature})),
        "above_chance": bool(chance is not None and math.isfinite(low) and low > chance),
    }


def _unscored(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """How often each reason left a sample unscored, by model and task."""
    counts: dict[tuple[str, str, str], int] = {}
    for s in samples:
        if s.unscored_reason:
            key = (s.model, s.task, s.unscored_reason)
            counts[key] = counts.get(key, 0) + 1
    return [
        {"model": model, "task": task, "reason": reason, "count": count}
        for (model, task, reason), count in sorted(counts.items())
    ]


def _without_nan(value: Any) -> Any:
    """Plain JSON: a number that is not one becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
