"""The settings of a multitask finetuning, on top of the library's `TrainingArguments`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import torch
from transformers import TrainingArguments

from mtft.encoding import accumulation_for
from mtft.errors import ConfigError
from mtft.training.adapters import AdapterSettings
from mtft.training.balance_settings import BalanceSettings
from mtft.training.devices import deepspeed_was_launched, fsdp_was_launched, join_deepspeed_processes
from mtft.training.dgr_settings import DgrSettings
from mtft.training.diagnosed_parameters import refuse_partitioned_gradients
from mtft.training.diagnostic_settings import DiagnosticSettings
from mtft.training.gradient_methods import check_gradient_method
from mtft.training.gradient_settings import GradientSettings
from mtft.training.loss_settings import LossSettings
from mtft.training.pack_settings import PackSettings
from mtft.training.watching import WatchSettings

# settings of the library that our rows and our loss leave no place for, with the only value they can have
_FIXED: dict[str, tuple[object, str]] = {
    "eval_strategy": ("no", "evaluation during training is done by the run's callback"),
    "auto_find_batch_size": (False, "the rows of a step do not depend on memory"),
    "train_sampling_strategy": ("random", "the mixture decides the order"),
    "use_liger_kernel": (False, "the loss is already computed in chunks, on targets only"),
}


@dataclass
class MultitaskArguments(
    LossSettings,
    BalanceSettings,
    GradientSettings,
    DgrSettings,
    PackSettings,
    WatchSettings,
    AdapterSettings,
    DiagnosticSettings,
    TrainingArguments,  # type: ignore[misc]
):
    """`TrainingArguments` with the loss, the packing, the adapter, what watches, and the global batch.

    Some defaults differ from the library's: TensorBoard is on, a log line comes every 10 steps, and saved
    configurations keep generation's cache.
    """

    global_batch_size: int | None = field(
        default=None,
        metadata={
            "help": "Rows, or packs, per optimiser step over all processes; gradient accumulation follows from it. "
            "Default: per_device_train_batch_size x gradient_accumulation_steps x processes."
        },
    )
    report_to: None | str | list[str] = field(  # noqa: RUF036  # the argument parser reads the second
        default="tensorboard", metadata={"help": "Trackers, `none` for none."}
    )
    logging_steps: float = field(default=10, metadata={"help": "Steps between two log lines."})
    use_cache: bool = field(
        default=True, metadata={"help": "Kept in saved configurations for generation; training never caches."}
    )

    def __post_init__(self) -> None:
        self.check_loss()
        self.check_balance(self.loss_normalization)
        self.check_dgr()
        self.check_packing()
        self.check_adapter()
        self.check_watching()
        self.check_gradient_balancing(self.loss_normalization)
        check_gradient_method(self)
        self.check_diagnostics()
        if not torch.accelerator.is_available():
            self.use_cpu = True  # else the library takes several processes on CPUs for so many single ones
        if self.global_batch_size is not None:
            self._accumulate_for_global_batch(self.global_batch_size)
        super().__post_init__()
        self._refuse_partitions()
        if self.device.type == "cpu" and (self.deepspeed or deepspeed_was_launched()):
            join_deepspeed_processes()
        for name, (value, reason) in _FIXED.items():
            found = getattr(self, name, value)
            if getattr(found, "value", found) != value:
                raise ConfigError(f"`{name}` must be `{value}`: {reason}.", found=f"`{found}`")

    def _refuse_partitions(self) -> None:
        """Refuse diagnostics of gradients that no process will hold, as soon as the library has read how it trains."""
        if self.diagnostics:
            config = None if self.deepspeed_plugin is None else self.deepspeed_plugin.deepspeed_config
            refuse_partitioned_gradients(self, config, fsdp=fsdp_was_launched() or bool(self.fsdp))

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
