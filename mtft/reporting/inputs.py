"""What a report is written from: a run's folder, read as plain files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtft.reporting.results import find_results, read_results
from mtft.reporting.sample_choice import SampleFile

SAMPLES = "samples.parquet"
VALIDATION = "validation.json"
MODEL = "finetuned"


@dataclass(frozen=True)
class ReportInput:
    """What a report is written from.

    Attributes:
        content: Of a `results.json`.
        samples: Scored examples to browse; empty where there are none.
    """

    content: dict[str, Any]
    samples: tuple[SampleFile, ...] = ()


def read_run(place: Path) -> ReportInput:
    """One run's results, with the learning curve of its validations where the results have none.

    Args:
        place: `results.json`, its folder, or the folder of a run.

    Raises:
        RunError: There are none, or they cannot be read.
    """
    path = find_results(place)
    content = read_results(path)
    samples = path.parent / SAMPLES
    return ReportInput(with_curve(content, path), (SampleFile(samples),) if samples.is_file() else ())


def with_curve(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """The content of `path`, a run's `eval/results.json`, with the curve of the run's validations if it has none."""
    curve = validation_curve(path.resolve().parent.parent) if path.resolve().parent.name == "eval" else []
    return {**content, "curve": curve} if curve and not content.get("curve") else content


def validation_curve(run: Path) -> list[dict[str, Any]]:
    """Rows of `curve` in results: every validated step's score in every cell of the validation suite, by step.

    Empty where the folder holds no `validation.json`, or one of another form.
    """
    try:
        scores = json.loads((run / VALIDATION).read_text(encoding="utf-8"))["scores"]
        rows = [_row(int(step), cell) for step, each in scores.items() for cell in each["cells"]]
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return []
    return sorted(rows, key=lambda row: (row["step"], row["task"], row["language"]))


def _row(step: int, cell: dict[str, Any]) -> dict[str, Any]:
    named = {name: cell[name] for name in ("task", "language", "config", "metric", "value")}
    return {"model": MODEL, "step": step, **named}
