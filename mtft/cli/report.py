"""`mtft report`: the human-readable report of results that an evaluation wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtft.cli.output import say

SAMPLES = "samples.parquet"


def report(
    results: Annotated[Path, typer.Argument(help="results.json, its folder, or the folder of a run.")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: beside the results.")
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="Scored examples to browse; default: samples.parquet beside the results."),
    ] = None,
) -> None:
    """Write report.html and report.md, and print the answer."""
    from mtft.reporting import Results, answer, find_results, read_results, write_report

    path = find_results(results)
    content = read_results(path)
    beside = path.parent / SAMPLES
    chosen = samples or (beside if beside.is_file() else None)
    html, md = write_report(content, output_dir or path.parent, chosen)
    say(answer(Results.parse(content)), "", html, md)
