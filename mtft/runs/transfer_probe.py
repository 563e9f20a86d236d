"""Two probes of transfer: does a helpful task help, does a harmful one harm, at the same loss on the target task?"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mtft.errors import ConfigError
from mtft.reporting.probe_page import probe_page
from mtft.runs.folder import on_main_first, write_atomically
from mtft.runs.models import is_built_in
from mtft.runs.run import Run
from mtft.runs.settings import StrictParser, read_settings
from mtft.runs.subset import TaskSubset
from mtft.runs.trajectory_file import TRAJECTORY_FILE, Measured, read_trajectory
from mtft.statistics import Curve, Gap, generalisation_gap

RECIPE = "transfer_probe"
ALONE = "alone"
DONE = "training.json"


@dataclass
class ProbeArguments:
    """The probes of transfer; flags that are not these go to the recipe."""

    seeds: list[int] = field(
        default_factory=lambda: [1, 2, 3],
        metadata={"help": "Each is an order of the rows; the first makes the base model of all runs too."},
    )
    target: str = field(default="mini_xp3/topic", metadata={"help": "The task whose transfer is measured."})
    auxiliary: list[str] = field(
        default_factory=lambda: ["mini_xp3/subject", "mini_xp3/noise"],
        metadata={"help": "Tasks of the mixture, each to be trained beside the target in runs of its own."},
    )
    one_base: bool = field(
        default=True,
        metadata={"help": "Begin all runs with the first seed's base model; false: each seed with its own."},
    )
    probe_dir: str = field(default="runs/transfer_probe", metadata={"help": "Where all runs are written."})


def read_probe(argv: Sequence[str] | None = None) -> tuple[ProbeArguments, list[str]]:
    """The probes' own arguments, and the flags that go to the recipe.

    Raises:
        ConfigError: A value is of the wrong type.
    """
    own, rest = StrictParser(ProbeArguments).read_known(sys.argv[1:] if argv is None else argv)
    return own, rest


def transfer_probe(arguments: ProbeArguments, flags: Sequence[str]) -> dict[str, Any]:
    """The generalisation gap of the target task beside each auxiliary task, over all seeds.

    All runs begin with the first seed's base model; a seed decides the order of the rows. Every step holds the same
    rows of the target task, whether or not another task's rows come on top. Runs that are complete already are not
    done again.

    Args:
        arguments: Which tasks and seeds.
        flags: Further flags of the recipe.

    Returns:
        The content of `probe.json`.

    Raises:
        MtftError: A task is not the mixture's, or a setting is wrong.
    """
    place = Path(arguments.probe_dir)
    if arguments.target in arguments.auxiliary or not arguments.seeds:
        raise ConfigError(
            "A probe needs a seed, and auxiliary tasks other than its target.", found=vars(arguments)
        )
    found: dict[str, list[Curve]] = {}
    first: Run | None = None
    for seed in arguments.seeds:
        runs: dict[str, Run] = {}
        first = first if arguments.one_base else None
        for name in (ALONE, *arguments.auxiliary):
            runs[name] = _trained(arguments, flags, place, seed, name, first)
            first = first or runs[name]
        for name, run in runs.items():
            found.setdefault(name, []).append(
                curve_of(read_trajectory(run.folder.path), arguments.target, seed)
            )
    gaps = {name: generalisation_gap(found[ALONE], found[name]) for name in arguments.auxiliary}
    content = {
        "target": arguments.target,
        "seeds": arguments.seeds,
        "gaps": [gap_row(name, gap) for name, gap in gaps.items()],
        "curves": {
            name: [{"seed": c.seed, "loss": c.losses.tolist(), "metric": c.metrics.tolist()} for c in curves]
            for name, curves in found.items()
        },
    }
    with on_main_first() as main:
        if main:
            write_atomically(place / "probe.json", json.dumps(content, indent=1))
            write_atomically(place / "report.html", probe_page(content))
    return content


def _trained(
    arguments: ProbeArguments, flags: Sequence[str], place: Path, seed: int, name: str, first: Run | None
) -> Run:
    """One run of the target task, alone or beside an auxiliary task, with the first run's base model."""
    folder = place / f"seed-{seed}" / name.replace("/", "-")
    own = ["--seed", str(seed), "--data_seed", str(seed), "--output_dir", str(folder)]
    run = Run(*read_settings(RECIPE, [*flags, *own]))
    tasks = [arguments.target] if name == ALONE else [arguments.target, name]
    run.arguments.only_tasks = tasks
    if first is None:
        run.prepare_data()
    else:
        if is_built_in(run.arguments.model):
            run.arguments.protocol = run.arguments.protocol or "trained"
        run.arguments.model, run.data = str(first.base), first.data
        run.prepare_folder()
    with redirect_stdout(io.StringIO() if first else sys.stdout):  # the mixture is told once
        run.prepare_model()
    run.training.per_device_train_batch_size = rows_per_step(
        run, tasks, arguments.target, run.training.per_device_train_batch_size
    )
    done = run.folder.training.is_file() and (folder / TRAJECTORY_FILE).is_file()
    if not done:
        run.finetune()
    return run


def rows_per_step(run: Run, tasks: Sequence[str], target: str, rows: int) -> int:
    """Rows of a step that holds `rows` of the target task, by the mixture's shares."""
    whole, part = (TaskSubset(run.mixture, names).share for names in (tasks, [target]))
    return max(1, round(rows * whole / part))


def curve_of(rows: Iterable[Measured], task: str, seed: int) -> Curve:
    """A task's development metric against its training loss, over the steps that have both."""
    wanted = [row for row in rows if row.task == task and not row.language]
    loss = {row.step: row.value for row in wanted if row.quantity == "train_loss"}
    metric = {row.step: row.value for row in wanted if row.quantity == "dev_metric"}
    steps = sorted(set(loss) & set(metric))
    return Curve(np.array([loss[s] for s in steps]), np.array([metric[s] for s in steps]), seed)


def gap_row(name: str, gap: Gap) -> dict[str, Any]:
    """A gap in figures."""
    return {
        "auxiliary": name,
        "gap": gap.mean,
        "band": gap.band,
        "verdict": gap.verdict,
        "loss_from": gap.high,
        "loss_to": gap.low,
        "share_above": gap.share_above,
        "share_below": gap.share_below,
        "at_lowest_loss": float(gap.at_points[-1]) if len(gap.losses) else None,
        "band_at_lowest_loss": float(gap.bands[-1]) if len(gap.losses) else None,
        "seeds": gap.seeds,
    }
