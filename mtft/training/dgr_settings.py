"""The settings of Dummy Gradient norm Regularization."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mtft.errors import ConfigError

_LEAST = {"dgr_dummies": 1, "dgr_classes": 2, "dgr_positions": 1}


@dataclass
class DgrSettings:
    """How much the gradient of random heads weighs, and what these heads are."""

    dgr_weight: float = field(
        default=0.0,
        metadata={
            "help": "Weight of the squared gradient norm of random heads on the encoder's output (mT5) or the last "
            "hidden state (BLOOM); 0 for none."
        },
    )
    dgr_dummies: int = field(
        default=1, metadata={"help": "Random heads per task; their penalty is the mean."}
    )
    dgr_resample: bool = field(
        default=False, metadata={"help": "Draw the random heads anew for each step instead of once."}
    )
    dgr_classes: int = field(
        default=32, metadata={"help": "Outputs of a random head; targets fall into as many classes by hash."}
    )
    dgr_positions: int = field(
        default=128,
        metadata={"help": "Most target positions (mT5: examples) of a task that count in a micro-batch."},
    )

    def check_dgr(self) -> None:
        """Refuse values that mean nothing, and what the penalty cannot go with.

        Raises:
            ConfigError: A value is out of range, or gradients are balanced as well.
        """
        if not 0 <= self.dgr_weight < math.inf:
            raise ConfigError("`dgr_weight` must be a finite number, at least 0.", found=self.dgr_weight)
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ConfigError(f"`{name}` must be at least {least}.", found=getattr(self, name))
        balancing = getattr(self, "gradient_balancing", "none")
        if self.dgr_weight and balancing != "none":
            raise ConfigError(
                "`dgr_weight` cannot go with `gradient_balancing`: the penalty is no task's gradient.",
                found=f"dgr_weight={self.dgr_weight:g} and gradient_balancing={balancing}",
                remedy="Use one of the two; `dgr_weight` goes with --loss_balancing.",
            )

    @property
    def dgr_identity(self) -> str:
        """What a resumed run must share; empty where there is no penalty."""
        if not self.dgr_weight:
            return ""
        seed = getattr(self, "seed", 0)
        return (
            f"{self.dgr_weight:g} x {self.dgr_dummies} {'resampled' if self.dgr_resample else 'fixed'} heads of "
            f"{self.dgr_classes} classes, {self.dgr_positions} positions, seed {seed}"
        )
