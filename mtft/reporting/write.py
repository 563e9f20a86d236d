"""Writing the report's two files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtft.reporting.markdown import markdown
from mtft.reporting.page import page
from mtft.reporting.results import Results
from mtft.reporting.samples import read_samples


def write_report(results: Mapping[str, Any], folder: Path, samples: Path | None = None) -> tuple[Path, Path]:
    """The paths of `report.html` and `report.md`, written into `folder`.

    Args:
        results: The content of a `results.json`.
        folder: Made if missing.
        samples: `samples.parquet`, for a few examples per cell in the page.

    Raises:
        RunError: The results are of another schema, or the samples cannot be read.
    """
    parsed = Results.parse(results)
    chosen = read_samples(samples, focus=parsed.focus) if samples is not None else []
    folder.mkdir(parents=True, exist_ok=True)
    return (
        _write(folder / "report.html", page(parsed, chosen)),
        _write(folder / "report.md", markdown(parsed)),
    )


def _write(path: Path, content: str) -> Path:
    """Whole or not at all: written beside the path and renamed."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(content, encoding="utf-8", errors="replace", newline="\n")
    unfinished.replace(path)
    return path
