"""What the loss of a target token is made of, and what computes it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mtft.errors import ConfigError, nearest

BACKENDS = ("chunked", "liger", "cut_cross_entropy")
# The options that a backend lacks, with the reason: the reported losses must stay the negative log-likelihood.
_LACKING = {
    ("liger", "label_smoothing"): "its kernel returns the smoothed loss alone, not the likelihood beside it",
    ("cut_cross_entropy", "label_smoothing"): "its kernel has no label smoothing",
    ("cut_cross_entropy", "z_loss"): "its released kernels do not return the log-partition",
}


@dataclass(frozen=True)
class LossOptions:
    """What is minimised at a target token, and by which code.

    With logits z over the V entries of the output layer, target y, e = `label_smoothing` and c = `z_loss`:

        loss = (1 - e) * nll_y + e * mean_j(nll_j) + c * logZ**2,   logZ = log sum_j exp(z_j),   nll_j = logZ - z_j

    Every entry counts in the mean, also those that pad a vocabulary, as in PyTorch's `cross_entropy`. Losses that
    are reported (`TargetLoss.row_losses`) are nll_y in any case; `TargetLoss.row_objectives` are the loss itself.

    Attributes:
        label_smoothing: At least 0, below 1; 0.1 in the sources.
        z_loss: At least 0; 1e-4 in the sources. It keeps logZ near 0, which bfloat16 needs.
        backend: `chunked` is ours and runs anywhere; `liger` and `cut_cross_entropy` are packages for GPUs.

    Raises:
        ConfigError: A value is out of range, or the backend cannot compute an option.

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv 1512.00567,
        section 7 (label smoothing); Chowdhery et al. 2022, "PaLM", arXiv 2204.02311, section 5, and Roberts et al.
        2022, "Scaling Up Models and Data with t5x and seqio", arXiv 2203.17189 (z-loss).
    """

    label_smoothing: float = 0.0
    z_loss: float = 0.0
    backend: str = "chunked"

    @property
    def plain(self) -> bool:
        """Whether a token's loss is its negative log-likelihood alone."""
        return not (self.label_smoothing or self.z_loss)

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError("`label_smoothing` must be at least 0 and below 1.", found=self.label_smoothing)
        if not 0 <= self.z_loss < math.inf:
            raise ConfigError("`z_loss` must be a finite number, at least 0.", found=self.z_loss)
        if self.backend not in BACKENDS:
            raise ConfigError(
                f"The loss backend must be one of {', '.join(BACKENDS)}.",
                found=f"`{self.backend}`",
                remedy=nearest(self.backend, BACKENDS),
            )
        for (backend, option), reason in _LACKING.items():
            if backend == self.backend and getattr(self, option):
                raise ConfigError(
                    f"`{option}` cannot go with the loss backend `{backend}`: {reason}.",
                    found=f"{option}={getattr(self, option)}",
                    remedy="Use the backend `chunked`.",
                )
