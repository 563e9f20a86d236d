"""The settings of a multitask finetuning, on top of the library's `TrainingArguments`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import torch
from transformers import TrainingArguments

from mtft.encoding import OVER_CAPACITY, WINDOW, accumulation_for
from mtft.errors import ConfigError
from mtft.training.adapters import AdapterSettings
from mtft.training.devices import deepspeed_was_launched, join_deepspeed_processes
from mtft.training.guards import check_choice
from mtft.training.normalization import NORMALIZATIONS
from mtft.training.watching import WatchSettings

# settings of the library that our rows and our loss leave no place for, with the only value they can have
_FIXED: dict[str, tuple[object, str]] = {
    "eval_strategy": ("no", "evaluation during training is done by the run's callback"),
    "label_smoothing_factor": (0.0, "the loss is the targets' negative log-likelihood"),
    "auto_find_batch_size": (False, "the rows of a step do not depend on memory"),
    "train_sampling_strategy": ("random", "the mixture decides the order"),
    "use_liger_kernel": (False, "the loss is already computed in chunks, on targets only"),
}


@dataclass
class MultitaskArguments(WatchSettings, AdapterSettings, TrainingArguments):  # type: ignore[misc]
    """`TrainingArguments` with the loss normalisation, the global batch and the adapter.

    Some defaults differ from the library's: TensorBoard is on, a log line comes every 10 steps, and saved
    configurations keep generation's cache.
    """

    loss_normalization: str = field(
        default="target",
        metadata={
            "help": "What one step's loss is the mean of: `token` (all target tokens alike), `target` (each "
            "target's mean, as BLOOMZ), `sample` (each target's sum), `task` (each task's token mean)."
        },
    )
    global_batch_size: int | None = field(
        default=None,
        metadata={
            "help": "Rows, or packs, per optimiser step over all processes; gradient accumulation follows from it. "
            "Default: per_device_train_batch_size x gradient_accumulation_steps x processes."
        },
    )
    packing: bool = field(
        default=False,
        metadata={
            "help": "Train on packs of examples that do not see each other, exactly as unpacked (BLOOM and mT5). "
            "All batch sizes then count packs."
        },
    )
    pack_capacity: list[int] = field(
        default_factory=list,
        metadata={
            "help": "Tokens of a pack: one number for BLOOM, encoder and decoder for mT5. Default: as "
            "`mtft mixture describe --packing` proposes."
        },
    )
    pack_window: int = field(
        default=WINDOW, metadata={"help": "Successive examples of the schedule that are packed together."}
    )
    over_capacity: str = field(
        default="drop", metadata={"help": "An example larger than a pack: `drop` (and count) or `refuse`."}
    )
    report_to: None | str | list[str] = field(  # noqa: RUF036  # the argument parser reads the second
        default="tensorboard", metadata={"help": "Trackers, `none` for none."}
    )
    logging_steps: float = field(default=10, metadata={"help": "Steps between two log lines."})
    use_cache: bool = field(
        default=True, metadata={"help": "Kept in saved configurations for generation; training never caches."}
    )

    def __post_init__(self) -> None:
        check_choice("loss_normalization", self.loss_normalization, NORMALIZATIONS)
        self.check_adapter()
        self.check_watching()
        check_choice("over_capacity", self.over_capacity, OVER_CAPACITY)
        if not torch.accelerator.is_available():
            self.use_cpu = True  # else the library takes several processes on CPUs for so many single ones
        if self.global_batch_size is not None:
            self._accumulate_for_global_batch(self.global_batch_size)
        super().__post_init__()
        if self.device.type == "cpu" and (self.deepspeed or deepspeed_was_launched()):
            join_deepspeed_processes()
        for name, (value, reason) in _FIXED.items():
            found = getattr(self, name, value)
            if getattr(found, "value", found) != value:
                raise ConfigError(f"`{name}` must be `{value}`: {reason}.", found=f"`{found}`")

    def _accumulate_for_global_batch(self, rows: int) -> None:
        """Set the accumulation before the library hands it to DeepSpeed's settings."""
        if rows < 1:
            raise ConfigError("`global_batch_size` must be at least 1.", found=rows)
        given: int = self.gradient_accumulation_steps  # type: ignore[has-type]
        if given != 1:
            raise ConfigError(
                "Give `global_batch_size` or `gradient_accumulation_steps`, not both.",
                found=f"{rows} and {given}",
            )
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        self.gradient_accumulation_steps = accumulation_for(
            rows, processes=processes, micro_batch=self.per_device_train_batch_size
        )
