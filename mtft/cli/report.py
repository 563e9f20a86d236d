"""`mtft report`: the human-readable report of one run, or of several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtft.cli.output import say
from mtft.errors import ConfigError

if TYPE_CHECKING:
    from mtft.reporting import Form, ReportInput


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="results.json, its folder, or the folder of a run; several to compare."
        ),
    ],
    html: Annotated[bool, typer.Option("--html", help="Write report.html.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write report.md.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write report.csv/, one file per kind of row.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Write report.tex.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder to write to; default: beside one run's results, or ./report for several."),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="Scored examples to browse; default: samples.parquet beside the results."),
    ] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Make the statistics again from the scored examples.")
    ] = False,
) -> None:
    """Write the report and print the answer; HTML and Markdown unless forms are named."""
    from mtft.reporting import Results, SampleFile, answer, find_results, write_forms

    if len(runs) > 1 and (samples or recompute):
        raise ConfigError("`--samples` and `--recompute` are for one run.", found=f"{len(runs)} runs")
    found = _read(runs, recompute=recompute)
    place = output or (find_results(runs[0]).parent if len(runs) == 1 else Path("report"))
    chosen = [SampleFile(samples)] if samples else found.samples
    asked: dict[Form, bool] = {"html": html, "markdown": markdown, "csv": csv, "latex": latex}
    forms = [form for form, wanted in asked.items() if wanted] or ["html", "markdown"]
    written = write_forms(found.content, place, forms, chosen or None)
    say(answer(Results.parse(found.content)), "", *written)


def _read(runs: Sequence[Path], *, recompute: bool) -> ReportInput:
    """What the report is about; what needs the evaluation's statistics loads them, a plain report does not."""
    if len(runs) == 1 and not recompute:
        from mtft.reporting import read_run

        return read_run(runs[0])
    from mtft.runs.comparing import read_runs, recomputed

    return recomputed(runs[0]) if len(runs) == 1 else read_runs(runs)
