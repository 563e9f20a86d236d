"""Probing models: from flags to a table of what simple classifiers find in their representations."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from mtft.errors import ConfigError
from mtft.evaluation import EvalExample, ProtocolEncoder, Suite, SuiteTask, TrainedOn, find_protocol
from mtft.evaluation.backbones import is_encoder_decoder
from mtft.evaluation.probe_rows import Division, divided, probe_rows
from mtft.evaluation.probing import Answers, ProbeSettings, compared, probe, probe_table
from mtft.evaluation.representations import Representations, check_pooling
from mtft.reporting.csv_files import csv_text
from mtft.runs.data import Library
from mtft.runs.folder import SETTINGS, RunFolder, write_atomically
from mtft.runs.placement import AT_HAND
from mtft.tasks import Problems


@dataclass(frozen=True)
class ProbeArguments:
    """What is probed, and how.

    Attributes:
        models: Folders or Hub ids; the first is the one that others are compared with.
        output_dir: Where `probe.json`, `probe.csv` and `probe_comparison.csv` are written.
        names: What to call the models; none: the last parts of their paths.
        suite: Name or path of a suite; None for `tasks` alone.
        tasks: Cards' names; with a suite, only these of its tasks.
        languages: Only these.
        fit_languages: What probes are fitted to.
        fit_side: Another side than the suite's to fit to; None for a share of the suite's item groups.
        fit_share: That share.
        pooling: See `Representations`.
        penalty: See `ProbeSettings`, as the next.
        neighbours: See there.
        max_items_per_cell: Instead of the suite's.
        batch_tokens: Tokens per batch.
        protocol: How texts become ids; None for the suite's, else as trained for own runs, else the family's.
        prompts: Folders of own cards and templates.
        data_root: Folder of the local datasets.
        strict: Stop at the first malformed row.
    """

    models: tuple[str, ...]
    output_dir: Path
    names: tuple[str, ...] = ()
    suite: str | None = None
    tasks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    fit_languages: tuple[str, ...] = ("en",)
    fit_side: str | None = None
    fit_share: float = 0.5
    pooling: str | None = None
    penalty: float = 1.0
    neighbours: int = 10
    max_items_per_cell: int | None = None
    batch_tokens: int = 8192
    protocol: str | None = None
    prompts: tuple[str, ...] = ()
    data_root: str | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if not self.suite and not self.tasks:
            raise ConfigError("There must be something to probe on.", remedy="Give --suite or --tasks.")
        if not 0 < self.fit_share < 1:
            raise ConfigError("`fit_share` must lie between 0 and 1.", found=self.fit_share)
        if self.batch_tokens < 1:
            raise ConfigError("`batch_tokens` must be at least 1.", found=self.batch_tokens)
        check_pooling(self.pooling)
        if len(set(self.called)) < len(self.models) or len(self.called) != len(self.models):
            raise ConfigError(
                "Every model must have a name of its own.",
                found=", ".join(self.called),
                remedy="Give --names, one for each model.",
            )

    @property
    def called(self) -> tuple[str, ...]:
        """The models' names in the table."""
        return self.names or tuple(Path(model).name for model in self.models)


def probe_models(arguments: ProbeArguments) -> dict[str, Any]:
    """What `probe.json` holds: `cells`, `comparison`, `left_out` and the settings.

    All models read the same rows, one model at a time.

    Raises:
        MtftError: The suite, the data or a model cannot be used; all but the models is found before any is loaded.
    """
    settings = ProbeSettings(arguments.penalty, arguments.neighbours)
    suite = _suite(arguments)
    problems = Problems(strict=arguments.strict)
    divisions, left_out = _divisions(arguments, suite, problems)
    answers = {
        name: _answers(model, arguments, suite, divisions, settings)
        for name, model in zip(arguments.called, arguments.models, strict=True)
    }
    made = {
        "models": dict(zip(arguments.called, arguments.models, strict=True)),
        "suite": suite.name,
        "settings": {
            **{
                name: getattr(arguments, name)
                for name in ("fit_languages", "fit_side", "fit_share", "pooling")
            },
            **{name: getattr(arguments, name) for name in ("penalty", "neighbours", "protocol")},
        },
        "cells": probe_table(answers, divisions),
        "comparison": compared(answers, divisions, arguments.called[0]),
        "left_out": [
            {"task": task, "reason": reason, "n": count} for (task, reason), count in sorted(left_out.items())
        ],
        "problems": problems.as_dict(),
    }
    _write(arguments.output_dir, made)
    return made


def _suite(arguments: ProbeArguments) -> Suite:
    """The suite that is named, or one of the tasks alone."""
    if arguments.suite:
        suite = Suite.load(arguments.suite).restricted_to(arguments.tasks, arguments.languages)
    else:
        listed = tuple(SuiteTask(task) for task in arguments.tasks)
        suite = Suite("probe", tasks=listed).restricted_to((), arguments.languages)
    suite = suite.with_items(arguments.max_items_per_cell).with_shots(0)
    if arguments.fit_side is not None and arguments.fit_side not in {"test", "validation"} - {suite.side}:
        raise ConfigError(
            "`fit_side` must be the side that the suite does not test on.",
            found=f"`{arguments.fit_side}` for a suite of side {suite.side}",
        )
    return suite


def _divisions(
    arguments: ProbeArguments, suite: Suite, problems: Problems
) -> tuple[list[Division], Counter[tuple[str, str]]]:
    """What probes are fitted to and tested on, and what is neither."""
    library = Library.open(list(arguments.prompts), arguments.data_root, strict=arguments.strict)
    manifest = RunFolder(Path(arguments.models[0])).manifest
    trained = TrainedOn.of_manifest(manifest, library.cards) if manifest.is_file() else None

    def examples(asked: Suite) -> list[EvalExample]:
        shelf = (library.cards, library.templates, library.sources)
        return asked.examples(*shelf, problems, trained=trained)

    rows, left_out = probe_rows(examples(suite))
    fit = None
    if arguments.fit_side is not None:
        fit, _ = probe_rows(examples(changed(suite, side=arguments.fit_side)))
    made, unfitted = divided(rows, arguments.fit_languages, arguments.fit_share, fit)
    return made, left_out + unfitted


def _answers(
    model: str,
    arguments: ProbeArguments,
    suite: Suite,
    divisions: Sequence[Division],
    settings: ProbeSettings,
) -> Answers:
    loaded = AT_HAND.load(model)
    own = "trained" if (RunFolder(Path(model)).path / SETTINGS).is_file() else None
    protocol = find_protocol(arguments.protocol or suite.protocol or own, loaded.family)
    encoder = ProtocolEncoder(protocol, loaded.tokenizer, encoder_decoder=is_encoder_decoder(loaded.model))
    representations = Representations(
        loaded.model,
        encoder,
        pooling=arguments.pooling,
        batch_tokens=arguments.batch_tokens,
        max_input_tokens=suite.max_input_tokens,
    )
    found = probe(representations, divisions, settings)
    del loaded, representations
    gc.collect()
    return found


def _write(folder: Path, made: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "probe.json", json.dumps(made, ensure_ascii=False, indent=1, default=str))
    for name, kind in (("probe", "cells"), ("probe_comparison", "comparison")):
        if made[kind]:
            write_atomically(folder / f"{name}.csv", csv_text(made[kind]))
