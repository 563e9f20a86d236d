"""The settings of what watches a training."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtft.errors import ConfigError


@dataclass
class WatchSettings:
    """When a loss is a spike and what follows, and what utilisation is measured against."""

    stop_on_spike: bool = field(
        default=False,
        metadata={
            "help": "End the run at a spike of the loss in place of telling it; a loss or gradient that is not "
            "finite always does."
        },
    )
    spike_window: int = field(
        default=100, metadata={"help": "Steps that a loss is compared with to be called a spike."}
    )
    spike_factor: float = field(
        default=8.0,
        metadata={
            "help": "How far above their median a spike is, in robust standard deviations (1.4826 x MAD)."
        },
    )
    device_tflops: float | None = field(
        default=None,
        metadata={
            "help": "Peak of one device in 10^12 operations per second, for its utilisation (MFU); default: "
            "measured before training, 0 leaves MFU out."
        },
    )
    logging_nan_inf_filter: bool = field(
        default=False,
        metadata={"help": "Hide losses that are not finite from the log; they end the run anyway."},
    )

    def check_watching(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            ConfigError: A window below two steps, a factor of zero or less, a negative rate.
        """
        for name, holds, rule in (
            ("spike_window", self.spike_window >= 2, "at least 2"),
            ("spike_factor", self.spike_factor > 0, "above 0"),
            ("device_tflops", (self.device_tflops or 0) >= 0, "at least 0"),
        ):
            if not holds:
                raise ConfigError(f"`{name}` must be {rule}.", found=getattr(self, name))
