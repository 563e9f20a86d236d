"""From the products of the groups' gradients to their weights: TorchJD's methods by name, absent groups kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtft.errors import ConfigError, MissingExtraError, nearest
from mtft.training.grad_norm import GradNorm
from mtft.training.gradient_settings import GradientSettings, constant_weights
from mtft.training.gradient_solvers import (
    cagrad_weights,
    dualproj_weights,
    fair_weights,
    shortest_weights,
    upgrad_weights,
)
from mtft.training.gradient_step import GradientMethod, GradientStep, restored
from mtft.training.tension import Tension


def gradient_method(settings: GradientSettings, names: Sequence[str]) -> GradientMethod:
    """The method that the settings name, for groups of these names.

    Raises:
        ConfigError: A constant weight is of no group, or TorchJD is of another version than `gradvac` needs.
        MissingExtraError: TorchJD, or a solver that the method needs, is not installed.
    """
    name, count = settings.gradient_balancing, len(names)
    own: dict[str, Callable[[], GradientMethod]] = {
        "constant": lambda: Constant(settings, names),
        "mgda": lambda: FromGramian(shortest_weights),
        "cagrad": lambda: FromGramian(partial(cagrad_weights, c=settings.cagrad_c)),
        "nash_mtl": NashMTL,
        "fairgrad": lambda: FairGrad(settings.fairgrad_alpha),
        "gradnorm": lambda: GradNorm(count, alpha=settings.gradnorm_alpha, rate=settings.gradnorm_rate),
        "tension": lambda: Tension(count, alpha=settings.tension_alpha),
    }
    if name in own:
        return own[name]()
    with _told():
        return _of_torchjd(settings, count)


def _of_torchjd(settings: GradientSettings, count: int) -> GradientMethod:
    from torchjd import aggregation as found
    from torchjd.linalg import QuadprogProjector

    name = settings.gradient_balancing
    if name in _CONES:
        QuadprogProjector()  # says what is missing now and not in the first step
        return FromGramian(_CONES[name])
    if name == "gradvac":
        return GradVac(found.GradVacWeighting(beta=settings.gradvac_beta), count)
    if name == "graddrop":
        return GradDrop(found.GradDrop())
    if name == "config":
        return ConFIG(found.ConFIG())
    return FromGramian(getattr(found, _WEIGHTINGS[name])())


def check_gradient_method(settings: GradientSettings) -> None:
    """Make the method once, before anything is built: what it needs may be missing.

    Raises:
        ConfigError: See `gradient_method`.
        MissingExtraError: Likewise.
    """
    if settings.balances_gradients:
        gradient_method(settings, list(constant_weights(settings.gradient_weights)))


_CONES = {"upgrad": upgrad_weights, "dualproj": dualproj_weights}
_WEIGHTINGS = {
    "sum": "SumWeighting",
    "mean": "MeanWeighting",
    "random": "RandomWeighting",
    "pcgrad": "PCGradWeighting",
    "imtl_g": "IMTLGWeighting",
    "aligned_mtl": "AlignedMTLWeighting",
}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Name the extra where TorchJD or one of its solvers is missing."""
    try:
        yield
    except ImportError as error:
        # what TorchJD says of a missing solver names no module
        package = "torchjd" if error.name else "torchjd[quadprog-projector]"
        raise MissingExtraError(package, extra="multitask", purpose="gradient balancing") from error


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
    """Weights that do not change with the gradients' common scale: of `gradient_solvers`, or a `Weighting` of TorchJD.

    It gets the Gramian divided by its mean diagonal: constants in TorchJD would call the gradients of an adapter zero.
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


class FairGrad(GradientMethod):
    """The positive w with G w = w^(-1 / alpha); for alpha 0 the mean.

    Source: Ban and Ji 2024, arXiv 2402.15638, equation 4.
    """

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`."""
        if not self._alpha:
            return torch.full_like(step.norms, 1.0 / len(step.norms))
        return fair_weights(step.gramian, self._alpha)


class GradVac(GradientMethod):
    """TorchJD's GradVac with one target per pair of all groups; a pair that is not there keeps its own.

    TorchJD adds 1e-8 to products of norms whose mean square is 1: a cosine of two groups whose product of norms is
    1e-6 is off by a hundredth.

    Raises:
        ConfigError: TorchJD keeps its targets by other names than in 0.18.

    Source: Wang et al. 2021, arXiv 2010.05874.
    """

    def __init__(self, weighting: Any, count: int) -> None:
        for name in ("_phi_t", "_state_key"):
            if not hasattr(weighting, name):
                raise ConfigError(
                    "`gradvac` needs TorchJD 0.18, whose targets it keeps for absent groups.",
                    found=f"no `{name}` in {type(weighting).__name__}",
                    remedy="Install the extra: pip install 'mtft[multitask]'.",
                )
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
    """The weights w with G w = 1 / w: of all directions, the one that no group would bargain away.

    As in TorchJD, G is divided by its Frobenius norm before, and the update is at most of length 1.
    TorchJD's own solver (0.18) gives equal weights without a word where its first problem is unbounded, as it was in
    2 of 60 random problems of four groups, all of them with a group that conflicts with the plain sum.

    Source: Navon et al. 2022, arXiv 2202.01017, section 3.2 and algorithm 1.
    """

    def weights(self, step: GradientStep) -> Tensor:
        """See `GradientMethod`."""
        found = fair_weights(step.gramian / step.gramian.norm(), 1.0)
        length = float((found @ step.gramian @ found).clamp(min=0).sqrt())
        return found / max(length, 1.0)


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
