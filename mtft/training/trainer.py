"""The multitask trainer: the library's Trainer with our rows, our loss and our checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, Trainer, TrainerCallback, set_seed
from transformers.trainer_utils import TrainOutput

from mtft.encoding import Encoder
from mtft.errors import MtftError, RunError
from mtft.modeling import has_own_forward, weighted_target_loss
from mtft.training.adapters import add_adapter
from mtft.training.arguments import MultitaskArguments
from mtft.training.checkpoints import check_manifest, find_checkpoint, write_manifest
from mtft.training.group_losses import GroupLosses
from mtft.training.guards import refuse_data_parallel, refuse_half_precision, refuse_lost_processes
from mtft.training.normalization import weigh_rows
from mtft.training.step_data import ExampleSource, StepDataset, step_loader
from mtft.training.steps import plan_steps

ARGUMENTS_FILE = "training_arguments.json"
STEPS_FILE = "steps.json"


class MultitaskTrainer(Trainer):  # type: ignore[misc]
    """Finetunes a causal model or an encoder-decoder on a mixture, with the loss on targets only.

    The examples of every optimiser step follow from the mixture, its lengths and the packing alone; batch size per
    device, accumulation and number of processes only decide who computes them, and change neither loss nor
    gradient beyond rounding.
    Accelerate, DeepSpeed, FSDP, trackers, progress bar and optimiser are the library's.

    Args:
        model: BLOOM and mT5 of `load_model` or `build_model`; any other model of the library works as well.
        args: Settings; with `peft`, the adapter is put on the model here.
        mixture: Examples by position. With `num_train_epochs` instead of `max_steps` it needs a length.
        encoder: Text to ids; its tokenizer is saved with the checkpoints.
        identity: Further names and fingerprints that a resumed run must share.
        callbacks: Beside the library's own.

    Attributes:
        plan: The slots of every step: rows, or packs.
        dropped: Examples that did not train because they are over the encoder's limits (those of this process,
            until `train` has returned) or larger than a pack.

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
    ) -> None:
        refuse_lost_processes()
        refuse_data_parallel(args.n_gpu)
        self.mixture, self.encoder = mixture, encoder
        self.own_forward = has_own_forward(model)
        self.plan, args.max_steps = plan_steps(args, mixture, encoder, own_forward=self.own_forward)
        self.dropped = 0
        self.group_losses = GroupLosses()
        self._identity = dict(identity or {})
        refuse_half_precision(model, "fp16" if args.fp16 else "no", None)
        set_seed(args.seed)  # the adapter's weights
        adapted = add_adapter(
            model, args.peft, rank=args.lora_rank, alpha=args.lora_alpha, dropout=args.lora_dropout
        )
        super().__init__(
            model=adapted, args=args, processing_class=encoder.tokenizer, callbacks=list(callbacks or [])
        )
        # the row weights already hold the step's denominator: nothing is left to divide by
        self.loss_is_scaled_for_ga = True
        refuse_half_precision(model, self.accelerator.mixed_precision, self._deepspeed_config())

    @property
    def identity(self) -> dict[str, str]:
        """What a resumed run must share with this one, by name."""
        return {
            "mixture": self.mixture.fingerprint,
            "tokenizer": self.encoder.fingerprint,
            "loss_normalization": self.args.loss_normalization,
            "peft": self.args.peft,
            **self.plan.identity,
            **self._identity,
        }

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> TrainOutput:
        """Train to the end, from the start or from a checkpoint of this very run.

        Args:
            resume_from_checkpoint: A checkpoint's folder; True for the latest complete one of `output_dir`.
            **kwargs: Passed on to the library.

        Raises:
            RunError: The checkpoint is incomplete, was changed, or belongs to another run.
        """
        checkpoint = self._checked_checkpoint(resume_from_checkpoint) if resume_from_checkpoint else None
        if checkpoint is not None:
            self.plan.restore(json.loads((Path(checkpoint) / STEPS_FILE).read_text(encoding="utf-8")))
        result = super().train(resume_from_checkpoint=checkpoint, **kwargs)
        self.dropped = sum(gather_object([self.dropped])) + self.plan.dropped(self.state.global_step)
        return result

    def get_train_dataloader(self) -> DataLoader[Any]:
        """This process's micro-batches; not prepared by Accelerate, which would deal them out again."""
        dataset = StepDataset(
            self.mixture,
            self.encoder,
            self.plan,
            steps=self.args.max_steps,
            rank=self.args.process_index,
            processes=self.args.world_size,
            accumulation=self.args.gradient_accumulation_steps,
            micro_batch=self.args.per_device_train_batch_size,
        )
        pin_memory = self.args.dataloader_pin_memory and self.args.device.type == "cuda"
        return step_loader(dataset, workers=self.args.dataloader_num_workers, pin_memory=pin_memory)

    def get_batch_samples(
        self, epoch_iterator: Iterator[dict[str, Any]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], Tensor]:
        """The micro-batches of one step, weights divided by the denominator over all processes."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        self.dropped += sum(batch.pop("dropped") for batch in batches)
        for batch in batches:
            batch["present"] = batch["row_weights"]
        denominator = weigh_rows(
            batches,
            self.args.loss_normalization,
            processes=self.args.world_size,
            sum_over_processes=lambda amount: self.accelerator.gather(amount.to(device)).sum().cpu(),
            gather_dicts=lambda counts: list(gather_object([counts])),
        )
        for batch in batches:
            del batch["shifted"], batch["positions"]
        return batches, denominator

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """This micro-batch's share of the step's loss: shares add up, row weights hold the denominator."""
        batch = dict(inputs)
        tasks, languages, present = (batch.pop(name) for name in ("tasks", "languages", "present"))
        output = weighted_target_loss(model, batch, own_forward=self.own_forward)
        self.group_losses.add(tasks, languages, output.row_losses, output.row_counts, present)  # type: ignore[arg-type]
        return (output.loss, output) if return_outputs else output.loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with each task's and language's own loss, in nats per target token, beside the step's."""
        if "loss" in logs:
            logs |= self.group_losses.drain(lambda totals: list(gather_object(totals)))
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
            settings = json.dumps(self.args.to_dict(), indent=1, default=str)
            (folder / ARGUMENTS_FILE).write_text(settings, encoding="utf-8")

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """The library's checkpoint, where the steps are, then its manifest."""
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save and folder.is_dir():
            steps = json.dumps(self.plan.state(self.state.global_step), indent=1)
            (folder / STEPS_FILE).write_text(steps, encoding="utf-8")
            write_manifest(folder, step=self.state.global_step, identity=self.identity)
        self.accelerator.wait_for_everyone()

    def _checked_checkpoint(self, wanted: str | bool) -> str:
        """The folder to resume from; the main process checks it, and all processes fail together."""
        verdict: list[Any] = [None, None]
        if self.is_world_process_zero():
            try:
                found = find_checkpoint(self.args.output_dir) if wanted is True else Path(str(wanted))
                if found is None:
                    raise RunError(
                        "There must be a complete checkpoint to resume from.", where=self.args.output_dir
                    )
                check_manifest(found, identity=self.identity)
                verdict[0] = str(found)
            except MtftError as error:
                verdict[1] = error
        broadcast_object_list(verdict)
        if verdict[1] is not None:
            raise verdict[1]
        return str(verdict[0])

    def _deepspeed_config(self) -> Mapping[str, Any] | None:
        plugin = getattr(self.accelerator.state, "deepspeed_plugin", None)
        return None if plugin is None else plugin.deepspeed_config
