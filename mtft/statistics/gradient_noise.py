"""Gradient coherence and noise scale from the norms of small- and large-batch gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GradientNoise:
    """What two batch sizes tell of per-example gradients.

    Attributes:
        squared_norm: Unbiased |G|^2 of the mean gradient; may fall below 0 by chance.
        trace: Unbiased tr(Sigma), the trace of the per-example gradients' covariance.
        scale: trace / squared_norm, in examples; nan where `squared_norm` is not above 0.
    """

    squared_norm: float
    trace: float
    scale: float


def gradient_noise(small: float, big: float, n_small: int, n_big: int) -> GradientNoise:
    """The estimates from the squared norms of gradients over two batch sizes.

    With E|G_B|^2 = |G|^2 + tr(Sigma) / B:

        |G|^2     = (B_big |G_big|^2 - B_small |G_small|^2) / (B_big - B_small)
        tr(Sigma) = (|G_small|^2 - |G_big|^2) / (1 / B_small - 1 / B_big)

    Args:
        small: |G_small|^2, squared, best a mean over many batches.
        big: |G_big|^2, squared.
        n_small: Examples of a small batch.
        n_big: Examples of a large one.

    Returns:
        nan throughout where the two sizes are one.

    Source: McCandlish et al. 2018, arXiv 1812.06162, appendix A.1.
    """
    if n_big <= n_small:
        return GradientNoise(np.nan, np.nan, np.nan)
    squared = (n_big * big - n_small * small) / (n_big - n_small)
    trace = (small - big) / (1 / n_small - 1 / n_big)
    return GradientNoise(squared, trace, trace / squared if squared > 0 else np.nan)
