"""Methods of multitask training side by side: same budget, same data, several seeds, and single-task baselines."""

from __future__ import annotations

import io
import json
import logging
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtft.encoding import accumulation_for
from mtft.errors import ConfigError, DivergedError, nearest
from mtft.evaluation import EvaluationResults
from mtft.plain import finite
from mtft.reporting.compare_page import compare_page, verdicts
from mtft.reporting.csv_files import csv_text
from mtft.runs.arguments import RunArguments
from mtft.runs.comparison_checks import check_budget, check_method, refuse_flags, rows_per_step
from mtft.runs.comparison_scores import comparison_rows, scores_of
from mtft.runs.folder import on_main_first, write_atomically
from mtft.runs.methods import SINGLE, read_methods
from mtft.runs.models import is_built_in
from mtft.runs.run import Run
from mtft.runs.settings import StrictParser, read_settings
from mtft.runs.subset import TaskSubset, check_tasks
from mtft.training import MultitaskArguments

logger = logging.getLogger(__name__)

RECIPE = "mtl_compare"
OWN_FLAGS = {"seed": "Give --seeds.", "output_dir": "Give --compare_dir."}
DEFAULT = ("sum", "uw", "dwa", "famo", "pcgrad", "mgda", "upgrad", "dgr")


@dataclass
class CompareArguments:
    """A comparison of methods; flags that are not these go to the recipe."""

    methods: list[str] = field(
        default_factory=lambda: list(DEFAULT),
        metadata={
            "help": "Names in mtft/runs/methods.py, or NAME=FLAGS for one of your own; the first is what others "
            "are told apart from."
        },
    )
    seeds: list[int] = field(
        default_factory=lambda: [1, 2, 3, 4, 5, 6],
        metadata={"help": "Seeds of the runs; few of them know their own spread badly."},
    )
    single_tasks: list[str] = field(
        default_factory=lambda: ["all"],
        metadata={"help": "Tasks with a single-task baseline: names, `all` or `none`."},
    )
    compare_dir: str | None = field(
        default=None, metadata={"help": "Where all runs are written; default: runs/mtl_compare-<mixture>."}
    )


def read_comparison(argv: Sequence[str] | None = None) -> tuple[CompareArguments, list[str]]:
    """The comparison's own arguments, and the flags that go to the recipe.

    Raises:
        ConfigError: A value is of the wrong type.
    """
    own, rest = StrictParser(CompareArguments).read_known(sys.argv[1:] if argv is None else argv)
    return own, rest


def compare_methods(arguments: CompareArguments, flags: Sequence[str]) -> dict[str, Any]:
    """Every method's and every single task's run under every seed, put together into one report.

    All runs of a seed begin with the same weights, see the same examples in the same steps, and make the same
    number of steps. A single-task run has of every step its task's examples alone. Runs that are complete already
    are not done again.

    Args:
        arguments: Methods, seeds, single tasks.
        flags: Further flags of the recipe.

    Returns:
        The content of `compare.json`.

    Raises:
        MtftError: A method, task or setting is wrong; before anything is trained.
    """
    comparison = Comparison(arguments, flags)
    for seed in arguments.seeds:
        comparison.train(seed)
    content = comparison.content()
    with on_main_first() as main:
        if main:
            write_atomically(
                comparison.place / "compare.json", json.dumps(content, indent=1, allow_nan=False)
            )
            write_atomically(comparison.place / "report.html", compare_page(content))
            for name in ("methods", "tasks", "languages"):
                write_atomically(comparison.place / "csv" / f"{name}.csv", csv_text(content[name]))
    return content


class Comparison:
    """The runs of a comparison.

    Args:
        arguments: Methods, seeds, single tasks.
        flags: Further flags of the recipe.

    Raises:
        ConfigError: A method is unknown, a setting is refused (see `comparison_checks`), or there is no seed.
    """

    def __init__(self, arguments: CompareArguments, flags: Sequence[str]) -> None:
        self.arguments, self.flags = arguments, list(flags)
        if not arguments.seeds or len(set(arguments.seeds)) < len(arguments.seeds):
            raise ConfigError("A comparison needs seeds, each once.", found=arguments.seeds)
        known = StrictParser(RunArguments, MultitaskArguments).known
        self.methods = read_methods(arguments.methods, known)
        refuse_flags(flags, OWN_FLAGS, "a comparison")
        for method in self.methods:
            refuse_flags(method.flags, OWN_FLAGS, f"the method `{method.name}`")
        given, _ = read_settings(RECIPE, flags)
        self.place = Path(arguments.compare_dir or f"runs/{RECIPE}-{Path(given.mixture).stem}")
        shared = self._settings((), 1, "checked")
        check_budget(shared, single_tasks=arguments.single_tasks)
        for method in self.methods:
            check_method(method.name, self._settings(method.flags, 1, "checked"), shared)
        self.first: Run | None = None
        self.results: dict[tuple[str, int], list[EvaluationResults]] = {}
        self.failed: list[dict[str, Any]] = []
        self.seconds: dict[str, list[float]] = {}

    def train(self, seed: int) -> None:
        """What is missing of a seed: its base model, single-task runs, and every method."""
        start = self._start(seed)
        singles = {task: single_flags(start, task) for task in self._single_tasks(start)}
        for task, flags in singles.items():
            self._run(start, seed, SINGLE, flags, task)
        for method in self.methods:
            self._run(start, seed, method.name, method.flags, None)

    def _run(self, start: Run, seed: int, name: str, flags: Sequence[str], task: str | None) -> None:
        """One run; where its loss or gradient ends it, the others go on and the report tells."""
        try:
            run = self._finished(start, seed, name, flags, task)
        except DivergedError as error:
            reason = f"{error.rule} Found: {str(error.found).splitlines()[0]}"
            logger.warning("%s under seed %d did not finish: %s", name, seed, reason)
            self.failed.append({"method": name, "task": task or "", "seed": seed, "reason": reason})
        else:
            self._scored(run, name, seed)

    def content(self) -> dict[str, Any]:
        """What `compare.json` holds.

        Raises:
            DivergedError: No run finished.
        """
        if not self.results:
            raise DivergedError("A comparison needs a run that finished.", found=self.failed[0]["reason"])
        alone = [SINGLE] if any(name == SINGLE for name, _ in self.results) else []
        names = [*alone, *(method.name for method in self.methods)]
        scores = scores_of(self.results, names, self.arguments.seeds)
        reference = self.methods[0].name
        seconds = {name: statistics.median(found) for name, found in self.seconds.items() if found}
        found = comparison_rows(scores, reference, seconds)
        assert self.first is not None  # trained before
        settings = self.first.training
        content = finite(
            {
                "mixture": self.first.data.built.spec.name,
                "reference": reference,
                "seeds": list(self.arguments.seeds),
                "steps": settings.max_steps,
                "rows_per_step": rows_per_step(settings),
                "items": scores.n_items,
                "flags": {method.name: " ".join(method.flags) for method in self.methods},
                "failed": self.failed,
                **found,
            }
        )
        return {**content, "verdicts": verdicts(content)}

    def _settings(
        self, flags: Sequence[str], seed: int, folder: str
    ) -> tuple[RunArguments, MultitaskArguments]:
        own = ["--seed", str(seed), "--output_dir", str(self.place / f"seed-{seed}" / folder)]
        return read_settings(RECIPE, [*self.flags, *flags, *own])

    def _start(self, seed: int) -> Run:
        """The seed's base model, and its mixture."""
        run = Run(*self._settings((), seed, "start"))
        if self.first is None:
            run.prepare_data()
            if self.arguments.single_tasks not in (["all"], ["none"]):
                check_tasks(run.data.built.cells, self.arguments.single_tasks)
            self.first = run
        else:
            run.data = self.first.data
            run.prepare_folder()
        run.prepare_model()
        return run

    def _single_tasks(self, start: Run) -> list[str]:
        """The tasks that are trained alone: such as have rows in the steps, and are scored."""
        scored = {example.cell.task for example in start.data.examples}
        names = [cell.task.name for cell in start.mixture.built.cells.train]
        units, _, _ = start.mixture.at(np.arange(start.training.max_steps * rows_per_step(start.training)))
        trained = sorted({names[unit] for unit in np.unique(units)} & scored)
        given = self.arguments.single_tasks
        if given in (["all"], ["none"]):
            return trained if given == ["all"] else []
        for name in given:
            if name not in trained:
                raise ConfigError(
                    "A single task must have rows in the steps, and be scored.",
                    found=name,
                    remedy=nearest(name, trained),
                )
        return sorted(set(given))

    def _finished(self, start: Run, seed: int, name: str, flags: Sequence[str], task: str | None) -> Run:
        """A run from the seed's base model to its scores."""
        folder = name if task is None else f"{name}-{task.replace('/', '-')}"
        run = Run(*self._settings(flags, seed, folder))
        if is_built_in(run.arguments.model):
            run.arguments.protocol = run.arguments.protocol or "trained"
        run.arguments.model, run.data = str(start.base), start.data
        if task is not None:
            run.data = replace(start.data, examples=[e for e in start.data.examples if e.cell.task == task])
        run.prepare_folder()
        with redirect_stdout(io.StringIO()):  # the mixture was told once
            run.prepare_model()
        run.finetune()
        run.evaluate("finetuned")
        return run

    def _scored(self, run: Run, name: str, seed: int) -> None:
        """Take up a finished run's results and its step times."""
        found = EvaluationResults.load(run.folder.eval / "finetuned", prompts=False)
        self.results.setdefault((name, seed), []).append(found)
        if name == SINGLE:
            return  # its steps are of no size that could be told from a rate of rows
        history = json.loads(run.folder.training.read_text(encoding="utf-8"))["history"]
        self.seconds.setdefault(name, []).extend(step_seconds(history, rows_per_step(run.training)))


def single_flags(start: Run, task: str) -> tuple[str, ...]:
    """The flags of a run that takes from every step of the mixture its task's rows, with no more slots than these need.

    Example: of 32 rows a step, of which 1 to 3 are of the task, it has a batch of 3.

    Args:
        start: Of the same settings, with its mixture.
        task: Its name.

    Raises:
        ConfigError: No step has a row of the task.
    """
    training, rows = start.training, rows_per_step(start.training)
    most = int(np.diff(TaskSubset(start.mixture, [task], rows).step_starts(training.max_steps)).max())
    processes = int(training.world_size)
    parts = accumulation_for(most, processes=processes, micro_batch=training.per_device_train_batch_size)
    batch = accumulation_for(most, processes=processes * parts, micro_batch=1)
    flags = {
        "only_tasks": task,
        "mixture_rows_per_step": rows,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": parts,
    }
    return tuple(word for name, value in flags.items() for word in (f"--{name}", str(value)))


def step_seconds(history: Sequence[Mapping[str, float]], rows: int) -> list[float]:
    """Seconds per step in each log line but the first, in which things warm up."""
    rates = [entry["examples_per_second"] for entry in history if entry.get("examples_per_second")]
    return [rows / rate for rate in (rates[1:] or rates)]
