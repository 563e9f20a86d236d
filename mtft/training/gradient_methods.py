"""From the products of the groups' gradients to their weights: TorchJD's methods by name, absent groups kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtft.errors import ConfigError, MissingExtraError, nearest
from mtft.training.grad_norm import GradNorm
from mtft.training.gradient_settings import GradientSettings, constant_weights
from mtft.training.gradient_step import GradientMethod, GradientStep, restored
from mtft.training.tension import Tension


def gradient_method(settings: GradientSettings, names: Sequence[str]) -> GradientMethod:
    """The method that the settings name, for groups of these names.

    Raises:
        ConfigError: A constant weight is of no group.
        MissingExtraError: TorchJD, or a solver that the method needs, is not installed.
    """
    name, count = settings.gradient_balancing, len(names)
    if name == "gradnorm":
        return GradNorm(count, alpha=settings.gradnorm_alpha, rate=settings.gradnorm_rate)
    if name == "tension":
        return Tension(count, alpha=settings.tension_alpha)
    if name == "nash_mtl":
        return NashMTL()
    if name == "constant":
        return Constant(settings, names)
    with _told():
        from torchjd import aggregation as found

        if name == "gradvac":
            return GradVac(found.GradVacWeighting(beta=settings.gradvac_beta), count)
        if name == "fairgrad":
            return FairGrad(found.FairGradWeighting(alpha=settings.fairgrad_alpha), settings.fairgrad_alpha)
        if name == "graddrop":
            return GradDrop(found.GradDrop())
        if name == "config":
            return ConFIG(found.ConFIG())
        if name == "cagrad":
            return FromGramian(found.CAGradWeighting(c=settings.cagrad_c))
        return FromGramian(getattr(found, _WEIGHTINGS[name])())


_REGULAR = 1e-8  # opposite gradients have no bargain; their weights then stay below 1e4
_MOST_NEWTON_STEPS = 200
_WEIGHTINGS = {
    "sum": "SumWeighting",
    "mean": "MeanWeighting",
    "random": "RandomWeighting",
    "pcgrad": "PCGradWeighting",
    "mgda": "MGDAWeighting",
    "imtl_g": "IMTLGWeighting",
    "aligned_mtl": "AlignedMTLWeighting",
    "upgrad": "UPGradWeighting",
    "dualproj": "DualProjWeighting",
}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Name the extra where TorchJD or one of its solvers is missing."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("torchjd", extra="multitask", purpose="gradient balancing") from error


@contextlib.contextmanager
def seeded(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Random numbers that follow from seed and step alone; afterwards the generators stand where they stood.

    TorchJD draws from the global generators, which dropout uses too.
    """
    drawn = int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(drawn)
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(drawn)
        yield


@dataclass
class FromGramian(GradientMethod):
    """A `Weighting` of TorchJD whose weights do not change with the gradients' common scale.

    It gets the Gramian divided by its mean diagonal, since constants such as CAGrad's 1e-4 would call the
    gradients of an adapter zero.
    """

    weighting: Callable[[Tensor], Tensor]

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`."""
        return self.weighting(step.scaled)


class Constant(GradientMethod):
    """Weights that stay as they were given.

    Raises:
        ConfigError: A weight is of no group.
    """

    def __init__(self, settings: GradientSettings, names: Sequence[str]) -> None:
        given = constant_weights(settings.gradient_weights)
        for name in given.keys() - set(names):
            raise ConfigError(
                "`gradient_weights` must be of groups that train.", found=name, remedy=nearest(name, names)
            )
        self._weights = torch.tensor([given.get(name, 1.0) for name in names], dtype=torch.float64)

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`."""
        return self._weights[step.present]


class FairGrad(FromGramian):
    """Solves G w = w^(-1/alpha) on the scaled Gramian: its solver stops at absolute tolerances.

    With G = s G', w' solving G' w' = w'^(-1/alpha) gives w = s^(-alpha / (1 + alpha)) w'.

    Source: Ban and Ji 2024, arXiv 2402.15638, equation 4.
    """

    def __init__(self, weighting: Callable[[Tensor], Tensor], alpha: float) -> None:
        super().__init__(weighting)
        self._power = -alpha / (1.0 + alpha)

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`."""
        return float(step.scale**self._power) * self.weighting(step.scaled)


class GradVac(GradientMethod):
    """TorchJD's GradVac with one target per pair of all groups; a pair that is not there keeps its own.

    Source: Wang et al. 2021, arXiv 2010.05874.
    """

    def __init__(self, weighting: Any, count: int) -> None:
        self._weighting = weighting
        self.targets = torch.zeros(count, count, dtype=torch.float64)

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`; TorchJD forgets its targets when their number changes, so they are lent to it."""
        here = np.ix_(step.present, step.present)
        self._weighting._phi_t = self.targets[here].clone()
        self._weighting._state_key = (len(step.present), torch.float64)
        found: Tensor = self._weighting(step.scaled)
        self.targets[here] = self._weighting._phi_t
        return found

    def state(self) -> dict[str, Any]:
        """See `GradientMethod`."""
        return {"targets": self.targets.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `GradientMethod`."""
        self.targets = restored(state, "targets", self.targets)


class NashMTL(GradientMethod):
    """The weights a with G a = 1 / a: of all directions, the one that no group would bargain away.

    They are where a'Ga / 2 - sum_i log a_i is least, which is strictly convex: Newton's method finds them
    from any start. As in TorchJD, G is divided by its Frobenius norm before, and the update is at most of length 1.
    TorchJD's own solver (0.18) gives equal weights without a word where its first problem is unbounded, as it was in
    2 of 60 random problems of four groups, all of them with a group that conflicts with the plain sum.

    Source: Navon et al. 2022, arXiv 2202.01017, section 3.2 and algorithm 1.
    """

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`."""
        gramian = step.gramian / step.gramian.norm()
        found = bargained(gramian + _REGULAR * torch.eye(len(gramian), dtype=gramian.dtype))
        length = float((found @ step.gramian @ found).clamp(min=0).sqrt())
        return found / max(length, 1.0)


def bargained(gramian: Tensor) -> Tensor:
    """The positive (groups,) a with G a = 1 / a, of a positive definite G in float64.

    The step is damped by 1 / (1 + Newton decrement), which never leaves the positive numbers: the function is
    self-concordant (Boyd and Vandenberghe, Convex Optimization, section 9.6).
    """
    found = gramian.diagonal().rsqrt()
    for _ in range(_MOST_NEWTON_STEPS):
        slope = gramian @ found - 1.0 / found
        change = torch.linalg.solve(gramian + torch.diag(found**-2), slope)
        decrement = float((slope @ change).clamp(min=0).sqrt())
        found = found - change / (1.0 + decrement)
        if decrement < 1e-10:
            break
    return found


class ConFIG(GradientMethod):
    """TorchJD's aggregator on a root of the Gramian: it commutes with rotations, so its result has weights.

    Source: Liu et al. 2024, arXiv 2408.11104, equation 2.
    """

    def __init__(self, aggregator: Any) -> None:
        self._aggregator = aggregator

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`."""
        root = step.root
        found: Tensor = self._aggregator(root) @ torch.linalg.pinv(root)
        return found


class GradDrop(GradientMethod):
    """TorchJD's aggregator, which decides each coordinate by itself and has no weights.

    Source: Chen et al. 2020, arXiv 2010.06808, algorithm 1.
    """

    coordinatewise = True

    def __init__(self, aggregator: Any) -> None:
        self._aggregator = aggregator

    def combine(self, rows: Tensor) -> Tensor:
        """See `GradientMethod`; a coordinate in which all rows are zero stays zero."""
        found: Tensor = self._aggregator(rows)
        return found
