"""Zero-shot validation while a run trains: every so many steps a checkpoint, its score, and what follows."""

from __future__ import annotations

import logging
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtft.errors import RunError
from mtft.evaluation import EngineSettings
from mtft.evaluation.selection import Selection, select
from mtft.runs.arguments import RunArguments
from mtft.runs.scoring import score, scored_fingerprint
from mtft.runs.validation_data import ValidationData
from mtft.runs.validation_record import ValidationRecord
from mtft.training import STATE_FILES, MultitaskTrainer

logger = logging.getLogger(__name__)

# what a checkpoint has beyond a model that can be loaded
_STATE_FILES = {*STATE_FILES, "latest"}
_STATE_KINDS = {".pt", ".pth", ".bin", ".py"}


class Validation(TrainerCallback):  # type: ignore[misc]
    """Saves a checkpoint every `validate_every` steps and at the last, scores it, and remembers the best.

    What is scored is what was saved, loaded whole beside the model that trains: the same under DDP, FSDP and
    ZeRO, and again from the folder alone. The training's random states are left as they were. Scores are kept
    in `validation.json`, so a resumed run scores no checkpoint twice, and logged as `eval_score` (see
    `mtft.evaluation.selection`) and `eval_score/<task>`. The best checkpoint stays whatever `save_total_limit`
    takes away.

    Args:
        run: How often, patience, batch size.
        data: What is scored.
        folder: The run's.
        protocol: Scoring protocol instead of the suite's.
    """

    def __init__(
        self, run: RunArguments, data: ValidationData, folder: Path, protocol: str | None = None
    ) -> None:
        self.every, self.data, self.folder, self.protocol = run.validate_every, data, folder, protocol
        self.batch_tokens = run.eval_batch_tokens
        fingerprint = scored_fingerprint(data.suite, data.examples, protocol)
        self.record = ValidationRecord(fingerprint, run.early_stopping_patience)
        self._log: Callable[[dict[str, float]], None] = lambda logs: None

    @property
    def identity(self) -> dict[str, str]:
        """What a resumed run must share."""
        return {"validation": self.record.fingerprint}

    def attach(self, trainer: MultitaskTrainer) -> None:
        """Watch this trainer, and log through it."""
        trainer.add_callback(self)
        self._log = trainer.log

    def ended_at(self, checkpoint: Path | str | None) -> int | None:
        """The step of a checkpoint to resume from, if patience ran out there and nothing is left to train."""
        step = str(checkpoint or "").rpartition("-")[2]
        if not step.isdigit():
            return None
        known = self._read().until(int(step))
        return int(step) if known.is_over and int(step) in known.scores else None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Take up what a killed run knew; its last checkpoint is scored now if it was killed before."""
        self.record = self._read().until(state.global_step)
        for step, each in self.record.scores.items():
            if not any("eval_score" in line and line["step"] == step for line in state.log_history):
                state.log_history.append({**_values(each), "step": step})
        self._mark_best(state)
        if self._is_due(state) and self._checkpoint(state.global_step).is_dir():
            self._validate(state)
        return self._stopped(control)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Ask for the checkpoint."""
        if self._is_due(state):
            control.should_save = True
        return control

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Score the checkpoint that was just written."""
        if self._is_due(state):
            self._validate(state)
        return self._stopped(control)

    def _is_due(self, state: TrainerState) -> bool:
        step = state.global_step
        return (step % self.every == 0 or step >= state.max_steps) and step not in self.record.scores

    def _validate(self, state: TrainerState) -> None:
        begun = time.perf_counter()
        found = self._score(self._checkpoint(state.global_step), state.global_step)
        seconds = round(time.perf_counter() - begun, 3)
        self.record.scores[state.global_step] = {
            **found.as_dict(),
            "unscored": found.n_unscored,
            "seconds": seconds,
        }
        if PartialState().is_main_process:
            self.record.write(self.folder, suite=self.data.suite.name, problems=self.data.problems.as_dict())
        self._mark_best(state)
        self._log(_values(self.record.scores[state.global_step]))

    def _score(self, checkpoint: Path, step: int) -> Selection:
        settings = EngineSettings(self.batch_tokens, self.data.suite.max_input_tokens)
        suite, examples = self.data.suite, self.data.examples
        try:
            with random_states_kept():
                results = score(
                    checkpoint,
                    suite,
                    examples,
                    settings,
                    name=f"step {step}",
                    protocol=self.protocol,
                    step=step,
                )
        except torch.OutOfMemoryError as error:
            raise RunError(
                "Validation needs memory for a second copy of the model, beside the one that trains.",
                found=str(error).splitlines()[0],
                where=checkpoint,
                remedy="Lower --eval_batch_tokens or --per_device_train_batch_size, or give --validate_every 0. "
                "The checkpoint is whole, and the run goes on from it.",
            ) from error
        return select(results.samples, results.cells)

    def _mark_best(self, state: TrainerState) -> None:
        """Tell the library which checkpoint it must not take away."""
        best = self.record.best_step
        if best is not None and self._checkpoint(best).is_dir():
            state.best_global_step, state.best_metric = best, self.record.best_score
            state.best_model_checkpoint = str(self._checkpoint(best))

    def _stopped(self, control: TrainerControl) -> TrainerControl:
        if self.record.is_over:
            logger.info(
                "Training ends: %d validations without a score above %.4f of step %s.",
                self.record.patience,
                self.record.best_score,
                self.record.best_step,
            )
            control.should_training_stop = True
        return control

    def _checkpoint(self, step: int) -> Path:
        return self.folder / f"checkpoint-{step}"

    def _read(self) -> ValidationRecord:
        """The record in the folder, as the main process sees it."""
        found = [ValidationRecord.read(self.folder, self.record.fingerprint, self.record.patience)]
        broadcast_object_list(found)
        return found[0]

    def summary(self) -> dict[str, Any]:
        """What `training.json` says of it: every validation's scores, and the best step."""
        lines = [
            {"step": step, **{name: each[name] for name in ("score", "tasks", "unscored", "seconds")}}
            for step, each in sorted(self.record.scores.items())
        ]
        return {"best_step": self.record.best_step, "validation": lines}

    def export_best(self) -> int:
        """Put the best checkpoint's model where the run's model belongs.

        Returns:
            Its step.

        Raises:
            RunError: No checkpoint has a score.
        """
        best = self.record.best_step
        if best is None:
            raise RunError(
                "The best checkpoint must have a score.",
                found="none that is a number",
                where=self.folder,
                remedy="Look at the training's loss, or give --export_checkpoint last.",
            )
        if PartialState().is_main_process:
            copy_model(self._checkpoint(best), self.folder)
        PartialState().wait_for_everyone()
        return best


def copy_model(checkpoint: Path, target: Path) -> None:
    """Copy what is needed to load the model, each file whole or not at all."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(checkpoint.iterdir()):
        if path.is_file() and path.name not in _STATE_FILES and path.suffix not in _STATE_KINDS:
            scratch = target / f".{path.name}.part"
            shutil.copyfile(path, scratch)
            scratch.replace(target / path.name)


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Leave every random generator as it was: a run trains the same whether it is validated or not."""
    python, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)


def _values(found: dict[str, Any]) -> dict[str, float]:
    """What is logged."""
    by_task = {f"eval_score/{task}": score for task, score in found["tasks"].items()}
    overall = float("nan") if found["score"] is None else found["score"]
    return {
        "eval_score": overall,
        **by_task,
        "eval_unscored": found["unscored"],
        "eval_seconds": found["seconds"],
    }
