"""Diagnostics while a run trains: at chosen steps what `DiagnosticSettings` names, into `trajectory.parquet`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtft.runs.development import Development
from mtft.runs.scoring import scored_fingerprint
from mtft.runs.trajectory_file import TRAJECTORY_FILE, TrajectoryRow, read_trajectory, write_trajectory
from mtft.runs.validation import random_states_kept
from mtft.training import Diagnoser, MultitaskTrainer
from mtft.training.diagnostic_cost import cost_line

logger = logging.getLogger(__name__)

_LOOKED_AT = 10  # steps whose examples tell how many a step has: packs are not known before they are made


class Diagnostics(TrainerCallback):  # type: ignore[misc]
    """Measures the model at chosen steps of its training, which goes on as if nothing had been measured.

    Rows are kept in `trajectory.parquet` of the run's folder, written anew after every measurement by the main process.
    A resumed run drops the rows of steps after its checkpoint and measures no step twice.

    Args:
        development: What the development metric is made on, where it is asked for.
        family: The model's, as `load_model` says it.
        folder: The run's.
        protocol: Scoring protocol instead of the suite's.
    """

    def __init__(
        self, development: Development | None, family: str, folder: Path, protocol: str | None = None
    ) -> None:
        self.development, self.family, self.protocol = development, family, protocol
        self.made_on = (
            scored_fingerprint(development.suite, development.examples, protocol) if development else None
        )
        self.path = folder / TRAJECTORY_FILE
        self.rows: list[TrajectoryRow] = []

    def attach(self, trainer: MultitaskTrainer) -> None:
        """Watch this trainer.

        Raises:
            ConfigError: The mixture does not tell its tasks, or gradients are asked for where they are partitioned.
        """
        self.trainer = trainer
        self.diagnoser = Diagnoser(trainer)
        trainer.add_callback(self)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up what a killed run had measured; say what measuring costs; measure the step to begin with."""
        known = [self._read()]
        broadcast_object_list(known)
        self.rows = [row for row in known[0] if row.step <= state.global_step]
        self.steps = set(self.trainer.args.diagnostic_steps(state.max_steps))
        self._tell_cost(state)
        self._measure_if_due(state)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure the step that was made."""
        self._measure_if_due(state)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure where the training ended, also where it ended early."""
        self.steps = {*self.steps, state.global_step}
        self._measure_if_due(state)

    def _measure_if_due(self, state: TrainerState) -> None:
        step = state.global_step
        if step not in self.steps or any(row.step == step for row in self.rows):
            return
        self.trainer.meter.pause()
        with random_states_kept():
            self.rows += self._measure(step)
        if PartialState().is_main_process:
            write_trajectory(self.path, self.rows, self.made_on)

    def _tell_cost(self, state: TrainerState) -> None:
        """Say in passes what is to come, before any of it."""
        done = {row.step for row in self.rows}
        coming = sum(step >= state.global_step and step not in done for step in self.steps)
        scored = self.development.choices if self.development else 0
        plan, first = self.trainer.plan, min(_LOOKED_AT, state.max_steps)
        examples = round(plan.examples(first) / first * (state.max_steps - state.global_step))
        if coming and PartialState().is_main_process:
            line = cost_line(self.diagnoser.passes(scored), coming, examples, self.diagnoser.kept_bytes)
            print(line, flush=True)

    def _measure(self, step: int) -> list[TrajectoryRow]:
        settings = self.trainer.args
        found = self.diagnoser.losses() if "train_loss" in settings.diagnostics_quantities else []
        if settings.measures_gradients:
            found += self.diagnoser.gradients(step)
        rows = [TrajectoryRow(step, settings.seed, *each) for each in found]
        return rows + self._dev_metric(step)

    def _dev_metric(self, step: int) -> list[TrajectoryRow]:
        if self.development is None:
            return []
        settings, tokenizer = self.trainer.args, self.trainer.encoder.tokenizer
        model = self.trainer.model_wrapped
        scores = self.development.measure(model, tokenizer, self.family, step, self.protocol)
        return [
            TrajectoryRow(
                step, settings.seed, each.task, each.language, "dev_metric", each.metric, each.value, each.n
            )
            for each in scores
            if not each.language or settings.diagnostics_languages
        ]

    def _read(self) -> list[TrajectoryRow]:
        return read_trajectory(self.path) if self.path.is_file() else []
