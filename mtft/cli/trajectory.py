"""`mtft trajectory`: what diagnostics measured along runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from mtft.cli.output import say, say_json, say_table
from mtft.plain import finite

app = typer.Typer(help="What diagnostics measured along runs.", no_args_is_help=True)

Runs = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[RUN]...",
        help="Folders of runs with a trajectory.parquet. One that measured a single task's training loss is a "
        "single-task run, any other multitask.",
    ),
]
Single = Annotated[list[Path] | None, typer.Option(help="A run to take for a single-task one; repeat it.")]
Multi = Annotated[list[Path] | None, typer.Option(help="A run to take for a multitask one; repeat it.")]


@app.command()
def gap(
    runs: Runs = None,
    single: Single = None,
    multi: Multi = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The generalisation gap at comparable training loss, per task."""
    from mtft.runs.trajectories import gaps, read_runs

    found = gaps(read_runs(runs or [], single or [], multi or []))
    if as_json:
        say_json({task: _plain(each) for task, each in found.items()})
        return
    if not found:
        say("No task was measured, with loss and metric, in a single-task and in a multitask run.")
        return
    columns = ("task", "gap", "band", "finding", "losses", "single runs", "multi runs")
    rows = [
        (
            task,
            _number(each.mean, "+.4f"),
            _number(each.band, ".4f"),
            each.verdict,
            f"{each.high:.3g} to {each.low:.3g}" if len(each.losses) else "none in common",
            *each.seeds,
        )
        for task, each in found.items()
    ]
    say_table(columns, rows, numeric=("gap", "band", "single runs", "multi runs"))
    say(
        "A gap is multitask minus single-task metric at the same training loss, mean over the losses that all runs "
        "passed; it counts outside the band, two standard deviations over seeds of each side."
    )


@app.command()
def report(
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
    runs: Runs = None,
    single: Single = None,
    multi: Multi = None,
) -> None:
    """Write trajectories.html, and its numbers as CSV."""
    from mtft.reporting import write_trajectories
    from mtft.runs.trajectories import gaps, read_runs

    found = read_runs(runs or [], single or [], multi or [])
    say(*write_trajectories(found, gaps(found), output))


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _plain(gap: object) -> dict[str, object]:
    """The gap's numbers; those that are none become null."""
    names = ("low", "high", "mean", "band", "share_above", "share_below", "verdict", "seeds")
    return finite({name: getattr(gap, name) for name in names})
