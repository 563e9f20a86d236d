"""What of a training model is measured without a suite: losses and gradients on fixed training examples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from accelerate.utils import gather_object
from torch import Tensor

from mtft.encoding import Batch, Collator
from mtft.training.diagnosed_parameters import (
    chosen_parameters,
    refuse_coarse_weights,
    refuse_partitioned_gradients,
)
from mtft.training.diagnostic_cost import Passes, passes_of
from mtft.training.diagnostic_losses import LossTotals, evaluation_mode, measure_losses
from mtft.training.diagnostic_subset import TaskExamples, choose_examples
from mtft.training.fisher import fisher_trace
from mtft.training.groups import groups_of
from mtft.training.sharpness import adaptive_sharpness
from mtft.training.task_gradients import GradientProbe, TaskGradients, task_gradients
from mtft.training.update_shares import update_shares

if TYPE_CHECKING:
    from mtft.training.trainer import MultitaskTrainer


class Finding(NamedTuple):
    """One measured number; see `mtft.runs.trajectory_file.TrajectoryRow`."""

    task: str
    language: str
    quantity: str
    other: str
    value: float
    n: int


class Diagnoser:
    """Measures a trainer's model on the same training examples whenever it is asked.

    Neither weights nor gradients nor any module's mode are changed by it.

    Args:
        trainer: Before or while it trains.

    Attributes:
        tasks: The examples of each task.

    Raises:
        ConfigError: The source does not tell its tasks, gradients are asked for where no process has them whole, or no
            weight that trains is chosen.
    """

    def __init__(self, trainer: MultitaskTrainer) -> None:
        self.trainer, self.args = trainer, trainer.args
        self.wanted = set(self.args.diagnostics_quantities)
        plugin = getattr(trainer.accelerator.state, "deepspeed_plugin", None)
        config = None if plugin is None else plugin.deepspeed_config
        refuse_partitioned_gradients(self.args, config, fsdp=trainer.is_fsdp_enabled)
        if self.args.measures_gradients:
            chosen = chosen_parameters(trainer.model, self.args.diagnostics_parameters)
            refuse_coarse_weights(self.args, chosen, config)
            self.probe = GradientProbe(trainer.model, chosen, trainer.own_forward, self.args.device)
        self.collator = Collator(trainer.encoder)
        self.tasks = choose_examples(
            trainer.mixture,
            trainer.encoder,
            groups_of(trainer.mixture, "task"),
            self.args.diagnostics_examples,
            normalization=self.args.loss_normalization,
            exponent=self.args.target_length_exponent,
        )

    @property
    def batch_size(self) -> int:
        """Examples of one forward pass."""
        size: int = self.args.diagnostics_examples // self.args.diagnostics_batches
        return max(1, size)

    def losses(self) -> list[Finding]:
        """`train_loss` of each task, and of its languages where asked; equal in every process."""
        wrapped = self.trainer.model_wrapped
        with self._at_rest(wrapped):
            totals = measure_losses(
                wrapped,
                self.tasks,
                self.collator,
                own_forward=self.trainer.own_forward,
                batch_size=self.batch_size,
                device=self.args.device,
                rank=self.args.process_index,
                processes=self.args.world_size,
            )
        return list(_loss_findings(totals, languages=self.args.diagnostics_languages))

    def passes(self, scored: int) -> Passes:
        """The passes of one measurement; `scored` sequences are the development metric's."""
        batches = self.args.diagnostics_batches
        return passes_of(
            self.wanted,
            examples=sum(len(task.rows) for task in self.tasks),
            in_batches=sum(len(part) for task in self.tasks for part in task.numbers_of_batches(batches)),
            sharpness_steps=self.args.diagnostics_sharpness_steps,
            scored=scored,
        )

    @property
    def kept_bytes(self) -> int:
        """Memory of the gradients that one measurement keeps at once, in bytes."""
        if not self.args.measures_gradients:
            return 0
        return 2 * len(self.tasks) * self.probe.size * 4

    def gradients(self, step: int) -> list[Finding]:
        """What gradients tell of each task; equal in every process.

        Conflict and noise deal batches to the processes, Fisher trace and sharpness whole tasks.

        Args:
            step: Of training; with the run's seed it decides the labels that are drawn.
        """
        found: list[Finding] = []
        with self._at_rest(self.trainer.model):
            if self.wanted & {"conflict", "gradient_norm", "coherence"}:
                found += self._of_products()
            if self.wanted & {"fisher_trace", "sharpness"}:
                mine = self.tasks[self.args.process_index :: self.args.world_size]
                found += gather_object([each for task in mine for each in self._of_task(task, step)])
        return found

    def _of_products(self) -> list[Finding]:
        measured = task_gradients(
            self.probe,
            self.tasks,
            self.collator,
            self.args.diagnostics_batches,
            rank=self.args.process_index,
            processes=self.args.world_size,
            sum_over_processes=self._add_up,
        )
        names = [task.name for task in self.tasks]
        found = [each for each in _gradient_findings(names, measured) if _asked(each.quantity) in self.wanted]
        balancer = self.trainer.loss_balancer
        if balancer is not None and balancer.groups.by == "task":
            found += _share_findings(names, measured, balancer.coming_weights)
        return found

    def _of_task(self, task: TaskExamples, step: int) -> list[Finding]:
        """Fisher trace and sharpness of one task that has examples."""
        batches = [
            task.batch(numbers, self.collator)
            for numbers in task.numbers_of_batches(self.args.diagnostics_batches)
        ]
        count = sum(len(batch["row_weights"]) for batch in batches)
        found = []
        if batches and "fisher_trace" in self.wanted:
            trace = fisher_trace(self.probe, batches, _seed(self.args.seed, step, task.name))
            found.append(Finding(task.name, "", "fisher_trace", "", trace, count))
        if batches and "sharpness" in self.wanted:
            rise = adaptive_sharpness(
                list(self.probe.parameters.values()),
                partial(self._loss_and_gradient, batches),
                self.args.diagnostics_sharpness_radius,
                self.args.diagnostics_sharpness_steps,
            )
            found.append(Finding(task.name, "", "sharpness", "", rise, count))
        return found

    def _loss_and_gradient(self, batches: Sequence[Batch]) -> tuple[float, list[Tensor]]:
        """The mean over equal batches."""
        total, sums = 0.0, None
        for batch in batches:
            loss = self.probe.loss(batch)
            parts = self.probe.parts(loss)
            sums = parts if sums is None else [a.add_(b) for a, b in zip(sums, parts, strict=True)]
            total += float(loss.detach())
        return total / len(batches), list(sums or [])

    def _add_up(self, values: Tensor) -> Tensor:
        if self.args.world_size == 1:
            return values
        summed: Tensor = self.trainer.accelerator.reduce(values, reduction="sum")
        return summed

    @contextmanager
    def _at_rest(self, model: Any) -> Iterator[None]:
        """Evaluation mode and the trainer's precision."""
        with evaluation_mode(model), self.trainer.compute_loss_context_manager():
            yield


def _loss_findings(totals: LossTotals, *, languages: bool) -> Iterator[Finding]:
    by_place: dict[tuple[str, str], tuple[float, int, int]] = {}
    for (task, language), (loss, tokens, count) in sorted(totals.items()):
        for place in {(task, ""), (task, language)} if languages else {(task, "")}:
            before = by_place.get(place, (0.0, 0, 0))
            by_place[place] = (before[0] + loss, before[1] + tokens, before[2] + count)
    for (task, language), (loss, tokens, count) in sorted(by_place.items()):
        yield Finding(task, language, "train_loss", "", loss / max(tokens, 1), count)


def _asked(quantity: str) -> str:
    """The setting's name of what is measured."""
    return {"cosine": "conflict", "noise_scale": "coherence"}.get(quantity, quantity)


def _gradient_findings(names: Sequence[str], measured: TaskGradients) -> Iterator[Finding]:
    for k, name in enumerate(names):
        size, batches = measured.sizes[k], int(measured.batches[k])
        if not batches:
            continue
        noise = measured.noise[k]
        if len(names) > 1:  # a task alone is its own mixture
            yield Finding(name, "", "conflict", "", float(measured.conflict[k]), batches)
        yield Finding(name, "", "gradient_norm", "", float(measured.norms[k]), size)
        yield Finding(name, "", "coherence", "", noise.trace, size)
        yield Finding(name, "", "noise_scale", "", noise.scale, size)
        for other, value in zip(names, measured.cosines[k].tolist(), strict=True):
            if other != name:
                yield Finding(name, "", "cosine", other, value, batches)


def _share_findings(
    names: Sequence[str], measured: TaskGradients, weights: Mapping[str, float]
) -> Iterator[Finding]:
    """Of the tasks that have examples; their weights are those of the step to come, as their gradients are."""
    there = [k for k in range(len(names)) if measured.batches[k]]
    own = torch.tensor([weights[names[k]] for k in there], dtype=measured.norms.dtype)
    for k, share in zip(there, update_shares(own, measured.norms[there]).tolist(), strict=True):
        yield Finding(names[k], "", "update_share", "", share, measured.sizes[k])


def _seed(seed: int, step: int, task: str) -> int:
    """Of the labels drawn for one task at one step, whichever process draws them."""
    digest = hashlib.blake2b(f"{seed}\t{step}\t{task}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")
