"""`mtft eval rescore`: results ranked anew by another score function, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtft.cli.output import say


def rescore(
    results: Annotated[
        Path, typer.Argument(help="A run's folder, or that of results.json and samples.parquet.")
    ],
    score_function: Annotated[str, typer.Option(help="sum, token, character, byte or pmi.")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Where to write; default: RESULTS/rescored-FUNCTION.")
    ] = None,
) -> None:
    """Rank stored answer choices by another score function, and write results and report anew."""
    from mtft.evaluation.results import EvaluationResults
    from mtft.evaluation.score_function_rows import rescored
    from mtft.reporting import write_report
    from mtft.reporting.results import find_results

    folder = find_results(results).parent
    found = rescored(EvaluationResults.load(folder), score_function)
    target = output_dir or folder / f"rescored-{score_function}"
    content = found.save(target)
    write_report(content, target, target / "samples.parquet")
    say(target / "report.html")
