"""A whole run, stage by stage; a stage that is done already is not done again."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

from transformers import set_seed

from mtft.encoding import TokenLimits, encoder_for
from mtft.errors import RunError
from mtft.evaluation import EngineSettings, EvaluationResults, control_rows
from mtft.mixing import Mixture
from mtft.modeling import has_own_forward, load_model
from mtft.reporting import validation_curve, write_report
from mtft.runs.arguments import RunArguments
from mtft.runs.balance_data import BalanceExamples, balance_examples, check_balance_source
from mtft.runs.controls import ShuffledTargets, bag_of_tokens
from mtft.runs.data import RunData, prepare_data
from mtft.runs.diagnostics import Diagnostics
from mtft.runs.folder import RunFolder, on_main_first, resolved_settings, write_atomically
from mtft.runs.model_card import write_card
from mtft.runs.models import is_built_in, load_whole, prepare_base
from mtft.runs.overlap import find_index, place_index
from mtft.runs.provenance import reproduction, vocabulary_overlap
from mtft.runs.same_data import check_same_data, write_mixture
from mtft.runs.scoring import score
from mtft.runs.subset import TaskSubset
from mtft.runs.validation import Validation
from mtft.training import (
    ExampleSource,
    MultitaskArguments,
    MultitaskTrainer,
    expected_examples,
    find_checkpoint,
)

logger = logging.getLogger(__name__)


class Run:
    """Rows → mixture → base model → evaluation → finetuning → evaluation → report, in one output folder.

    Killed and started again with the same settings, it goes on where it was.

    Args:
        arguments: Data, model and evaluation.
        training: The trainer's settings; `output_dir` is the run's folder.

    Raises:
        ConfigError: See `check_balance_source`.
    """

    def __init__(self, arguments: RunArguments, training: MultitaskArguments) -> None:
        check_balance_source(arguments, training)
        self.arguments = arguments
        self.training = training
        self.folder = RunFolder(Path(training.output_dir or "runs/run"))
        self.started = time.monotonic()

    def prepare_data(self) -> None:
        """Everything that the user gave, checked; the mixture rendered; the folder opened."""
        self.arguments.check_source()
        self.data: RunData = prepare_data(self.arguments, self.training)
        self.prepare_folder()

    def prepare_folder(self) -> None:
        """The output folder, made or found fit to go on in.

        Raises:
            ConfigError: The settings contradict each other.
            RunError: Another run stands there.
        """
        self.arguments.check_source()
        settings = resolved_settings(self.training, self.arguments)
        self.folder.open(settings, overwrite=self.arguments.overwrite)

    def prepare_model(self) -> None:
        """The model to begin with, and the mixture as its tokenizer sees it.

        Raises:
            ConfigError: The run goes so far that rows come more often than the mixture allows.
            RunError: See `check_same_data`.
        """
        built = self.data.built
        seed = self.training.seed
        self.base = prepare_base(self.arguments, self.folder, built.texts(), self.data.documents(seed), seed)
        loaded = load_whole(self.base, self.arguments.revision)
        own = built.spec.limits
        limits = TokenLimits(
            self.arguments.max_input_tokens or own.max_input_tokens,
            self.arguments.max_target_tokens or own.max_target_tokens,
        )
        self.encoder = encoder_for(loaded.model.config, loaded.tokenizer, limits)
        with on_main_first():
            index = built.index(self.encoder.measure, limits)
        self.mixture = Mixture(built, index, seed=self.training.data_seed)
        only, rows = self.arguments.only_tasks, self.arguments.mixture_rows_per_step
        self.trained: Mixture | TaskSubset = TaskSubset(self.mixture, only, rows) if only else self.mixture
        positions = self.positions = expected_examples(
            self.training, self.trained, self.encoder, own_forward=has_own_forward(loaded.model)
        )
        check_same_data(self.folder, self.trained, self.data, self._protocol())
        self.trained.check_repetition(positions)
        with on_main_first() as main:
            if main:
                write_mixture(self.folder, self.trained.manifest(positions), self.trained)
                place_index(self.trained.overlap(), self.folder)
                print(self.trained.describe(positions), flush=True)

    def evaluate(self, name: str) -> None:
        """Score `base` or `finetuned`; kept in the run's folder until the report."""
        if self.data.suite is None or (name == "base" and not self.arguments.evaluate_base):
            return
        place = self._results(name)
        if (place / "results.json").is_file():
            return
        settings = EngineSettings(
            batch_tokens=self.arguments.eval_batch_tokens,
            max_input_tokens=self.data.suite.max_input_tokens,
            self_check=self.arguments.self_check,
            cache_folder=place / "outputs",
        )
        is_base = name == "base"
        results = score(
            self.base if is_base else self.folder.path,
            self.data.suite,
            self.data.examples,
            settings,
            name=name,
            protocol=self._protocol(),
            revision=self.arguments.revision if is_base else None,
            step=0 if is_base else self._summary()["step"],
            overlap=find_index(self.folder.path),
        )
        with on_main_first() as main:
            if main:
                results.save(place)

    def finetune(self) -> None:
        """Train on the mixture, from the latest complete checkpoint where there is one."""
        if self.folder.training.is_file():
            return
        set_seed(self.training.seed)
        loaded = load_model(self.base, self.arguments.revision, quantization=self.training.quantization)
        wanted = self.training.resume_from_checkpoint or find_checkpoint(self.folder.path)
        validation = self._validation()
        if validation and (ended := validation.ended_at(wanted)):
            self.training.max_steps = ended
        identity = validation.identity if validation else None
        trainer = MultitaskTrainer(
            loaded.model,
            self.training,
            self._source(),
            self.encoder,
            identity=identity,
            validation=self._balance_data(),
        )
        if validation:
            validation.attach(trainer)
        if self.training.diagnostics:
            place = self.folder.path
            Diagnostics(self.data.development, loaded.family, place, self._protocol()).attach(trainer)
        result = trainer.train(
            resume_from_checkpoint=self.training.resume_from_checkpoint or wanted is not None
        )
        exported = trainer.state.global_step
        if validation and self.arguments.export_checkpoint == "best":
            exported = validation.export_best()
        else:
            trainer.save_model(str(self.folder.path))
        summary = {
            "base_commit": getattr(loaded.model.config, "_commit_hash", None),
            "step": exported,
            "examples": trainer.plan.examples(exported),
            "dropped": trainer.dropped,
            **result.metrics,
            **(validation.summary() if validation else {}),
        }
        history = [entry for entry in trainer.state.log_history if "loss" in entry]
        with on_main_first() as main:
            if main:
                write_atomically(self.folder.training, json.dumps({**summary, "history": history}, indent=1))

    def _balance_data(self) -> BalanceExamples | None:
        """What loss balancing by validation losses measures, where it is asked for."""
        if self.training.loss_balancing != "coba":
            return None
        return balance_examples(
            self.mixture,
            self.data.built.cells,
            self.data.built.sources,
            self.positions,
            per_cell=self.training.balance_examples,
            seed=self.data.built.spec.seed,
            subset=self.trained if isinstance(self.trained, TaskSubset) else None,
        )

    def _source(self) -> ExampleSource:
        """What trains: the mixture, or a control that is made from it."""
        if self.arguments.shuffled_labels:
            return ShuffledTargets(self.mixture, self.training.seed, self.encoder.measure)
        return self.trained

    def _validation(self) -> Validation | None:
        """The validation that the run asks for, if any."""
        data = self.data.validation
        if data is None or not self.arguments.validate_every:
            return None
        return Validation(self.arguments, data, self.folder.path, self._protocol())

    def _protocol(self) -> str | None:
        """The scoring protocol instead of a suite's: as trained for a built-in size."""
        return self.arguments.protocol or ("trained" if is_built_in(self.arguments.model) else None)

    def report(self) -> None:
        """Results of both models in one, with everything needed to judge and to repeat them; and the model card."""
        with on_main_first() as main:
            if not main:
                return
            if self.data.suite is not None:
                self._write_report()
            write_card(self.folder.path)

    def _write_report(self) -> None:
        names = [name for name in ("base", "finetuned") if (self._results(name) / "results.json").is_file()]
        results = EvaluationResults.load(self._results(names[0]))
        for name in names[1:]:
            results = results.merge(EvaluationResults.load(self._results(name)))
        summary = self._summary()
        extras: dict[str, Any] = {
            "mixture": self.trained.manifest(summary.get("examples", self.positions)),
            "training": summary,
            "problems": self.data.problems.as_dict(),
            "vocabulary_overlap": vocabulary_overlap(self.data.built),
        }
        if curve := validation_curve(self.folder.path):
            extras["curve"] = curve
        if self.arguments.bag_of_tokens:
            bag = bag_of_tokens(self.mixture, self.data.examples, self.encoder.tokenizer)
            extras["controls"] = control_rows(results.as_dict(), {"bag_of_tokens": bag.as_dict()})
        extras["reproduce"] = reproduction(
            settings=resolved_settings(self.arguments), seconds=round(time.monotonic() - self.started)
        )
        content = results.with_extras(**extras).save(self.folder.eval)
        html, _ = write_report(content, self.folder.eval, self.folder.eval / "samples.parquet")
        logger.info("Report: %s", html)

    def _results(self, name: str) -> Path:
        return self.folder.eval / name

    def _summary(self) -> dict[str, Any]:
        if not self.folder.training.is_file():
            raise RunError("The model must be finetuned before it is scored.", where=self.folder.path)
        summary: dict[str, Any] = json.loads(self.folder.training.read_text(encoding="utf-8"))
        return summary
