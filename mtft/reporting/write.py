"""Writing the report's files."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from mtft.reporting.csv_files import csv_files
from mtft.reporting.latex import latex
from mtft.reporting.markdown import markdown
from mtft.reporting.page import page
from mtft.reporting.results import Results
from mtft.reporting.sample_choice import SampleFile
from mtft.reporting.samples import Samples, read_samples

Form = Literal["html", "markdown", "csv", "latex"]
FORMS: tuple[Form, ...] = get_args(Form)


def write_report(
    results: Mapping[str, Any], folder: Path, samples: Path | Sequence[SampleFile] | None = None
) -> tuple[Path, Path]:
    """The paths of `report.html` and `report.md`, written into `folder`.

    Args:
        results: The content of a `results.json`.
        folder: Made if missing.
        samples: `samples.parquet`, of every run, for a few examples per cell in the page.

    Raises:
        RunError: The results are of another schema, or the samples cannot be read.
    """
    html, md = write_forms(results, folder, ("html", "markdown"), samples)
    return html, md


def write_forms(
    results: Mapping[str, Any],
    folder: Path,
    forms: Collection[Form] = FORMS,
    samples: Path | Sequence[SampleFile] | None = None,
) -> list[Path]:
    """The paths of the report in each form: `report.html`, `report.md`, `report.csv/` (a folder), `report.tex`.

    Args:
        results: The content of a `results.json`.
        folder: Made if missing.
        forms: Which; in any order.
        samples: As for `write_report`; only the page shows them.

    Raises:
        RunError: The results are of another schema, or the samples cannot be read.
    """
    parsed = Results.parse(results)
    content: dict[Path, str] = {}
    written: list[Path] = []
    for form in (form for form in FORMS if form in forms):
        if form == "html":
            content[folder / "report.html"] = page(parsed, _samples(parsed, samples))
        elif form == "markdown":
            content[folder / "report.md"] = markdown(parsed)
        elif form == "latex":
            content[folder / "report.tex"] = latex(parsed)
        else:
            content |= {folder / "report.csv" / name: text for name, text in csv_files(parsed)}
            written.append(folder / "report.csv")
    for path, text in content.items():
        write_whole(path, text)
    singles = [path for path in content if path.parent == folder]
    return [*singles, *written]


def _samples(results: Results, samples: Path | Sequence[SampleFile] | None) -> Samples:
    if samples is None:
        return Samples()
    files = [SampleFile(samples)] if isinstance(samples, Path) else samples
    return read_samples(files, focus=results.focus, base=results.base)


def write_whole(path: Path, content: str) -> Path:
    """Whole or not at all: written beside the path and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(content, encoding="utf-8", errors="replace", newline="\n")
    unfinished.replace(path)
    return path
