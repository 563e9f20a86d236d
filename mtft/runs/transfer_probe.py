"""Two probes of transfer: does a helpful task help, does a harmful one harm, at the same loss on the target task?"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtft.errors import ConfigError
from mtft.plain import finite
from mtft.reporting.probe_page import probe_page
from mtft.runs.comparison_checks import check_steps, refuse_flags
from mtft.runs.data import Library, mixture_cells
from mtft.runs.development import development
from mtft.runs.folder import on_main_first, write_atomically
from mtft.runs.models import is_built_in
from mtft.runs.run import Run
from mtft.runs.settings import StrictParser, read_settings
from mtft.runs.subset import TaskSubset
from mtft.runs.trajectories import curve_of, tracked_run
from mtft.runs.trajectory_file import TRAJECTORY_FILE
from mtft.statistics import Curve, Gap, generalisation_gap

RECIPE = "transfer_probe"
ALONE = "alone"
OWN_FLAGS = {
    **dict.fromkeys(("seed", "data_seed"), "Give --seeds."),
    "output_dir": "Give --probe_dir.",
    "mixture": "Give --mixtures.",
    "only_tasks": "Give --target and --auxiliary.",
}
DONE = "training.json"


@dataclass
class ProbeArguments:
    """The probes of transfer; flags that are not these go to the recipe."""

    seeds: list[int] = field(
        default_factory=lambda: [1, 2, 3],
        metadata={"help": "Each makes a base model of its own, and an order of the rows."},
    )
    target: str = field(default="mini_xp3/topic", metadata={"help": "The task whose transfer is measured."})
    auxiliary: list[str] = field(
        default_factory=lambda: ["mini_xp3/subject", "mini_xp3/noise"],
        metadata={"help": "Tasks, each to be trained beside the target in runs of its own."},
    )
    mixtures: list[str] = field(
        default_factory=lambda: ["transfer_probe", "transfer_probe_noise"],
        metadata={"help": "The mixture of each auxiliary task and the target, or one for all."},
    )
    probe_dir: str = field(default="runs/transfer_probe", metadata={"help": "Where all runs are written."})

    @property
    def probes(self) -> dict[str, list[str]]:
        """Mixture to the auxiliary tasks that are probed in it.

        Raises:
            ConfigError: There is nothing to probe, a seed comes twice, or mixtures and tasks do not pair up.
        """
        if self.target in self.auxiliary or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(
                "A probe needs different seeds, and auxiliary tasks other than its target.", found=vars(self)
            )
        mixtures = self.mixtures * len(self.auxiliary) if len(self.mixtures) == 1 else self.mixtures
        if len(mixtures) != len(self.auxiliary):
            raise ConfigError(
                "Every auxiliary task needs a mixture.",
                found=f"{len(self.mixtures)} mixtures and {len(self.auxiliary)} tasks",
                remedy="Give as many --mixtures as --auxiliary, or one for all.",
            )
        found: dict[str, list[str]] = {}
        for mixture, name in zip(mixtures, self.auxiliary, strict=True):
            found.setdefault(mixture, []).append(name)
        return found


def read_probe(argv: Sequence[str] | None = None) -> tuple[ProbeArguments, list[str]]:
    """The probes' own arguments, and the flags that go to the recipe.

    Raises:
        ConfigError: A value is of the wrong type.
    """
    own, rest = StrictParser(ProbeArguments).read_known(sys.argv[1:] if argv is None else argv)
    return own, rest


def transfer_probe(arguments: ProbeArguments, flags: Sequence[str]) -> dict[str, Any]:
    """The generalisation gap of the target task beside each auxiliary task, over all seeds.

    In a mixture, all runs of a seed begin with the same weights, and every step holds the same rows of the target
    task, whether or not another task's rows come on top. Runs that are complete already are not done again.

    Args:
        arguments: Which tasks and seeds.
        flags: Further flags of the recipe.

    Returns:
        The content of `probe.json`.

    Raises:
        MtftError: A task is not the mixture's, the target has no development metric, or a setting is wrong; before
            anything is trained.
    """
    _check(arguments, flags)
    place = Path(arguments.probe_dir)
    rows: list[dict[str, Any]] = []
    curves: dict[str, dict[str, Any]] = {}
    for mixture, names in arguments.probes.items():
        found = _curves(arguments, flags, place / Path(mixture).stem, mixture, names)
        rows += [gap_row(name, mixture, generalisation_gap(found[ALONE], found[name])) for name in names]
        curves[mixture] = {
            name: [{"seed": c.seed, "loss": c.losses.tolist(), "metric": c.metrics.tolist()} for c in of]
            for name, of in found.items()
        }
    content: dict[str, Any] = finite(
        {"target": arguments.target, "seeds": arguments.seeds, "gaps": rows, "curves": curves}
    )
    with on_main_first() as main:
        if main:
            write_atomically(place / "probe.json", json.dumps(content, indent=1, allow_nan=False))
            write_atomically(place / "report.html", probe_page(content))
    return content


def _check(arguments: ProbeArguments, flags: Sequence[str]) -> None:
    """What must hold of every mixture, found out before the first of them is rendered: it trains on the tasks that
    are probed in it, the target's metric is measured, and runs on some tasks can take their part of its steps.
    """
    refuse_flags(flags, OWN_FLAGS, "the probes")
    for mixture, names in arguments.probes.items():
        run, training = read_settings(RECIPE, [*flags, "--mixture", mixture])
        check_steps((run, training), "the probes")
        run.only_tasks = [arguments.target, *names]
        library = Library.open(run.prompts, run.data_root, strict=run.strict)
        spec, _ = mixture_cells(run, library)
        measured = development(training, spec, library, strict=run.strict)
        if measured is None or arguments.target not in {each.cell.task for each in measured.examples}:
            raise ConfigError(
                "The target of a probe must have a development metric.",
                found=f"{arguments.target} has none in the mixture {mixture}",
                remedy="Give --diagnostics_suite with a suite of its validation side, --diagnostics_generation true "
                "for a task without answer choices, or another target.",
            )


def _curves(
    arguments: ProbeArguments, flags: Sequence[str], place: Path, mixture: str, auxiliary: Sequence[str]
) -> dict[str, list[Curve]]:
    """The target's curves alone and beside each auxiliary task, one per seed, in runs on one mixture."""
    found: dict[str, list[Curve]] = {}
    for seed in arguments.seeds:
        first: Run | None = None
        for name in (ALONE, *auxiliary):
            run = _trained(arguments, [*flags, "--mixture", mixture], place, seed, name, first)
            first = first or run
            curve = curve_of(tracked_run(run.folder.path), arguments.target)
            found.setdefault(name, []).append(curve)
    return found


def _trained(
    arguments: ProbeArguments, flags: Sequence[str], place: Path, seed: int, name: str, first: Run | None
) -> Run:
    """One run of the target task, alone or beside an auxiliary task; of a seed's first run, with its base model."""
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


def gap_row(name: str, mixture: str, gap: Gap) -> dict[str, Any]:
    """A gap in figures."""
    return {
        "auxiliary": name,
        "mixture": mixture,
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


def gap_line(target: str, row: Mapping[str, Any]) -> str:
    """A row of `probe.json` in a line; what was not measured, such as the band of one seed, is a dash."""
    gap, band = (
        "–" if row[name] is None else format(row[name], form)
        for name, form in (("gap", "+.3f"), ("band", ".3f"))
    )
    return f"{target} beside {row['auxiliary']}: gap {gap}, band {band}: {row['verdict']}"
