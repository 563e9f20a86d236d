"""Does it generalise, or is it luck, format or shared words? One recipe under several seeds, beside its controls."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtft.evaluation import EvaluationResults, control_rows
from mtft.reporting import write_report
from mtft.runs.balance_data import check_balance_source
from mtft.runs.controls import bag_of_tokens
from mtft.runs.folder import on_main_first, write_atomically
from mtft.runs.provenance import reproduction, vocabulary_overlap
from mtft.runs.run import Run
from mtft.runs.settings import StrictParser, read_settings

logger = logging.getLogger(__name__)
NEEDED_SHARE = 0.5


@dataclass
class StudyArguments:
    """A study of one recipe; flags that are not these go to the recipe."""

    recipe: str = field(default="xp3_mt5", metadata={"help": "Name of a recipe, as in recipes/runs."})
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3], metadata={"help": "Seeds of the runs."})
    study_dir: str | None = field(default=None, metadata={"help": "Default: runs/study-<recipe>."})


def read_study(argv: Sequence[str] | None = None) -> tuple[StudyArguments, list[str]]:
    """The study's own arguments, and the flags that go to the recipe.

    Raises:
        ConfigError: A value is of the wrong type.
    """
    own, rest = StrictParser(StudyArguments).read_known(sys.argv[1:] if argv is None else argv)
    return own, rest


def study(arguments: StudyArguments, flags: Sequence[str]) -> dict[str, Any]:
    """Every seed's run and its control on shuffled labels, put together into one report.

    A seed's templates stand beside the other seeds' as templates of their own, so that a cell's score is the
    median over templates and seeds, and its interval, clustered by item, knows that seeds share items. Runs that
    are complete already are not done again.

    Args:
        arguments: Which recipe and seeds.
        flags: Further flags of the recipe.

    Returns:
        The verdict that `study.json` holds.

    Raises:
        ConfigError: See `check_balance_source`.
    """
    check_balance_source(*read_settings(arguments.recipe, [*flags, "--shuffled_labels", "true"]))
    place = Path(arguments.study_dir or f"runs/study-{arguments.recipe}")
    runs = [_trained(arguments.recipe, flags, place, seed) for seed in arguments.seeds]
    found = {"finetuned": [], "base": [], "shuffled": []}  # type: dict[str, list[EvaluationResults]]
    for seed, run in zip(arguments.seeds, runs, strict=True):
        control = _control(arguments.recipe, flags, place, seed, run)
        found["base"].append(_of_seed(run.folder.eval / "base", "base", seed))
        found["finetuned"].append(_of_seed(run.folder.eval / "finetuned", "finetuned", seed))
        found["shuffled"].append(_of_seed(control.folder.eval / "finetuned", "shuffled", seed))
    with on_main_first() as main:
        if main:
            _report(place, arguments, runs[0], {name: _together(parts) for name, parts in found.items()})
    verdict: dict[str, Any] = json.loads((place / "study.json").read_text(encoding="utf-8"))
    return verdict


def _trained(recipe: str, flags: Sequence[str], place: Path, seed: int) -> Run:
    run = Run(
        *read_settings(recipe, [*flags, "--seed", str(seed), "--output_dir", str(place / f"seed-{seed}")])
    )
    run.prepare_data()
    run.prepare_model()
    run.evaluate("base")
    run.finetune()
    run.evaluate("finetuned")
    run.report()
    return run


def _control(recipe: str, flags: Sequence[str], place: Path, seed: int, run: Run) -> Run:
    """The same base model, finetuned as long on targets that were shuffled."""
    own = [
        "--seed",
        str(seed),
        "--output_dir",
        str(place / f"seed-{seed}-shuffled"),
        "--shuffled_labels",
        "true",
    ]
    control = Run(
        *read_settings(recipe, [*flags, *own, "--model", str(run.base), "--evaluate_base", "false"])
    )
    control.data = run.data
    control.prepare_folder()
    control.prepare_model()
    control.finetune()
    control.evaluate("finetuned")
    return control


def _of_seed(folder: Path, name: str, seed: int) -> EvaluationResults:
    """One seed's results of a model, its templates told apart from other seeds'."""
    found = EvaluationResults.load(folder)
    samples = (
        replace(s, model=name, template=f"{s.template} (seed {seed})", template_id=f"{s.template_id}/{seed}")
        for s in found.samples
    )
    return replace(found, samples=tuple(samples), models=(replace(found.models[0], name=name),))


def _together(parts: Sequence[EvaluationResults]) -> EvaluationResults:
    """All seeds' results of one model as one."""
    return replace(parts[0], samples=tuple(s for part in parts for s in part.samples))


def _report(place: Path, arguments: StudyArguments, run: Run, found: dict[str, EvaluationResults]) -> None:
    results = found["base"].merge(found["finetuned"])
    bag = bag_of_tokens(run.mixture, run.data.examples, run.encoder.tokenizer)
    controls = {"shuffled": found["shuffled"].as_dict(), "bag_of_tokens": bag.as_dict()}
    rows = control_rows(results.as_dict(), controls)
    title = f"{run.data.built.spec.name}, {arguments.recipe}: seeds {', '.join(map(str, arguments.seeds))}"
    content = (
        replace(results.merge(found["shuffled"]), title=title)
        .with_extras(
            controls=rows,
            mixture=run.mixture.manifest(),
            vocabulary_overlap=vocabulary_overlap(run.data.built),
            reproduce=reproduction(seeds=arguments.seeds),
        )
        .save(place / "eval")
    )
    html, _ = write_report(content, place / "eval", place / "eval" / "samples.parquet")
    write_atomically(place / "study.json", json.dumps(verdict_of(rows, arguments), indent=1))
    logger.info("Report: %s", html)


def verdict_of(rows: Sequence[dict[str, Any]], arguments: StudyArguments) -> dict[str, Any]:
    """How many held-out cells count, of trained clusters and of held-out ones.

    Args:
        rows: As `control_rows` makes them.
        arguments: What was studied.
    """
    trained = [row for row in rows if row["seen"] != "held_out_cluster"]
    clusters = [row for row in rows if row["seen"] == "held_out_cluster"]
    count = sum(row["counts"] for row in trained)
    return {
        "recipe": arguments.recipe,
        "seeds": arguments.seeds,
        "trained_clusters": {"count": count, "of": len(trained)},
        "held_out_clusters": {"count": sum(row["counts"] for row in clusters), "of": len(clusters)},
        "aim_met": bool(trained) and count >= NEEDED_SHARE * len(trained),
        "cells": list(rows),
    }
