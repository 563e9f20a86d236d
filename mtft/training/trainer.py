"""The multitask trainer: the library's Trainer with our rows, our loss and our checkpoints."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object, send_to_device
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, ProgressCallback, TrainerCallback, set_seed
from transformers.trainer_utils import TrainOutput, rotate_checkpoints

from mtft.encoding import Encoder
from mtft.errors import MtftError, RunError
from mtft.modeling import has_own_forward, set_loss_options, weighted_target_loss
from mtft.training.adapters import add_adapter
from mtft.training.anomaly_guard import AnomalyGuard
from mtft.training.arguments import MultitaskArguments
from mtft.training.balanced_trainer import BalancedTrainer, as_items, loss_scale, micro_batches
from mtft.training.balancing.balancer import balancer_of
from mtft.training.checkpoints import (
    BALANCE_FILE,
    GRADIENTS_FILE,
    GUARD_FILE,
    STEPS_FILE,
    DamagedError,
    check_manifest,
    find_checkpoints,
    write_manifest,
)
from mtft.training.dgr import DummyRegularizer
from mtft.training.exhaustion import bytes_of_checkpoint, disk_error, disk_told, memory_told, missing_bytes
from mtft.training.flops import computing_dtype, matrix_rate, model_cost
from mtft.training.gradient_balancer import GradientBalancer
from mtft.training.group_losses import GroupLosses
from mtft.training.grouped_steps import GroupedSteps
from mtft.training.groups import groups_of
from mtft.training.guards import (
    refuse_data_parallel,
    refuse_fsdp,
    refuse_half_precision,
    refuse_lost_processes,
)
from mtft.training.meter import Meter
from mtft.training.normalization import weigh_rows
from mtft.training.precise_weights import keep_row_weights_precise
from mtft.training.progress import ProgressLine
from mtft.training.step_data import ExampleSource, StepDataset, step_loader
from mtft.training.steps import PackSteps, plan_steps

logger = logging.getLogger(__name__)

ARGUMENTS_FILE = "training_arguments.json"


class MultitaskTrainer(BalancedTrainer):
    """Finetunes a causal model or an encoder-decoder on a mixture, with the loss on targets only.

    The examples of every optimiser step follow from the mixture, its lengths and the packing alone; batch size per
    device, accumulation and number of processes only decide who computes them, and change neither loss nor
    gradient beyond rounding, but for DGR's penalty, which is a micro-batch's own.
    Accelerate, DeepSpeed, FSDP, trackers, progress bar and optimiser are the library's.

    Args:
        model: BLOOM and mT5 of `load_model` or `build_model`; any other model of the library works as well.
        args: Settings; with `peft`, the adapter is put on the model here.
        mixture: Examples by position. With `num_train_epochs` instead of `max_steps` it needs a length.
        encoder: Text to ids; its tokenizer is saved with the checkpoints.
        identity: Further names and fingerprints that a resumed run must share.
        callbacks: Beside the library's own.
        validation: Examples by position, with a length: what `--loss_balancing coba` measures.

    Attributes:
        plan: The slots of every step: rows, or packs.
        dropped: Examples that did not train because they are over the encoder's limits (those of this process,
            until `train` has returned) or larger than a pack.
        meter: Speed and utilisation of every log line.
        guard: Judges every step's loss and gradient.
        loss_balancer: Weighs the groups' losses; None where they are not balanced.
        gradient_balancer: Combines the groups' gradients; None where they are not balanced.

    Raises:
        ConfigError: A setting cannot work, such as float16 with mT5 or a launch that lost its processes.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: MultitaskArguments,
        mixture: ExampleSource,
        encoder: Encoder,
        *,
        identity: Mapping[str, str] | None = None,
        callbacks: Sequence[TrainerCallback] | None = None,
        validation: ExampleSource | None = None,
    ) -> None:
        refuse_lost_processes()
        refuse_data_parallel(args.n_gpu)
        refuse_fsdp(model)
        groups = groups_of(mixture, args.balance_by) if args.balances_gradients else None
        self.mixture, self.encoder = mixture, encoder
        self.own_forward = has_own_forward(model)
        self.plan, args.max_steps = plan_steps(args, mixture, encoder, own_forward=self.own_forward)
        self.dropped = 0
        self.group_losses = GroupLosses()
        self.dgr = DummyRegularizer(args, args.seed, args.world_size)
        self._identity = dict(identity or {})
        self.loss_balancer = balancer_of(self, args, validation)
        refuse_half_precision(model, "fp16" if args.fp16 else "no", None)
        set_seed(args.seed)  # the adapter's weights
        adapted = add_adapter(model, args)
        set_loss_options(adapted, args.loss_options)
        super().__init__(
            model=adapted, args=args, processing_class=encoder.tokenizer, callbacks=list(callbacks or [])
        )
        keep_row_weights_precise(self.accelerator.state)
        # the row weights already hold the step's denominator: nothing is left to divide by
        self.loss_is_scaled_for_ga = True
        refuse_half_precision(model, self.accelerator.mixed_precision, self._deepspeed_config())
        capacities = self.plan.plan.windows.capacities if isinstance(self.plan, PackSteps) else ()
        self.meter = Meter(model_cost(adapted), capacities=capacities)
        self.guard = AnomalyGuard(args, Path(args.output_dir), self.accelerator, mixture)
        if groups is not None:
            most = self.plan.per_step if self.plan.kind == "rows" else len(groups.names)
            self.gradient_balancer = GradientBalancer(
                args, groups, adapted, most=most, loss_scale=lambda: loss_scale(self.accelerator)
            )
        if self.pop_callback(ProgressCallback) is not None:
            self.add_callback(ProgressLine)
        if self.loss_balancer is not None:
            self.add_callback(self.loss_balancer)

    @property
    def identity(self) -> dict[str, str]:
        """What a resumed run must share with this one, by name."""
        return {
            "mixture": self.mixture.fingerprint,
            "tokenizer": self.encoder.fingerprint,
            "loss": self.args.loss_identity,
            "peft": self.args.adapter_identity,
            **({"dgr": self.args.dgr_identity} if self.dgr.on else {}),
            **self.args.balance_identity,
            **(self.loss_balancer.identity if self.loss_balancer else {}),
            **self.args.gradient_identity,
            **self.plan.identity,
            **self._identity,
        }

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> TrainOutput:
        """Train to the end, from the start or from a checkpoint of this very run.

        Args:
            resume_from_checkpoint: A checkpoint's folder; True for the latest of `output_dir` that is complete and as
                it was written.
            **kwargs: Passed on to the library.

        Raises:
            RunError: The checkpoint is incomplete, was changed, or belongs to another run; a step's loss or gradient
                is not finite, or its loss a spike that stops; memory or disk do not suffice.
        """
        checkpoint = self._checked_checkpoint(resume_from_checkpoint) if resume_from_checkpoint else None
        if checkpoint is not None:
            for name, part in ((STEPS_FILE, self.plan), *self._states):
                part.restore(json.loads((Path(checkpoint) / name).read_text(encoding="utf-8")))
        self.meter.device_rate = self._device_rate()
        with memory_told(self.args):
            result = super().train(resume_from_checkpoint=checkpoint, **kwargs)
        self.dropped = sum(gather_object([self.dropped])) + self.plan.dropped(self.state.global_step)
        if self.loss_balancer is not None and self.args.should_save:
            self.loss_balancer.write(Path(self.args.output_dir))
        return result

    def get_train_dataloader(self) -> DataLoader[Any]:
        """This process's micro-batches; not prepared by Accelerate, which would deal them out again."""
        dataset: Any = StepDataset(
            self.mixture,
            self.encoder,
            self.plan,
            steps=self.args.max_steps,
            rank=self.args.process_index,
            processes=self.args.world_size,
            accumulation=self.args.gradient_accumulation_steps,
            micro_batch=self.args.per_device_train_batch_size,
        )
        if self.gradient_balancer is not None:
            dataset = GroupedSteps(dataset, self.gradient_balancer.groups)
        pin_memory = self.args.dataloader_pin_memory and self.args.device.type == "cuda"
        return step_loader(dataset, workers=self.args.dataloader_num_workers, pin_memory=pin_memory)

    def get_batch_samples(
        self, epoch_iterator: Iterator[dict[str, Any]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], Tensor]:
        """The micro-batches of one step, weights divided by the denominator over all processes."""
        self.meter.resume()
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        if self.gradient_balancer is not None:
            batches = micro_batches(batches)
        self.meter.add(batches)
        self.dropped += sum(batch.pop("dropped") for batch in batches)
        for batch in batches:
            batch["present"] = batch["row_weights"]
        self.dgr.begin(batches, self._sum_of, self.state.global_step)
        denominator = self._weigh(batches)
        for batch in batches:
            del batch["shifted"]
        return batches if self.gradient_balancer is None else as_items(batches, num_batches), denominator

    def _prepare_input(self, data: Any) -> Any:
        """On the device, each tensor in its own dtype: the library rounds row weights to DeepSpeed's 16 bits."""
        return send_to_device(data, self.args.device)

    def _weigh(self, batches: list[dict[str, Any]]) -> Tensor:
        """Set the row weights: those of the step's mean, or those of each group's."""
        if self.loss_balancer is not None:
            return self.loss_balancer.weigh(batches)
        if self.gradient_balancer is not None:
            return self.gradient_balancer.weigh(batches, add_up=self._add_up, processes=self.args.world_size)
        return weigh_rows(
            batches,
            self.args.loss_normalization,
            processes=self.args.world_size,
            sum_over_processes=self._sum_of,
            gather_dicts=lambda counts: list(gather_object([counts])),
            target_length_exponent=self.args.target_length_exponent,
        )

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """This micro-batch's share of the step's loss: shares add up, row weights hold the denominator."""
        batch = dict(inputs)
        names = ("tasks", "languages", "present", "positions")
        tasks, languages, present, positions = (batch.pop(name) for name in names)
        if self.loss_balancer is not None:
            self.loss_balancer.begin(model, batch)
        batch = batch | self.dgr.batch(tasks, positions)
        output = weighted_target_loss(model, batch, own_forward=self.own_forward)
        if self.loss_balancer is not None:
            self.loss_balancer.add(output)
        self.group_losses.add(tasks, languages, output.row_losses, output.row_counts, present)  # type: ignore[arg-type]
        self.guard.add(output, batch["row_weights"], positions)
        loss = self.dgr.add(output)
        return (loss, output) if return_outputs else loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """The gradient's norm over all processes; the step is judged by it here, before the weights change."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        balancer = self.loss_balancer or self.gradient_balancer
        self.guard.judge(self.state.global_step + 1, norm, scale=balancer.scale if balancer else 1.0)
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with speed and utilisation, and each task's and language's own loss in nats per target token."""
        if "loss" in logs:
            logs |= self.meter.read(self.state.max_steps - self.state.global_step, self._add_up)
            logs |= self.dgr.drain(logs["loss"], self._add_up)
            logs |= self.group_losses.drain(lambda totals: list(gather_object(totals)))
            logs |= self.loss_balancer.record.drain() if self.loss_balancer is not None else {}
            logs |= self.gradient_balancer.log.drain() if self.gradient_balancer is not None else {}
        super().log(logs, start_time)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Weights, tokenizer and settings; these as JSON, since a pickle would run code on loading."""
        if state_dict is not None:
            # DeepSpeed clones every weight, so the library no longer sees which ones are one and the same.
            tied = getattr(self.model, "all_tied_weights_keys", {})
            state_dict = {name: weight for name, weight in state_dict.items() if name not in tied}
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            (folder / "training_args.bin").unlink(missing_ok=True)
            _write_json(folder / ARGUMENTS_FILE, self.args.to_dict())

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """The library's checkpoint, where the steps are, its manifest; only then are older ones taken away."""
        self.meter.pause()
        run = Path(self.args.output_dir)
        folder, limit = run / f"checkpoint-{self.state.global_step}", self.args.save_total_limit
        needed = bytes_of_checkpoint(model, self.optimizer, run)
        self._refuse_full_disk(folder, needed)
        with disk_told(folder, needed):
            try:
                self.args.save_total_limit = None
                super()._save_checkpoint(model, trial)
            finally:
                self.args.save_total_limit = limit
            self.accelerator.wait_for_everyone()
            if self.args.should_save and folder.is_dir():
                _write_json(folder / STEPS_FILE, self.plan.state(self.state.global_step))
                for name, part in self._states:
                    _write_json(folder / name, part.state())
                _write_json(folder / ARGUMENTS_FILE, self.args.to_dict())  # the limit is in it again
                write_manifest(folder, step=self.state.global_step, identity=self.identity, parts=self._parts)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            rotate_checkpoints(str(run), limit, self.state.best_model_checkpoint, use_mtime=True)

    @property
    def _states(self) -> list[tuple[str, Any]]:
        """What a checkpoint holds of the parts of the loss, by file."""
        balancers = [(BALANCE_FILE, self.loss_balancer), (GRADIENTS_FILE, self.gradient_balancer)]
        return [(GUARD_FILE, self.guard), *((name, part) for name, part in balancers if part is not None)]

    def _refuse_full_disk(self, folder: Path, needed: int) -> None:
        """Raise in all processes, before anything is written, where a checkpoint has no room."""
        missing = [missing_bytes(folder, needed)]
        broadcast_object_list(missing)
        if missing[0]:
            raise disk_error(folder, needed, missing[0])

    def _add_up(self, values: list[float]) -> list[float]:
        """The sums over processes."""
        if self.args.world_size == 1:
            return values
        local = torch.tensor(values, dtype=torch.float64, device=self.args.device)
        found: list[float] = self.accelerator.reduce(local, reduction="sum").tolist()
        return found

    def _sum_of(self, amount: Tensor) -> Tensor:
        """() on the CPU; the sum over processes."""
        found: Tensor = self.accelerator.gather(amount.to(self.args.device)).sum().cpu()
        return found

    def _device_rate(self) -> float:
        """Operations per second of all processes' devices together: as given, else as measured on this one."""
        given: float | None = self.args.device_tflops
        dtype = computing_dtype(self.model, self.accelerator.mixed_precision)
        rate = matrix_rate(self.args.device, dtype) if given is None else given * 1e12
        return rate * int(self.args.world_size)

    @property
    def _parts(self) -> dict[str, Any]:
        """What the mixture's fingerprint stands for, where the mixture tells."""
        return {"mixture": getattr(self.mixture, "parts", {})}

    def _whole_checkpoint(self, wanted: str | bool) -> Path:
        """The folder to resume from: the one named, or the latest that is as it was written."""
        if wanted is not True:
            check_manifest(Path(str(wanted)), identity=self.identity, parts=self._parts)
            return Path(str(wanted))
        for found in find_checkpoints(self.args.output_dir):
            try:
                check_manifest(found, identity=self.identity, parts=self._parts)
                return found
            except DamagedError as error:
                logger.warning("%s It is passed over for the one before.", error)
        raise RunError(
            "There must be a complete checkpoint, as it was written, to resume from.",
            where=self.args.output_dir,
            remedy="Start a new run in another output folder.",
        )

    def _checked_checkpoint(self, wanted: str | bool) -> str:
        """The folder to resume from; the main process checks it, and all processes fail together."""
        verdict: list[Any] = [None, None]
        if self.is_world_process_zero():
            try:
                verdict[0] = str(self._whole_checkpoint(wanted))
            except MtftError as error:
                verdict[1] = error
        broadcast_object_list(verdict)
        if verdict[1] is not None:
            raise verdict[1]
        return str(verdict[0])

    def _deepspeed_config(self) -> Mapping[str, Any] | None:
        plugin = getattr(self.accelerator.state, "deepspeed_plugin", None)
        return None if plugin is None else plugin.deepspeed_config


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
