"""The settings of gradient balancing."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from mtft.errors import ConfigError
from mtft.training.balance_settings import check_inner_normalization
from mtft.training.devices import deepspeed_was_launched, fsdp_was_launched
from mtft.training.guards import check_choice

# in the order of docs/gradient_balancing.md
GRADIENT_METHODS = (
    *("none", "sum", "mean", "constant", "random"),
    *("pcgrad", "gradvac", "mgda", "cagrad", "nash_mtl", "fairgrad", "imtl_g", "aligned_mtl"),
    *("upgrad", "dualproj", "config", "graddrop", "gradnorm", "tension"),
)
UPDATE_NORMS = ("sum", "mean", "none")
_DRAWN = ("random", "pcgrad", "gradvac", "graddrop")
# they step inside the backward pass, when the groups' gradients are not all there
_FUSED_OPTIMISERS = ("lomo", "adalomo")
_FUSED_SUFFIX = "layerwise"  # galore_adamw_layerwise and its like: a hook of each weight steps
# name: lowest and highest value that means something
_RANGES: dict[str, tuple[float, float]] = {
    "gradvac_beta": (0.0, 1.0),
    "cagrad_c": (0.0, 10.0),
    "fairgrad_alpha": (0.0, 20.0),
    "gradnorm_alpha": (0.0, 10.0),
    "gradnorm_rate": (0.0, 1.0),
    "tension_alpha": (0.0, 1.0),
}


@dataclass
class GradientSettings:
    """How the gradients of the groups of `balance_by` become one update."""

    gradient_balancing: str = field(
        default="none",
        metadata={
            "help": "How the groups' gradients become one update: `none` (the loss decides), "
            f"{', '.join(f'`{name}`' for name in GRADIENT_METHODS[1:])}. See docs/gradient_balancing.md."
        },
    )
    balanced_parameters: str = field(
        default="trainable",
        metadata={
            "help": "Whose gradients are balanced: all `trainable` ones, those of the `last_block`, or a regular "
            "expression that is searched in their names. The others take the sum of the groups' gradients."
        },
    )
    update_norm: str = field(
        default="sum",
        metadata={
            "help": "Norm that the balanced gradient is rescaled to: that of the groups' `sum`, of their `mean`, "
            "or `none` to leave it."
        },
    )
    gradient_weights: str = field(
        default="", metadata={"help": "Weights of `constant`, such as `nli=0.5,qa=2`; all others have 1."}
    )
    gradvac_beta: float = field(default=0.5, metadata={"help": "GradVac: weight of a step in its targets."})
    cagrad_c: float = field(default=0.5, metadata={"help": "CAGrad: radius around the mean, in its norm."})
    fairgrad_alpha: float = field(default=1.0, metadata={"help": "FairGrad: 0 is the mean, 1 as Nash-MTL."})
    gradnorm_alpha: float = field(default=1.5, metadata={"help": "GradNorm: pull to a common training rate."})
    gradnorm_rate: float = field(default=0.025, metadata={"help": "GradNorm: learning rate of its weights."})
    tension_alpha: float = field(default=0.3, metadata={"help": "Tension: how much progress changes a pull."})

    @property
    def balances_gradients(self) -> bool:
        """Whether it is on."""
        return self.gradient_balancing != "none"

    @property
    def gradient_identity(self) -> dict[str, str]:
        """What a resumed run must share of these, by name; nothing when off."""
        if not self.balances_gradients:
            return {}
        knobs = [f"{name}={getattr(self, name):g}" for name in _RANGES]
        if self.gradient_balancing in _DRAWN:
            knobs.append(f"seed={getattr(self, 'seed', 0)}")
        parts = [self.gradient_balancing, self.balanced_parameters, self.update_norm, self.gradient_weights]
        return {"gradient_balancing": ", ".join([getattr(self, "balance_by", "task"), *parts, *knobs])}

    def check_gradient_balancing(self, loss_normalization: str) -> None:
        """Refuse values that mean nothing, and all that gives no gradient of one group in whole.

        Raises:
            ConfigError: A value is unknown or out of range; or DeepSpeed, FSDP, an optimiser inside the backward
                pass, loss balancing, its reduction or DGR are on as well; or the normalisation balances by itself.
        """
        check_choice("gradient_balancing", self.gradient_balancing, GRADIENT_METHODS)
        check_choice("update_norm", self.update_norm, UPDATE_NORMS)
        if self.gradient_weights and self.gradient_balancing != "constant":
            raise ConfigError(
                "`gradient_weights` are those of `gradient_balancing` constant.",
                found=f"`{self.gradient_weights}` and `{self.gradient_balancing}`",
                remedy="Give --gradient_balancing constant, or leave them out.",
            )
        if not self.balances_gradients:
            return
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"`{name}` must lie between {low:g} and {high:g}.", found=getattr(self, name)
                )
        check_inner_normalization(loss_normalization)
        constant_weights(self.gradient_weights)
        _check_pattern(self.balanced_parameters)
        _refuse_partitions(self)
        _refuse_companions(self)


def constant_weights(given: str) -> dict[str, float]:
    """Weights by the group's name.

    Example: `"nli=0.5, qa=2"` is `{"nli": 0.5, "qa": 2.0}`.

    Raises:
        ConfigError: A part is not a name, an equals sign and a finite number that is not negative.
    """
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in given.split(","))):
        name, _, value = part.rpartition("=")
        try:
            weights[name.strip()] = float(value)
        except ValueError:
            name = ""
        if not name or not 0 <= weights[name.strip()] < math.inf:
            raise ConfigError("`gradient_weights` must be names with weights, `nli=0.5,qa=2`.", found=part)
    return weights


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            "`balanced_parameters` must be `trainable`, `last_block` or a regular expression.",
            found=f"`{pattern}`: {error}",
        ) from error


def _refuse_partitions(settings: Any) -> None:
    """Refuse what spreads gradients over processes, or keeps them where no one else can set them."""
    fsdp = fsdp_was_launched() or bool(getattr(settings, "fsdp", None))
    deepspeed = deepspeed_was_launched() or bool(getattr(settings, "deepspeed", None))
    if fsdp or deepspeed:
        raise ConfigError(
            "Gradient balancing needs every group's whole gradient in each process.",
            found="FSDP" if fsdp else "DeepSpeed, which keeps and reduces gradients in buckets of its own",
            remedy="Train an adapter in one process or under DDP (recipes/accelerate/cpu_ddp.yaml), or "
            "balance losses: they work under every ZeRO stage and FSDP.",
        )
    optimiser = str(getattr(getattr(settings, "optim", ""), "value", getattr(settings, "optim", "")))
    if optimiser in _FUSED_OPTIMISERS or optimiser.endswith(_FUSED_SUFFIX):
        raise ConfigError(
            "Gradient balancing needs an optimiser that steps after the backward passes.",
            found=f"`optim: {optimiser}`",
            remedy="Use `--optim adamw_torch`.",
        )


def _refuse_companions(settings: Any) -> None:
    """Refuse a second weighting of the same groups, a divisor of losses, and a penalty that belongs to no group."""
    loss_balancing = getattr(settings, "loss_balancing", "none")
    if loss_balancing != "none":
        raise ConfigError(
            "Losses or gradients of the groups are balanced, not both.",
            found=f"`loss_balancing: {loss_balancing}` and `gradient_balancing: {settings.gradient_balancing}`",
            remedy="Set one of them to `none`.",
        )
    if getattr(settings, "loss_reduction", "sum") != "sum":
        raise ConfigError(
            "`loss_reduction` divides the losses of --loss_balancing.",
            found=f"`{settings.loss_reduction}` and `gradient_balancing: {settings.gradient_balancing}`",
            remedy="Give --update_norm mean or --gradient_balancing mean in its place.",
        )
    if getattr(settings, "dgr_weight", 0.0):
        raise ConfigError(
            "DGR's penalty is of no group, so that its gradient cannot be balanced.",
            found=f"`dgr_weight: {settings.dgr_weight:g}`",
            remedy="Set --dgr_weight 0 or --gradient_balancing none.",
        )
