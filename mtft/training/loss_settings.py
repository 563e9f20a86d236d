"""The settings of the loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtft.modeling import LossOptions
from mtft.training.guards import check_choice
from mtft.training.normalization import NORMALIZATIONS, check_exponent


@dataclass
class LossSettings:
    """What a step's loss is the mean of, and of what. The library's `label_smoothing_factor` belongs to them."""

    loss_normalization: str = field(
        default="target",
        metadata={
            "help": "What one step's loss is the mean of: `token` (all target tokens alike), `target` (each "
            "target's mean, as BLOOMZ), `sample` (each target's sum), `task` (each task's token mean)."
        },
    )
    target_length_exponent: float = field(
        default=0.0,
        metadata={"help": "Weighs an example by this power of its target's length; 0 weighs all alike."},
    )
    z_loss: float = field(
        default=0.0, metadata={"help": "Weight of the squared log-partition, such as 1e-4 (T5X, PaLM)."}
    )
    loss_backend: str = field(
        default="chunked",
        metadata={"help": "What computes the loss: `chunked`; on GPUs also `liger` or `cut_cross_entropy`."},
    )
    label_smoothing_factor: float = field(
        default=0.0, metadata={"help": "Share of a target's weight that is spread over the vocabulary."}
    )

    @property
    def loss_options(self) -> LossOptions:
        """What the model's head computes.

        Raises:
            ConfigError: A value is out of range, or the backend lacks an option.
        """
        return LossOptions(self.label_smoothing_factor, self.z_loss, self.loss_backend)

    @property
    def loss_identity(self) -> str:
        """What a resumed run must share of these; the backend may change."""
        options = {
            "label_smoothing_factor": self.label_smoothing_factor,
            "target_length_exponent": self.target_length_exponent,
            "z_loss": self.z_loss,
        }
        named = [f"{name}={value:g}" for name, value in options.items() if value]
        return ", ".join([self.loss_normalization, *named])

    def check_loss(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            ConfigError: See `LossOptions` and `check_exponent`; or the normalisation is unknown.
        """
        check_choice("loss_normalization", self.loss_normalization, NORMALIZATIONS)
        check_exponent(self.target_length_exponent)
        _ = self.loss_options
