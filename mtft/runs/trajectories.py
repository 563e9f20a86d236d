"""The trajectories of several runs: which trained on one task, which on many, and the gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtft.errors import RunError
from mtft.reporting import TrackedRun, TrackedValue
from mtft.runs.trajectory_file import TrajectoryRow, read_trajectory
from mtft.statistics import Curve, Gap, generalisation_gap


def read_runs(
    runs: Sequence[Path], single: Sequence[Path] = (), multi: Sequence[Path] = ()
) -> list[TrackedRun]:
    """The runs' trajectories.

    Args:
        runs: Folders, or trajectory files: a run that measured the training loss of one task is single-task, one of
            several multitask.
        single: Runs to take for single-task ones, whatever they measured.
        multi: Likewise multitask.

    Raises:
        RunError: There is none, one has no trajectory or no training loss, two are the same, or two of one side that
            train on the same task have the same seed, so that what varies between them is not chance.
    """
    given = [*((path, "") for path in runs), *((p, "single") for p in single), *((p, "multi") for p in multi)]
    if not given:
        raise RunError(
            "There must be a run to look at.",
            found="none",
            remedy="Name the folders of runs that were trained with --diagnostics true.",
        )
    places = [path.resolve() for path, _ in given]
    for place in places:
        if places.count(place) > 1:
            raise RunError("A run must be named once.", found="twice", where=place)
    found = [tracked_run(path, kind) for path, kind in given]
    sides: dict[tuple[str, int, str], str] = {}
    for run in found:
        for task in sorted({each.task for each in run.values if each.quantity == "train_loss"}):
            if other := sides.get((run.kind, run.seed, task)):
                raise RunError(
                    "Runs of one side that train on the same task must differ in their seed.",
                    found=f"seed {run.seed} of both {other} and {run.name}, which are {run.kind}-task runs of {task}",
                    remedy="Look at one mixture at a time.",
                )
            sides[run.kind, run.seed, task] = run.name
    return found


def tracked_run(path: Path, kind: str = "") -> TrackedRun:
    """A run's trajectory over all languages.

    Args:
        path: Its folder, or the trajectory file.
        kind: `single` or `multi`; left out, by how many tasks it measured the training loss of.

    Raises:
        RunError: There is no trajectory, or no training loss in it.
    """
    rows = read_trajectory(path)
    tasks = {row.task for row in rows if row.quantity == "train_loss"}
    if not tasks:
        raise RunError("A trajectory must hold training losses.", found="none", where=path)
    name = path.name if path.is_dir() else path.parent.name
    kind = kind or ("single" if len(tasks) == 1 else "multi")
    return TrackedRun(name, kind, rows[0].seed, tuple(_value(row) for row in rows if not row.language))


def _value(row: TrajectoryRow) -> TrackedValue:
    return TrackedValue(row.step, row.task, row.quantity, row.other, row.value)


def curve_of(run: TrackedRun, task: str) -> Curve:
    """The metric of a task against its training loss, at the steps that have both."""
    losses = dict(run.series(task, "train_loss"))
    metrics = dict(run.series(task, "dev_metric"))
    steps = sorted(losses.keys() & metrics.keys())
    return Curve(np.array([losses[s] for s in steps]), np.array([metrics[s] for s in steps]), run.seed)


def gaps(runs: Sequence[TrackedRun]) -> dict[str, Gap]:
    """The generalisation gap of every task that a single-task and a multitask run have both loss and metric of."""
    found: dict[str, Gap] = {}
    for task in sorted({each.task for run in runs for each in run.values}):
        sides: dict[str, list[Curve]] = {"single": [], "multi": []}
        for run in runs:
            curve = curve_of(run, task)
            if len(curve.losses):
                sides[run.kind].append(curve)
        if all(sides.values()):
            found[task] = generalisation_gap(sides["single"], sides["multi"])
    return found
