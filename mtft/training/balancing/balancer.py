"""Brings a method of loss balancing into training: weighs each step's rows, measures, updates, remembers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtft.encoding import Encoder
from mtft.errors import ConfigError
from mtft.modeling import TargetLoss, weighted_target_loss
from mtft.training.balancing.choose import method_of
from mtft.training.balancing.doremi import DoReMi
from mtft.training.balancing.method import Measured
from mtft.training.balancing.paired import random_states, with_states
from mtft.training.balancing.record import WeightRecord
from mtft.training.balancing.step_sums import StepSums, SumUp
from mtft.training.balancing.validation_losses import ValidationLosses
from mtft.training.groups import groups_of
from mtft.training.normalization import Batch, group_amounts, group_shares
from mtft.training.step_data import ExampleSource

if TYPE_CHECKING:
    from mtft.training.arguments import MultitaskArguments

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "balance_weights.json"


@dataclass
class _MicroBatch:
    """A forward that may be made again; tensors on the device."""

    model: nn.Module
    inputs: dict[str, Tensor]
    numbers: Tensor
    shares: Tensor
    states: list[Tensor]


class Balancer(TrainerCallback):  # type: ignore[misc]
    """Multiplies every group's loss by a weight that is known before the step's first forward.

    The weights enter `row_weights` and nothing else, so accumulation, several processes, packing, every ZeRO
    stage and FSDP compute the same. After the optimiser's step the groups' losses over all micro-batches and processes
    (one sum of three numbers per group) update the method, on the CPU and in all processes alike.

    Args:
        args: The settings.
        source: What trains; it knows its groups.
        encoder: Of the run.
        validation: Examples for CoBa.
        own_forward: See `weighted_target_loss`.
        sum_up: Adds numbers up over processes.
        prepare: Brings a batch to the device.

    Attributes:
        scale: Of the latest step: the sum of w_g / C over the groups that it holds, 1 where there is none.

    Raises:
        ConfigError: The source does not know its groups; references or validation examples are missing.
        MissingExtraError: The method needs TorchJD.
    """

    def __init__(
        self,
        args: MultitaskArguments,
        source: ExampleSource,
        encoder: Encoder,
        validation: ExampleSource | None,
        *,
        own_forward: bool,
        sum_up: SumUp,
        prepare: Callable[[dict[str, Any]], Any],
    ) -> None:
        self.args, self.sum_up, self.prepare, self.own_forward = args, sum_up, prepare, own_forward
        self.groups = groups_of(source, args.balance_by)
        self.method = method_of(args, self.groups, args.seed)
        self.validation, self._validation_name = None, ""
        if args.loss_balancing == "coba":
            if validation is None:
                raise ConfigError(
                    "CoBa needs validation examples.",
                    found="a trainer without `validation`",
                    remedy="Give the trainer a `validation`, or start a run, which brings its own.",
                )
            self.validation = ValidationLosses(
                validation, encoder, self.groups, args, own_forward=own_forward
            )
            self._validation_name = validation.fingerprint
        count = len(self.groups.names)
        self.step, self.record, self.sums = 0, WeightRecord(self.groups.names), StepSums(count)
        self.scale = 1.0
        self._weights = self._present = torch.ones(count, dtype=torch.float64)
        self._pending: list[_MicroBatch] = []
        self._model: nn.Module | None = None
        _tell_idleness(args)

    @property
    def identity(self) -> dict[str, str]:
        """What a resumed run must share beside the settings."""
        found = {}
        if isinstance(self.method, DoReMi):
            found["balance_reference"] = ",".join(f"{x:.6g}" for x in self.method.reference.tolist())
        if self._validation_name:
            found["balance_validation"] = self._validation_name
        return found

    @property
    def coming_weights(self) -> dict[str, float]:
        """Those of the step to come, by group."""
        return dict(zip(self.groups.names, self.method.weights(self.step).tolist(), strict=True))

    def weigh(self, batches: Sequence[Batch]) -> Tensor:
        """The step's C; `row_weights` of all micro-batches are scaled in place to match it.

        With l_g group g's loss under the run's normalisation, over the rows of all micro-batches and processes, the
        step minimises sum_g w_g l_g / C over the groups that it holds; C is 1, or their number. See `weigh_rows`
        for what a batch holds; `groups` and `group_shares` are added to it.
        """
        kind, exponent = self.args.loss_normalization, self.args.target_length_exponent
        count = len(self.groups.names)
        numbers = [torch.tensor(self.groups.numbers(b["tasks"], b["languages"])) for b in batches]
        amounts = torch.zeros(count, dtype=torch.float64)
        for batch, found in zip(batches, numbers, strict=True):
            amounts += group_amounts(batch, kind, found, count, exponent)
        denominators = torch.tensor(self.sum_up(amounts.tolist()), dtype=torch.float64)
        self._present, self._weights = denominators > 0, self.method.weights(self.step)
        divisor = max(int(self._present.sum()), 1) if self.args.loss_reduction == "mean" else 1
        self.scale = float(self._weights[self._present].sum()) / divisor or 1.0
        factors = self._weights * self.args.world_size / divisor
        for batch, found in zip(batches, numbers, strict=True):
            shares = group_shares(batch, kind, found, denominators, exponent)
            batch["row_weights"] = (shares * factors[found.clamp(min=0)].view_as(shares)).float()
            batch["groups"], batch["group_shares"] = found.view_as(shares), shares.float()
        return torch.tensor(float(divisor))

    def begin(self, model: nn.Module, batch: dict[str, Any]) -> None:
        """Take what `weigh` added out of a micro-batch that is about to be computed."""
        numbers, shares = batch.pop("groups"), batch.pop("group_shares")
        states = random_states(numbers.device) if self.method.remeasures else []
        self._pending.append(_MicroBatch(model, batch, numbers, shares, states))
        self._model = model

    def add(self, output: TargetLoss) -> None:
        """Measure the micro-batch that `begin` announced."""
        latest = self._pending[-1] if self.method.remeasures else self._pending.pop()
        self._count(latest, output)

    def _count(self, batch: _MicroBatch, output: TargetLoss) -> None:
        losses, counts = output.row_losses, output.row_counts
        assert losses is not None and counts is not None  # noqa: PT018
        self.sums.add(batch.numbers, batch.shares, losses, counts, output.row_objectives)

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Learn from the step that was just taken."""
        totals = self.sums.drain(self.sum_up)
        after = self._after() if self.method.remeasures else None
        self.step += 1
        validation = None
        if (
            self.validation is not None
            and self._model is not None
            and self.step % self.args.balance_every == 0
        ):
            validation = self.validation(self._model, self.prepare, self.sum_up)
        self.record.add(self._weights, self._present, totals.losses)
        self.method.update(Measured(self._present, totals.losses, totals.token_losses, after, validation))
        return control

    @torch.no_grad()
    def _after(self) -> Tensor:
        """The losses of the step's micro-batches after the update, under the same dropout."""
        for batch in self._pending:
            with with_states(batch.states, batch.numbers.device):
                self._count(
                    batch, weighted_target_loss(batch.model, batch.inputs, own_forward=self.own_forward)
                )
        self._pending.clear()
        return self.sums.drain(self.sum_up).losses

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {"step": self.step, "method": self.method.state(), "record": self.record.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.step = int(state["step"])
        self.method.restore(state["method"])
        self.record.restore(state["record"])

    def write(self, folder: Path) -> None:
        """Leave the mean weights of all steps, as shares of 1, in `balance_weights.json`."""
        content = {
            "method": self.args.loss_balancing,
            "by": self.groups.by,
            "steps": self.record.total_steps,
            "weights": self.record.mean_weights(),
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS_FILE).write_text(
            json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8"
        )


def _tell_idleness(args: MultitaskArguments) -> None:
    """Warn of a training that ends before the method's first weights."""
    idle = args.unweighted_steps
    if idle and 0 < args.max_steps <= idle:
        logger.warning(
            "`%s` weighs all groups alike for its first %d steps, and the training has %d: shorten %s.",
            args.loss_balancing,
            idle,
            args.max_steps,
            "--balance_window" if args.loss_balancing == "dwa" else "--balance_warmup or --balance_every",
        )


def balancer_of(trainer: Any, args: MultitaskArguments, validation: ExampleSource | None) -> Balancer | None:
    """The balancer of a `MultitaskTrainer`, None where its settings balance nothing.

    Args:
        trainer: With `mixture`, `encoder` and `own_forward` set.
        args: Its settings.
        validation: See `Balancer`.
    """
    if args.loss_balancing == "none":
        return None
    return Balancer(
        args,
        trainer.mixture,
        trainer.encoder,
        validation,
        own_forward=trainer.own_forward,
        sum_up=trainer._add_up,
        prepare=trainer._prepare_inputs,
    )
