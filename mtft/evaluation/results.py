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
from mtft.evaluation.aggregate import Resampling, TemplateCell, template_cells
from mtft.evaluation.averages import CellOf, averages, primary_metric
from mtft.evaluation.comparability import published_rows
from mtft.evaluation.comparisons import comparisons
from mtft.evaluation.contamination import contamination_rows
from mtft.evaluation.examples import EvalCell, EvalExample, Sample
from mtft.evaluation.fewshot import shot_rows
from mtft.evaluation.lengths import length_rows
from mtft.evaluation.sample_columns import SampleColumns, SampleRows
from mtft.evaluation.sample_table import read_table, write_table
from mtft.evaluation.score_function_rows import score_function_rows
from mtft.evaluation.score_functions import FREE, SUM
from mtft.evaluation.slices import slice_rows
from mtft.evaluation.summaries import SummaryCell, summarise
from mtft.evaluation.transfer import transfer_rows, transfer_tasks
from mtft.plain import finite

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
        samples: In any order; the report does not depend on it. Rows of a table where they were read from one.
        models: The models.
        cells: The suite's cells.
        suite: Name, protocol, cap, fingerprint of the suite.
        title: Of the report.
        extras: Further keys of `results.json`: problems, mixture, training, controls, vocabulary_overlap,
        contamination_index (in which the items were looked up), reproduce.
    """

    samples: Sequence[Sample]
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
            samples=_joined(self.samples, other.samples, newer),
            models=(*(m for m in self.models if m.name not in newer), *other.models),
            cells=tuple({(c.task, c.config): c for c in (*self.cells, *other.cells)}.values()),
            extras={**self.extras, **other.extras},
        )

    def with_extras(self, **extras: Any) -> EvaluationResults:
        """The results with further keys of `results.json`."""
        return replace(self, extras={**self.extras, **extras})

    def as_dict(self) -> dict[str, Any]:
        """The content of `results.json`."""
        cell_of = {(c.task, c.config): c for c in self.cells}
        samples = SampleRows.of(self.samples)
        resampling = Resampling(samples.distinct("item_group"))
        cells = template_cells(samples)
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
            "transfer": transfer_rows(summaries, resampling),
            "transfer_tasks": transfer_tasks(summaries),
            "unscored": _unscored(samples),
            "eval_cells": [_without_default(asdict(cell)) for cell in self.cells],
            **self.extras,
            **_filled(
                contamination=contamination_rows(cells, cell_of)
                if "contamination_index" in self.extras
                else [],
                published=published_rows(summaries, self.suite, cell_of),
                shots=shot_rows(samples, self.cells),
                slices=slice_rows(cells, resampling, self.extras.get("mixture")),
                lengths=length_rows(samples),
                score_functions=score_function_rows(samples, self.cells),
            ),
        }
        return finite(content)

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes `results.json` and `samples.parquet`, each whole or not at all; returns the former's
        content.
        """
        folder.mkdir(parents=True, exist_ok=True)
        samples = SampleRows.of(self.samples)
        content = replace(self, samples=samples).as_dict()
        write_table(samples.table(), folder / SAMPLES)
        temporary = folder / f".{RESULTS}.{os.getpid()}"
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        temporary.replace(folder / RESULTS)
        return content

    @classmethod
    def load(cls, folder: Path, *, prompts: bool = True) -> EvaluationResults:
        """The results that `save` wrote.

        Args:
            folder: That of `results.json`.
            prompts: Also read the prompts of samples, which no figure needs and which take the most memory;
                without them `as_dict` makes the same results, and `save` refuses.

        Raises:
            RunError: They are missing or of another schema.
        """
        path = folder / RESULTS
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError("Results must be a readable JSON file.", found=error, where=path) from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA or "eval_cells" not in content:
            found = content.get("schema") if isinstance(content, dict) else type(content).__name__
            raise RunError(f"Results must be of schema {SCHEMA}.", found=found, where=path)
        own = {
            "schema", "title", "created", "suite", "models", "languages", "tasks", "cells", "summary",
            "averages", "comparisons", "transfer", "transfer_tasks", "unscored", "eval_cells", "published", "shots",
            "slices", "lengths", "score_functions", "contamination",
        }  # fmt: skip
        samples = SampleColumns(read_table(folder / SAMPLES, prompts=prompts)).all()
        try:
            return cls(
                samples=samples,
                models=tuple(ModelInfo(**model) for model in content["models"]),
                cells=tuple(_cell(row) for row in content["eval_cells"]),
                suite=dict(content["suite"]),
                title=str(content["title"]),
                extras={k: v for k, v in content.items() if k not in own},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                "Results must be as an evaluation of this version, or an earlier one, wrote them.",
                found=repr(error),
                where=path,
            ) from error


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


def _joined(older: Sequence[Sample], other: Sequence[Sample], newer: set[str]) -> SampleRows:
    """Both, but of the older ones no samples of the newer models."""
    first = SampleRows.of(older)
    kept = np.isin(first.codes("model"), [first.code("model", name) for name in newer], invert=True)
    return SampleRows.joined([first.take(np.flatnonzero(kept)), SampleRows.of(other)])


def _title(cells: Sequence[EvalCell], suite: str) -> str:
    return f"{'Few' if any(cell.shots for cell in cells) else 'Zero'}-shot evaluation on {suite}"


def _filled(**lists: list[dict[str, Any]]) -> dict[str, Any]:
    """The lists that are not empty: results without shots or slices say nothing of them."""
    return {name: rows for name, rows in lists.items() if rows}


_USUAL = {"shots": 0, "protocol": "", "min_new_tokens": 0, "score_function": SUM, "score_functions": FREE}


def _without_default(cell: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in cell.items() if name not in _USUAL or value != _USUAL[name]}


def _cell(row: dict[str, Any]) -> EvalCell:
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in row.items()}
    return EvalCell(**values)


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
        "n_groups": len(cell.group_codes),
        "n_unscored": cell.n_unscored,
        "n_truncated": cell.n_truncated,
        "chance": cell.chance,
        "indistinguishable": None if cell.chance is None or not low <= high else low <= cell.chance <= high,
        "detectable": cell.detectable(resampling),
        "signature": cell.signature,
    }


def _summary_row(summary: SummaryCell, cell_of: CellOf) -> dict[str, Any]:
    """The median template's row; n, groups and unscored are those of all templates together, n per
    template.
    """
    cell = cell_of[summary.place.task, summary.place.config]
    value, low, high = summary.interval
    chance, spread = summary.chance, summary.spread
    return {
        "model": summary.model,
        **summary.place._asdict(),
        "primary": primary_metric(cell) == summary.place.metric,
        "median": value,
        "min": spread.minimum,
        "q1": spread.q1,
        "q3": spread.q3,
        "max": spread.maximum,
        "n_templates": spread.n,
        "low": low,
        "high": high,
        "n": int(np.median([len(c.rows.ids) for c in summary.cells])),
        "n_groups": len(summary.groups),
        "n_unscored": sum(c.n_unscored for c in summary.cells),
        "n_truncated": sum(c.n_truncated for c in summary.cells),
        "chance": chance,
        "majority": summary.majority,
        "seen": cell.seen,
        "signature": " / ".join(sorted({c.signature for c in summary.cells if c.signature})),
        "above_chance": bool(chance is not None and math.isfinite(low) and low > chance),
        "indistinguishable": summary.indistinguishable,
        "detectable": summary.detectable,
        "consistency": summary.consistency,
    }


def _unscored(samples: SampleRows) -> list[dict[str, Any]]:
    """How often each reason left a sample unscored, by model and task."""
    return [
        {"model": model, "task": task, "reason": reason, "count": len(rows)}
        for (model, task, reason), rows in samples.parts("model", "task", "unscored_reason")
        if reason
    ]
