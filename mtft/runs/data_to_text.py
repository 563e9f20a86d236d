"""Data-to-text: one input for every structure or each structure's own, from one source or several."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtft.errors import ConfigError, RunError, nearest
from mtft.evaluation import EvaluationResults, Sample
from mtft.mixing import Sampling
from mtft.reporting import write_report
from mtft.runs.folder import on_main_first, resolved_settings
from mtft.runs.provenance import reproduction
from mtft.runs.run import Run
from mtft.runs.settings import StrictParser, option, read_settings

logger = logging.getLogger(__name__)
STYLES = {"unified": ["unified_*"], "varied": ["varied_*"]}
BOTH, MULTI, FULL = "both", "multi", "full"
SOURCES = (MULTI, "webnlg", "viggo", "scigen")


@dataclass
class DataToTextArguments:
    """The grid of a data-to-text study; flags that are not these go to the run."""

    input_style: str = field(
        default="unified",
        metadata={
            "help": "unified: one format for every structure; varied: each its own; both, side by side."
        },
    )
    sources: str = field(
        default=MULTI,
        metadata={
            "help": f"Train on several sources, or on one and report the others: {', '.join(SOURCES)}."
        },
    )

    shots_train: str = field(
        default=FULL,
        metadata={
            "help": "full, or so many items of each source, 32 or 5%, spread evenly over its categories."
        },
    )

    def check(self) -> None:
        """Checks the words.

        Raises:
            ConfigError: One is unknown.
            MixtureError: The number of shots is none.
        """
        if self.shots_train != FULL:
            Sampling.parse(self.shots_train)
        for name, options in (("input_style", (*STYLES, BOTH)), ("sources", SOURCES)):
            value = getattr(self, name)
            if value not in options:
                rule = f"`--{name}` must be one of {', '.join(options)}."
                raise ConfigError(rule, found=f"`{value}`", remedy=nearest(value, options))


def read_data_to_text(argv: Sequence[str] | None = None) -> tuple[DataToTextArguments, list[str]]:
    """The grid's options, and the flags that go to the run, its mixture among them.

    Raises:
        ConfigError: A value is unknown or of the wrong type.
    """
    own, rest = StrictParser(DataToTextArguments).read_known(sys.argv[1:] if argv is None else argv)
    own.check()
    if own.sources != MULTI:
        mixture, rest = option(rest, "mixture")
        rest += ["--mixture", f"{mixture or 'd2t'}_{own.sources}"]
    if own.shots_train != FULL:
        rest += ["--sample", own.shots_train, "--stratify", "category"]
    return own, rest


def data_to_text(arguments: DataToTextArguments, recipe: str, flags: Sequence[str]) -> Path:
    """One run in one input style, or one in each style from the same base model, put side by side.

    Both styles train as many steps of as many rows, on the same rows in the same order where neither style's
    input is too long, and are scored on the same items.

    Args:
        arguments: Which styles and sources.
        recipe: Name of the settings in `recipes/runs`.
        flags: Further flags of the run.

    Returns:
        The folder of results and report.
    """
    if arguments.input_style != BOTH:
        return _whole(_run(recipe, flags, STYLES[arguments.input_style])).folder.eval
    shared = _run(recipe, flags, [name for names in STYLES.values() for name in names])
    place = shared.folder.path
    base = _base(recipe, flags, place / "shared", shared)
    runs = {name: _whole(_run(recipe, flags, names, place / name, base)) for name, names in STYLES.items()}
    with on_main_first() as main:
        if main:
            _side_by_side(place / "eval", runs, recipe)
    return place / "eval"


def _run(
    recipe: str, flags: Sequence[str], templates: list[str], place: Path | None = None, base: Path | str = ""
) -> Run:
    where = ["--output_dir", str(place)] if place else []
    arguments, training = read_settings(recipe, [*flags, *where])
    own: dict[str, Any] = {"model": str(base), "add_tags": [], "pretrain_steps": 0} if base else {}
    return Run(replace(arguments, templates=templates, **own), training)


def _base(recipe: str, flags: Sequence[str], place: Path, shared: Run) -> Path | str:
    """The model that both styles begin with: a built-in size has seen the words of both in its tokenizer."""
    run = _run(recipe, flags, shared.arguments.templates, place)
    run.prepare_data()
    run.prepare_model()
    return run.base


def _whole(run: Run) -> Run:
    run.prepare_data()
    run.prepare_model()
    run.evaluate("base")
    run.finetune()
    run.evaluate("finetuned")
    run.report()
    return run


def _side_by_side(place: Path, runs: dict[str, Run], recipe: str) -> None:
    """Both styles' results as two models of one report, beside the base model under the first one's prompts."""
    if any(run.data.suite is None for run in runs.values()):
        return
    first = next(iter(runs))
    parts = {name: _of_style(run, "finetuned", name, name) for name, run in runs.items()}
    if (runs[first].folder.eval / "base" / "results.json").is_file():
        parts = {"base": _of_style(runs[first], "base", first, "base"), **parts}
    _check_items(parts)
    results = together(list(parts.values()))
    run = runs[first]
    content = replace(
        results, title=f"{run.data.built.spec.name}, {recipe}: {' and '.join(runs)} input"
    ).with_extras(
        mixture=json.loads(run.folder.manifest.read_text(encoding="utf-8")),
        training={name: _summary(run) for name, run in runs.items()},
        reproduce=reproduction(settings=resolved_settings(run.arguments)),
    )
    html, _ = write_report(content.save(place), place, place / "samples.parquet")
    logger.info("Report: %s", html)


def _of_style(run: Run, stage: str, style: str, name: str) -> EvaluationResults:
    """One stage's results under a model's name; templates are named by their wording, which styles share."""
    found = EvaluationResults.load(run.folder.eval / stage)
    samples = tuple(_worded(sample, style, name) for sample in found.samples)
    return replace(found, samples=samples, models=(replace(found.models[0], name=name),))


def _worded(sample: Sample, style: str, model: str) -> Sample:
    wording = sample.template.removeprefix(f"{style}_")
    return replace(sample, model=model, template=wording, template_id=f"{sample.task}/{wording}")


def together(parts: Sequence[EvaluationResults]) -> EvaluationResults:
    """Results of the same items under different prompts as one."""
    fingerprint = " ".join(dict.fromkeys(str(part.suite.get("fingerprint")) for part in parts))
    return replace(
        parts[0],
        samples=tuple(sample for part in parts for sample in part.samples),
        models=tuple(model for part in parts for model in part.models),
        cells=tuple(dict.fromkeys(cell for part in parts for cell in part.cells)),
        suite={**parts[0].suite, "fingerprint": fingerprint},
    )


def _check_items(parts: dict[str, EvaluationResults]) -> None:
    items = {
        name: {(s.task, s.config, s.template, s.id) for s in part.samples} for name, part in parts.items()
    }
    first, *others = items.values()
    for name, other in zip(list(items)[1:], others, strict=True):
        if other != first:
            found = f"{len(first ^ other):,} that only one of {next(iter(items))} and {name} has"
            raise RunError("Styles must be scored on the same items under the same wordings.", found=found)


def _summary(run: Run) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(run.folder.training.read_text(encoding="utf-8"))
    return {name: value for name, value in summary.items() if name != "history"}
