"""The progress line of training: the library's bar, with what the last log line said of speed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from transformers import ProgressCallback, TrainerControl, TrainerState, TrainingArguments


class ProgressLine(ProgressCallback):  # type: ignore[misc]
    """The library's progress bar and log lines; behind the bar, loss, speed, utilisation and time left."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """The log line above the bar, its gist behind it."""
        super().on_log(args, state, control, logs=logs, **kwargs)
        if self.training_bar is not None and logs and "loss" in logs:
            self.training_bar.set_postfix_str(gist(logs), refresh=True)


def gist(logs: Mapping[str, Any]) -> str:
    """A log line in a few words, of what it has.

    Example: `loss 2.13, 4,120 tokens/s, 93 % full, 31 % padding, MFU 41 %, 0:12:05 left`.
    """
    parts = [f"loss {logs['loss']:.4g}"]
    if "tokens_per_second" in logs:
        parts.append(f"{logs['tokens_per_second']:,.0f} tokens/s")
        parts.append(f"{100 * logs['utilization']:.0f} % full")
        parts.append(f"{100 * logs['padding']:.0f} % padding")
    if "mfu" in logs:
        parts.append(f"MFU {100 * logs['mfu']:.0f} %")
    if "time_left" in logs:
        parts.append(f"{timedelta(seconds=round(logs['time_left']))} left")
    return ", ".join(parts)
